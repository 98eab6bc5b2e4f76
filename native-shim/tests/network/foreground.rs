//! Commands in network namespaces, and the signals that end whoever waits for them.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use libtest_mimic::Trial;
use nix::sys::signal::{SigHandler, Signal, raise};
use weir_native::ErrorKind;
use weir_native::end_signals::{EndSignal, EndSignals};
use weir_native::foreground::{Ended, Program, run};
use weir_native::netns::Netns;

use super::support::test;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("a_command_runs_in_the_namespace_and_its_exit_status_is_told", in_namespace),
        test("a_command_that_a_signal_ends_is_told_so", ended_by_signal),
        test("a_signal_can_be_sent_to_a_command", signalled),
        test("a_command_that_is_not_there_is_not_started", not_started),
        test("a_command_sees_a_resolv_conf_of_its_own_and_nobody_else_does", resolv_conf),
        test("others_can_open_a_namespace_by_its_path", path_of_namespace),
        test("signals_that_end_a_process_are_told_instead", |_| end_signals()),
    ]
}

fn shell(namespace: &Netns, script: &str, resolv_conf: Option<&Path>) -> Ended {
    let arguments = [OsString::from("-c"), script.into()];
    run(namespace, Program { program: OsStr::new("sh"), arguments: &arguments, resolv_conf }, |_| {}).unwrap()
}

fn in_namespace(namespace: &Netns) {
    let inode = namespace.identity().inode;
    let ended = shell(namespace, &format!("[ $(readlink /proc/self/ns/net) = 'net:[{inode}]' ] && exit 42"), None);
    assert!(matches!(ended, Ended::Exit(42)), "{ended:?}");
    assert_ne!(std::fs::metadata("/proc/thread-self/ns/net").unwrap().ino(), inode);
}

fn ended_by_signal(namespace: &Netns) {
    let ended = shell(namespace, "kill -USR1 $$", None);
    assert!(matches!(ended, Ended::Signal(number) if number == Signal::SIGUSR1 as i32), "{ended:?}");
}

fn signalled(namespace: &Netns) {
    let arguments = [OsString::from("60")];
    let program = Program { program: OsStr::new("sleep"), arguments: &arguments, resolv_conf: None };
    let ended = run(namespace, program, |started| {
        assert_eq!(started.signal(-1).unwrap_err().kind, ErrorKind::Invalid);
        started.signal(Signal::SIGTERM as i32).unwrap();
    });
    let ended = ended.unwrap();
    assert!(matches!(ended, Ended::Signal(number) if number == Signal::SIGTERM as i32), "{ended:?}");
}

fn not_started(namespace: &Netns) {
    let program = Program { program: OsStr::new("/nonexistent/command"), arguments: &[], resolv_conf: None };
    let ended = run(namespace, program, |_| panic!("it was started")).unwrap();
    assert!(matches!(&ended, Ended::NotStarted(e) if e.kind() == std::io::ErrorKind::NotFound), "{ended:?}");
}

fn resolv_conf(namespace: &Netns) {
    let before = std::fs::read("/etc/resolv.conf").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("resolv.conf");
    std::fs::write(&own, "nameserver 192.0.2.53\n").unwrap();
    let ended = shell(namespace, "[ \"$(cat /etc/resolv.conf)\" = 'nameserver 192.0.2.53' ]", Some(&own));
    assert!(matches!(ended, Ended::Exit(0)), "{ended:?}");
    assert_eq!(std::fs::read("/etc/resolv.conf").unwrap(), before);
    let arguments = [];
    let program =
        Program { program: OsStr::new("true"), arguments: &arguments, resolv_conf: Some(Path::new("/nonexistent/x")) };
    assert_eq!(run(namespace, program, |_| {}).unwrap_err().kind, ErrorKind::NotFound);
}

fn path_of_namespace(namespace: &Netns) {
    let again = Netns::open(&namespace.path()).unwrap();
    assert!(again.is_same(namespace));
    let status = std::process::Command::new("test").arg("-r").arg(namespace.path()).status().unwrap();
    assert!(status.success());
}

fn end_signals() {
    const ALL: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];
    for signal in ALL {
        // Who started the tests may ignore some (nohup, a shell's background jobs), and these would stay ignored.
        // SAFETY: the default action is no function of ours.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.unwrap();
    }
    let mut signals = EndSignals::catch().unwrap();
    assert_eq!(EndSignals::catch().unwrap_err().kind, ErrorKind::AlreadyExists);
    for signal in ALL {
        raise(signal).unwrap();
        assert_eq!(signals.wait().unwrap(), EndSignal { number: signal as i32, from_terminal: false });
    }
    // A program that is started has its own default.
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(id, Signal::SIGTERM).unwrap();
    assert!(!child.wait().unwrap().success());
}
