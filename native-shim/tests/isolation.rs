//! A child that has given up everything: what it can still do, tried out by the kernel, and what others see of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use weir_native::isolation::rights::{self, Bounds};
use weir_native::isolation::{Broken, Channel, Child, End, spawn};

const BOUNDS: Bounds = Bounds { address_space: 1 << 30, data: 128 << 20, seconds: 1 };
const LONGEST: usize = 1 << 16;

type Outcome = Result<(), Failed>;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Only a process of one thread can start such a child.
    arguments.test_threads = Some(1);
    let mut trials: Vec<Trial> = CALLS.iter().map(|(what, call)| killed(what, *call)).collect();
    trials.extend([
        trial("a_child_computes_and_speaks", speaks),
        trial("a_child_has_the_descriptors_that_it_was_given_and_no_others", descriptors),
        trial("a_child_has_no_capabilities_no_privileges_and_no_user", seen_from_outside),
        trial("a_child_gets_no_more_memory_than_its_bounds", memory),
        trial("a_child_that_computes_for_too_long_is_ended", computes),
        trial("a_child_that_panics_ends_and_its_parent_goes_on", panics),
        trial("a_child_is_ended_with_its_handle", ended_with_its_handle),
        trial("a_child_that_is_killed_closes_its_channel", killed_from_outside),
        trial("threads_of_a_child_are_held_to_the_same_calls", threads),
        trial("a_process_of_several_threads_starts_no_child", several_threads),
    ]);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: impl Into<String>, test: fn() -> Outcome) -> Trial {
    Trial::test(name, test)
}

fn ensure(holds: bool, what: impl std::fmt::Debug) -> Outcome {
    if holds { Ok(()) } else { Err(format!("{what:?}").into()) }
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(20))
}

/// A child that gives up everything and then does something, and what it says. It lives until its channel is closed.
fn confined(act: impl FnOnce() -> Vec<u8>) -> (Child, Result<Vec<u8>, Broken>, Channel) {
    let (child, channel) = spawn(&[], |channel| {
        match rights::give_up(BOUNDS, || ()) {
            Ok(_) => channel.send(&act(), None).unwrap(),
            Err(error) => channel.send(format!("not confined: {error}").as_bytes(), None).unwrap(),
        }
        // The other side ends us.
        let _ = channel.receive(LONGEST, None);
    })
    .unwrap();
    let said = channel.receive(LONGEST, soon());
    (child, said, channel)
}

type Arguments6 = [libc::c_long; 6];

const EXECUTABLE: libc::c_long = (libc::PROT_READ | libc::PROT_EXEC) as libc::c_long;
const PRIVATE: libc::c_long = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as libc::c_long;

/// Calls that are not for such a child. All end it, so that their pointers are never looked at.
const CALLS: &[(&str, (libc::c_long, Arguments6))] = &[
    ("open_a_file", (libc::SYS_openat, [libc::AT_FDCWD as libc::c_long, 0, 0, 0, 0, 0])),
    ("open_by_handle", (libc::SYS_open_by_handle_at, [0; 6])),
    (
        "make_a_socket",
        (libc::SYS_socket, [libc::AF_INET as libc::c_long, libc::SOCK_DGRAM as libc::c_long, 0, 0, 0, 0]),
    ),
    ("make_a_netlink_socket", (libc::SYS_socket, [libc::AF_NETLINK as libc::c_long, 3, 0, 0, 0, 0])),
    ("connect", (libc::SYS_connect, [0; 6])),
    ("pass_descriptors", (libc::SYS_sendmsg, [0; 6])),
    ("receive_descriptors", (libc::SYS_recvmsg, [0; 6])),
    ("fork", (libc::SYS_clone, [libc::SIGCHLD as libc::c_long, 0, 0, 0, 0, 0])),
    ("start_a_thread", (libc::SYS_clone3, [0; 6])),
    ("execute_a_program", (libc::SYS_execve, [0; 6])),
    ("execute_a_descriptor", (libc::SYS_execveat, [0; 6])),
    ("trace", (libc::SYS_ptrace, [libc::PTRACE_TRACEME as libc::c_long, 0, 0, 0, 0, 0])),
    ("read_memory_of_others", (libc::SYS_process_vm_readv, [1, 0, 0, 0, 0, 0])),
    ("kill_everybody", (libc::SYS_kill, [-1, 0, 0, 0, 0, 0])),
    ("signal_by_descriptor", (libc::SYS_pidfd_send_signal, [0; 6])),
    ("map_executable_memory", (libc::SYS_mmap, [0, 4096, EXECUTABLE, PRIVATE, -1, 0])),
    ("make_memory_executable", (libc::SYS_mprotect, [0, 4096, EXECUTABLE, 0, 0, 0])),
    ("make_memory_executable_by_key", (libc::SYS_pkey_mprotect, [0, 4096, EXECUTABLE, -1, 0, 0])),
    ("make_a_file_in_memory", (libc::SYS_memfd_create, [0; 6])),
    ("become_root", (libc::SYS_setresuid, [0; 6])),
    ("take_capabilities", (libc::SYS_capset, [0; 6])),
    ("lift_a_limit", (libc::SYS_prlimit64, [0; 6])),
    ("change_itself", (libc::SYS_prctl, [libc::PR_SET_DUMPABLE as libc::c_long, 1, 0, 0, 0, 0])),
    ("duplicate_a_descriptor", (libc::SYS_dup, [0; 6])),
    ("control_a_device", (libc::SYS_ioctl, [0; 6])),
    ("enter_a_namespace", (libc::SYS_setns, [0; 6])),
    ("make_a_namespace", (libc::SYS_unshare, [libc::CLONE_NEWUSER as libc::c_long, 0, 0, 0, 0, 0])),
    ("mount", (libc::SYS_mount, [0; 6])),
    ("handle_a_signal", (libc::SYS_rt_sigaction, [libc::SIGSYS as libc::c_long, 0, 0, 8, 0, 0])),
    ("use_io_uring", (libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0])),
    ("load_bpf", (libc::SYS_bpf, [0; 6])),
    ("ask_for_faults", (libc::SYS_userfaultfd, [0; 6])),
    ("look_at_a_name", (libc::SYS_newfstatat, [libc::AT_FDCWD as libc::c_long, 0, 0, 0, 0, 0])),
];

