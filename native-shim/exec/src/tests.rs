//! Tests of plugin execution with small shell scripts as plugins.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;

struct Script {
    directory: tempfile::TempDir,
}

impl Script {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plugin");
        // Another process writes the file: were it this one, a child forked meanwhile by another test would hold it
        // open for writing, and running it would fail with ETXTBSY.
        let mut writer = Command::new("sh")
            .arg("-c")
            .arg("cat >\"$0\"; chmod 755 \"$0\"")
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{text}\n").as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
        Self { directory }
    }

    fn run(&self, input: &[u8], timeout: Duration) -> Result<Output> {
        self.run_cancellable(input, timeout, None)
    }

    fn run_cancellable(&self, input: &[u8], timeout: Duration, cancellation: Option<&Cancellation>) -> Result<Output> {
        let environment = [("CNI_COMMAND".into(), "ADD".into()), ("PATH".into(), "/usr/bin:/bin".into())];
        let path = self.directory.path().join("plugin");
        run(&Invocation { path: &path, arguments: &[], environment: &environment, input, timeout, cancellation })
    }
}

impl Script {
    fn assert_background_job_is_gone(&self) {
        let pid = std::fs::read_to_string(self.directory.path().join("plugin.pid")).unwrap();
        let gone = |stat: std::io::Result<String>| stat.map_or(true, |stat| stat.contains(") Z "));
        for _ in 0..200 {
            if gone(std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("process {} survived", pid.trim());
    }
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn environment_and_input_go_in_and_both_outputs_and_the_status_come_back() {
    let script = Script::new("echo \"$CNI_COMMAND $HOME $(cat)\"; echo trouble >&2; exit 3");
    let output = script.run(b"{}", LONG).unwrap();
    assert_eq!(output.status, Some(3));
    assert_eq!(output.signal, None);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "ADD  {}\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "trouble\n");
}

#[test]
fn a_plugin_that_reads_nothing_and_one_that_echoes_more_than_a_pipe_holds_both_end() {
    let large = vec![b'x'; 3 << 20];
    let output = Script::new("exit 0").run(&large, LONG).unwrap();
    assert_eq!((output.status, output.stdout.len()), (Some(0), 0));
    let output = Script::new("exec cat").run(&large, LONG).unwrap();
    assert_eq!(output.stdout, large);
}

#[test]
fn a_signal_is_told_apart_from_a_status() {
    let output = Script::new("kill -9 $$").run(b"", LONG).unwrap();
    assert_eq!((output.status, output.signal), (None, Some(9)));
}

#[test]
fn a_plugin_that_hangs_is_killed_with_its_children() {
    let started = Instant::now();
    let script = Script::new("sleep 1000 & echo $! >\"$0.pid\"; wait");
    let error = script.run(b"", Duration::from_millis(500)).unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(30));
    script.assert_background_job_is_gone();
}

#[test]
fn a_daemon_that_keeps_the_output_open_does_not_hold_us_for_ever() {
    let script = Script::new("sleep 1000 & echo $! >\"$0.pid\"; exit 0");
    let error = script.run(b"", Duration::from_millis(500)).unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    script.assert_background_job_is_gone();
}

#[test]
fn endless_output_is_stopped() {
    let error = Script::new("exec yes").run(b"", LONG).unwrap_err();
    assert!(matches!(error, Error::TooMuchOutput { .. }), "{error}");
    let output = Script::new("yes | head -c 3000000 >&2").run(b"", LONG).unwrap();
    assert_eq!(output.stderr.len(), STDERR_LIMIT);
}

#[test]
fn a_file_that_is_being_written_is_an_error_and_no_empty_success() {
    let script = Script::new("exit 0");
    let held = std::fs::OpenOptions::new().append(true).open(script.directory.path().join("plugin")).unwrap();
    let error = script.run(b"", LONG).unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "{error}");
    drop(held);
}

#[test]
fn the_first_executable_regular_file_is_found() {
    let temp = tempfile::tempdir().unwrap();
    let dirs: Vec<PathBuf> = ["none", "directory", "plain", "good", "later"].map(|d| temp.path().join(d)).to_vec();
    std::fs::create_dir_all(dirs[1].join("bridge")).unwrap();
    for (dir, mode) in [(2, 0o644), (3, 0o755), (4, 0o755)] {
        std::fs::create_dir_all(&dirs[dir]).unwrap();
        std::fs::write(dirs[dir].join("bridge"), "").unwrap();
        std::fs::set_permissions(dirs[dir].join("bridge"), PermissionsExt::from_mode(mode)).unwrap();
    }
    assert_eq!(find("bridge", &dirs).unwrap(), dirs[3].join("bridge"));
    assert!(matches!(find("ptp", &dirs).unwrap_err(), Error::NotFound { directories, .. } if directories == dirs));
    for bad in ["", ".", "..", "a/b", "../good/bridge", "/bin/sh", "a\0b"] {
        assert!(matches!(find(bad, &dirs).unwrap_err(), Error::InvalidName { name } if name == bad), "{bad:?}");
    }
}

#[test]
fn another_thread_cancels_and_the_whole_group_is_gone() {
    let script = Script::new("sleep 1000 & echo $! >\"$0.pid\"; wait");
    let cancellation = Cancellation::new().unwrap();
    assert!(!cancellation.is_cancelled());
    let started = Instant::now();
    let error = std::thread::scope(|scope| {
        let running = scope.spawn(|| script.run_cancellable(b"", LONG, Some(&cancellation)).unwrap_err());
        while !std::fs::exists(script.directory.path().join("plugin.pid")).unwrap() {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(100));
        cancellation.clone().cancel();
        running.join().unwrap()
    });
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(30));
    script.assert_background_job_is_gone();
}

#[test]
fn what_is_cancelled_before_never_starts() {
    let script = Script::new("echo started >\"$0.started\"");
    let cancellation = Cancellation::new().unwrap();
    cancellation.cancel();
    cancellation.cancel();
    let error = script.run_cancellable(b"", LONG, Some(&cancellation)).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert!(!std::fs::exists(script.directory.path().join("plugin.started")).unwrap());
}

#[test]
fn a_cancellation_that_nobody_uses_changes_nothing() {
    let cancellation = Cancellation::new().unwrap();
    let output = Script::new("exec cat").run_cancellable(b"hello", LONG, Some(&cancellation)).unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (Some(0), b"hello".as_slice()));
}

#[test]
fn waiting_for_a_file_that_is_being_written_ends_with_the_time_and_with_a_cancellation() {
    let script = Script::new("exit 0");
    let held = std::fs::OpenOptions::new().append(true).open(script.directory.path().join("plugin")).unwrap();
    let error = script.run(b"", Duration::from_millis(300)).unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    let cancellation = Cancellation::new().unwrap();
    let error = std::thread::scope(|scope| {
        let running = scope.spawn(|| script.run_cancellable(b"", LONG, Some(&cancellation)).unwrap_err());
        std::thread::sleep(Duration::from_millis(100));
        cancellation.cancel();
        running.join().unwrap()
    });
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    drop(held);
}
