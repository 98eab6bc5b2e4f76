//! The time limit of a process, each case in a process of its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use weir_native::attachment::Attachment;
use weir_native::ipam_store::{AddressRange, Store};
use weir_native::watchdog::{self, Watchdog};

/// Set for the process that a case runs in.
const CASE: &str = "WEIR_WATCHDOG_CASE";
const WORDS: &[u8] = b"{\"code\": 102}\n";
const LIMIT: Duration = Duration::from_millis(100);

/// What a case does, and how its process must end: exit status, standard output, at the earliest and at the latest.
struct Case {
    name: &'static str,
    act: fn(&Path),
    status: i32,
    output: &'static [u8],
    milliseconds: (u64, u64),
}

const CASES: &[Case] = &[
    Case {
        name: "a_blocked_system_call_is_interrupted",
        act: |directory| {
            let _watchdog = Watchdog::arm(LIMIT, WORDS).unwrap();
            let error = open_blocking(&fifo(directory)).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
            assert!(watchdog::has_expired());
        },
        status: 0,
        output: b"",
        milliseconds: (100, 1900),
    },
    Case {
        name: "a_signal_that_was_blocked_by_the_caller_comes_through",
        act: |directory| {
            nix::sys::signal::SigSet::all().thread_block().unwrap();
            let _watchdog = Watchdog::arm(LIMIT, WORDS).unwrap();
            assert!(open_blocking(&fifo(directory)).is_err());
        },
        status: 0,
        output: b"",
        milliseconds: (100, 1900),
    },
    Case {
        name: "who_calls_again_when_interrupted_is_ended_with_the_last_words",
        act: |directory| {
            let _watchdog = Watchdog::arm(LIMIT, WORDS).unwrap();
            let _ = File::open(fifo(directory));
        },
        status: 1,
        output: WORDS,
        milliseconds: (2100, 4000),
    },
    Case {
        name: "who_only_computes_is_ended_with_the_last_words",
        act: |_| {
            let _watchdog = Watchdog::arm(LIMIT, WORDS).unwrap();
            let mut number = 1_u64;
            loop {
                number = std::hint::black_box(number.wrapping_mul(3));
            }
        },
        status: 1,
        output: WORDS,
        milliseconds: (2100, 4000),
    },
    Case {
        name: "a_store_that_another_process_has_locked_is_given_up_in_time",
        act: |directory| {
            let store = Store::open(directory, "net").unwrap();
            std::fs::create_dir_all(directory.join("net")).unwrap();
            let lock = File::create(directory.join("net/lock")).unwrap();
            lock.lock().unwrap();
            let _watchdog = Watchdog::arm(LIMIT, WORDS).unwrap();
            let (first, last) = ([10, 1, 0, 2].into(), [10, 1, 0, 9].into());
            let ranges = [AddressRange { first, last, except: None }];
            let error = store.allocate(&Attachment::new("c1", "eth0"), 0, &ranges).unwrap_err();
            assert_eq!(error.kind, weir_native::ErrorKind::TimedOut, "{error}");
        },
        status: 0,
        output: b"",
        milliseconds: (100, 1900),
    },
    Case {
        name: "after_its_end_nothing_is_watched",
        act: |_| {
            drop(Watchdog::arm(Duration::from_millis(1), WORDS).unwrap());
            assert!(!watchdog::has_expired());
            assert_eq!(watchdog::within(Duration::MAX), Duration::MAX);
            std::thread::sleep(Duration::from_millis(2400));
        },
        status: 0,
        output: b"",
        milliseconds: (2400, 9000),
    },
    Case {
        name: "the_earlier_of_two_deadlines_holds_and_the_outer_one_comes_back",
        act: |directory| {
            let _outer = Watchdog::arm(Duration::from_secs(60), b"outer").unwrap();
            {
                let _inner = Watchdog::arm(LIMIT, b"inner").unwrap();
                let _innermost = Watchdog::arm(Duration::from_secs(70), b"innermost").unwrap();
                assert!(watchdog::within(Duration::MAX) <= LIMIT);
                assert!(open_blocking(&fifo(directory)).is_err());
            }
            let left = watchdog::within(Duration::MAX);
            assert!(left > Duration::from_secs(30) && left < Duration::from_secs(60), "{left:?}");
        },
        status: 0,
        output: b"",
        milliseconds: (100, 1900),
    },
];

fn main() -> ExitCode {
    if let Some(name) = std::env::var_os(CASE) {
        let directory = tempfile::tempdir().unwrap();
        let case = CASES.iter().find(|case| name == case.name).unwrap();
        (case.act)(directory.path());
        return ExitCode::SUCCESS;
    }
    let trials = CASES.iter().map(|case| Trial::test(case.name, || run(case))).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn run(case: &Case) -> Result<(), libtest_mimic::Failed> {
    let start = Instant::now();
    let output = Command::new(std::env::current_exe()?).env(CASE, case.name).output()?;
    let took = start.elapsed();
    let (earliest, latest) = case.milliseconds;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(case.status), "{told}");
    assert_eq!(output.stdout, case.output, "{told}");
    // How late, a busy machine decides; the upper bound tells interruption from the end with last words.
    assert!(took >= Duration::from_millis(earliest), "{took:?}");
    assert!(took < Duration::from_millis(latest.saturating_mul(2)), "{took:?}");
    Ok(())
}

fn fifo(directory: &Path) -> std::path::PathBuf {
    let path = directory.join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    path
}

/// Open once, as a system call does it; the standard library would call again.
fn open_blocking(path: &Path) -> std::io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let flags = nix::fcntl::OFlag::O_RDONLY;
    nix::fcntl::open(path.as_c_str(), flags, nix::sys::stat::Mode::empty())?;
    Ok(())
}