fn killed(what: &str, (number, a): (libc::c_long, Arguments6)) -> Trial {
    Trial::test(format!("a_child_dies_of_trying_to_{what}"), move || {
        let (child, said, _channel) = confined(|| {
            // SAFETY: the filter ends the process before the kernel looks at an argument; the test fails if it does not.
            let answer = unsafe { libc::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) };
            format!("answer {answer}: {}", std::io::Error::last_os_error()).into_bytes()
        });
        ensure(matches!(said, Err(Broken::Closed)), said.map(String::from_utf8))?;
        let end = child.wait();
        ensure(end == End::Signal(libc::SIGSYS), end)
    })
}

fn speaks() -> Outcome {
    let (ours, child) = {
        let (child, channel) = spawn(&[], |channel| {
            rights::give_up(BOUNDS, || ()).unwrap();
            while let Ok(message) = channel.receive(LONGEST, None) {
                // Memory, time and chance are there.
                let mut answer = vec![message.len() as u8; 1 << 10];
                answer.extend(message);
                let _ = (Instant::now(), std::hash::RandomState::new());
                channel.send(&answer, None).unwrap();
            }
            // With debug assertions, closing a descriptor asks first whether it is open, which a child may not.
            std::mem::forget(channel);
        })
        .unwrap();
        (channel, child)
    };
    for length in [0_usize, 1, 200] {
        ours.send(&vec![7; length], soon()).unwrap();
        let answer = ours.receive(LONGEST, soon()).unwrap();
        ensure(answer.len() == length + 1024 && answer[0] == length as u8, answer)?;
    }
    drop(ours);
    let end = child.wait();
    ensure(end == End::Status(0), end)
}

fn descriptors() -> Outcome {
    let file = tempfile::tempfile().unwrap();
    let other = tempfile::tempfile().unwrap();
    let (child, channel) = spawn(&[file.as_raw_fd()], |channel| {
        rights::give_up(BOUNDS, || ()).unwrap();
        let open = (0..4096).filter(|descriptor| {
            // SAFETY: no byte is read, and so none is written.
            unsafe { libc::read(*descriptor, std::ptr::null_mut(), 0) == 0 }
        });
        let open: Vec<String> = open.map(|descriptor: i32| descriptor.to_string()).collect();
        channel.send(open.join(" ").as_bytes(), None).unwrap();
    })
    .unwrap();
    let said = String::from_utf8(channel.receive(LONGEST, soon()).unwrap()).unwrap();
    child.wait();
    let open: Vec<i32> = said.split(' ').map(|number| number.parse().unwrap()).collect();
    let others = [0, 1, 2, other.as_raw_fd()];
    ensure(open.len() == 2 && open.contains(&file.as_raw_fd()), &said)?;
    ensure(!others.iter().any(|descriptor| open.contains(descriptor)), said)
}

/// The lines of a file below /proc of a process, by their keys.
fn lines(child: &Child, name: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(format!("/proc/{}/{name}", child.id().unwrap())).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once([':', '\t']));
    lines.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect()
}

fn seen_from_outside() -> Outcome {
    let (child, said, _channel) = confined(|| b"ready".to_vec());
    ensure(said.as_ref().is_ok_and(|said| said == b"ready"), &said)?;
    let status = lines(&child, "status");
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        ensure(u64::from_str_radix(&status[set], 16) == Ok(0), &status)?;
    }
    ensure(status["NoNewPrivs"] == "1" && status["Seccomp"] == "2" && status["Threads"] == "1", &status)?;
    // In a user namespace there may be no such user.
    let users = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = own.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    let may_change = u64::from_str_radix(own.trim(), 16).unwrap() & (1 << 6 | 1 << 7) == 1 << 6 | 1 << 7;
    if may_change && users.split_whitespace().eq(["0", "0", "4294967295"]) {
        ensure(status["Uid"] == "65534\t65534\t65534\t65534", &status)?;
        ensure(status["Gid"] == "65534\t65534\t65534\t65534" && status["Groups"].is_empty(), &status)?;
    }
    let text = std::fs::read_to_string(format!("/proc/{}/limits", child.id().unwrap())).unwrap();
    let limit = |name: &str| -> Vec<String> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().take(2).map(str::to_owned).collect()
    };
    for none in ["Max processes", "Max open files", "Max file size", "Max core file size"] {
        ensure(limit(none) == ["0", "0"], (none, limit(none)))?;
    }
    ensure(limit("Max data size") == ["134217728", "134217728"], limit("Max data size"))
}

fn memory() -> Outcome {
    let (child, said, _channel) = confined(|| {
        let prot = (libc::PROT_READ | libc::PROT_WRITE) as libc::c_long;
        let mut got = 0_u64;
        // SAFETY: the kernel chooses where; nobody uses it.
        while unsafe { libc::syscall(libc::SYS_mmap, 0_i64, 1_i64 << 20, prot, PRIVATE, -1_i64, 0_i64) } != -1 {
            got += 1;
        }
        got.to_string().into_bytes()
    });
    child.end();
    let got: u64 = String::from_utf8(said.unwrap()).unwrap().parse().unwrap();
    // Of 128 MiB, some are in use already.
    ensure((64..=128).contains(&got), got)
}

fn computes() -> Outcome {
    let started = Instant::now();
    let (child, said, _channel) = confined(|| {
        loop {
            std::hint::spin_loop();
        }
    });
    ensure(matches!(said, Err(Broken::Closed)), said)?;
    let (end, took) = (child.wait(), started.elapsed());
    let ended = matches!(end, End::Signal(libc::SIGXCPU | libc::SIGKILL));
    ensure(ended && took < Duration::from_secs(15), (end, took))
}

fn panics() -> Outcome {
    let (child, channel) = spawn(&[], |_| panic!("on purpose")).unwrap();
    let said = channel.receive(LONGEST, soon());
    ensure(matches!(said, Err(Broken::Closed)), said)?;
    let end = child.wait();
    ensure(end == End::Status(101) || end == End::Signal(libc::SIGABRT), end)
}

fn is_there(id: i32) -> bool {
    std::path::Path::new(&format!("/proc/{id}")).exists()
}

fn ended_with_its_handle() -> Outcome {
    let (child, said, _channel) = confined(|| b"ready".to_vec());
    ensure(said.is_ok(), said)?;
    let id = child.id().unwrap();
    ensure(is_there(id), id)?;
    drop(child);
    ensure(!is_there(id), id)
}

fn killed_from_outside() -> Outcome {
    let (child, channel) = spawn(&[], |channel| {
        rights::give_up(BOUNDS, || ()).unwrap();
        channel.send(b"ready", None).unwrap();
        let _ = channel.receive(LONGEST, None);
    })
    .unwrap();
    channel.receive(LONGEST, soon()).unwrap();
    // SAFETY: no pointers; the child is ours and was not waited for.
    unsafe { libc::kill(child.id().unwrap(), libc::SIGKILL) };
    let said = channel.receive(LONGEST, soon());
    ensure(matches!(said, Err(Broken::Closed)), said)?;
    let end = child.wait();
    ensure(end == End::Signal(libc::SIGKILL), end)
}

fn threads() -> Outcome {
    let (child, channel) = spawn(&[], |channel| {
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let prepare = move || {
            std::thread::spawn(move || {
                let _ = told.recv();
                // Not allowed.
                let _ = std::net::UdpSocket::bind("127.0.0.1:0");
            });
        };
        rights::give_up(Bounds { data: 512 << 20, ..BOUNDS }, prepare).unwrap();
        channel.send(b"ready", None).unwrap();
        let _ = tell.send(());
        let _ = channel.receive(LONGEST, None);
    })
    .unwrap();
    channel.receive(LONGEST, soon()).unwrap();
    let said = channel.receive(LONGEST, soon());
    ensure(matches!(said, Err(Broken::Closed)), said)?;
    let end = child.wait();
    ensure(end == End::Signal(libc::SIGSYS), end)
}

fn several_threads() -> Outcome {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || stopped.recv());
    let started = spawn(&[], |_: Channel| ());
    drop(stop);
    let _ = other.join();
    let error = started.err().map(|error| error.message).unwrap_or_default();
    ensure(error.contains("several threads"), error)
}
