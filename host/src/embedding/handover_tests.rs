#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, and one command has to")]

use std::sync::mpsc::channel;

use serde_json::json;

use super::*;

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(60);

fn patient(limit: Duration, grace: Duration, cancellation: Option<&Cancellation>) -> Patient<'_> {
    Patient { patience: Arc::new(Patience::of(limit)), limit, grace, cancellation }
}

fn result() -> Document {
    Document::Result(json!({"cniVersion": "1.1.0"}))
}

fn failure() -> CniError {
    CniError::new(11, "no")
}

/// A command, given what it hands its result to.
type Served = fn(&mut dyn FnMut(&Document) -> io::Result<()>) -> Result<(), CniError>;

#[test]
fn results_errors_and_panics_come_back() {
    let patient = patient(LONG, SHORT, None);
    let run = |command: Served| on_thread(&patient, Path::new("/bin/p"), command);
    assert_eq!(run(|_| Ok(())).unwrap(), b"");
    assert_eq!(
        run(|deliver| {
            deliver(&result()).unwrap();
            Ok(())
        })
        .unwrap(),
        b"{\n    \"cniVersion\": \"1.1.0\"\n}\n"
    );
    assert!(matches!(run(|_| Err(failure())), Err(ExecError::Plugin(error)) if error == failure()));
    // A result that was delivered before the failure counts for nothing.
    let late = run(|deliver| {
        deliver(&result()).unwrap();
        Err(failure())
    });
    assert!(matches!(late, Err(ExecError::Plugin(_))));
    assert!(matches!(run(|_| panic!("words")), Err(ExecError::Failed { how, .. }) if how.contains("words")));
}

#[test]
fn the_thread_is_a_guest_in_its_process() {
    let hosted = on_thread(&patient(LONG, SHORT, None), Path::new("/bin/p"), |_| {
        if weir_native::hosted::is_hosted() { Ok(()) } else { Err(failure()) }
    });
    assert!(hosted.is_ok() && !weir_native::hosted::is_hosted());
}

#[test]
fn a_command_that_sees_that_its_caller_has_had_enough_ends_within_the_grace() {
    let patient = patient(SHORT, LONG, None);
    let patience = patient.patience.clone();
    let start = Instant::now();
    let outcome = on_thread(&patient, Path::new("/bin/p"), move |_| {
        while !patience.time_left().is_zero() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(failure())
    });
    assert!(matches!(outcome, Err(ExecError::TimedOut { limit }) if limit == SHORT));
    assert!(start.elapsed() >= SHORT && start.elapsed() < LONG);
}

#[test]
fn a_command_that_sees_sooner_than_its_caller_that_the_time_is_over_has_taken_too_long() {
    // Its time began before that of the caller's wait.
    let patient = Patient { patience: Arc::new(Patience::of(SHORT)), ..patient(LONG, SHORT, None) };
    let late = |answer: Result<(), CniError>| {
        let patience = patient.patience.clone();
        on_thread(&patient, Path::new("/bin/p"), move |_| {
            std::thread::sleep(patience.time_left());
            answer
        })
    };
    assert!(matches!(late(Err(failure())), Err(ExecError::TimedOut { .. })));
    // What was done all the same is done.
    assert_eq!(late(Ok(())).unwrap(), b"");
}

#[test]
fn a_command_that_does_not_come_back_is_left_and_its_result_refused() {
    let (go, wait) = channel::<()>();
    let (tell, told) = channel();
    let outcome = on_thread(&patient(SHORT, SHORT, None), Path::new("/bin/p"), move |deliver| {
        let _ = wait.recv();
        tell.send(deliver(&result()).map_err(|e| e.kind())).unwrap();
        Ok(())
    });
    assert!(matches!(outcome, Err(ExecError::TimedOut { .. })));
    drop(go);
    assert_eq!(told.recv().unwrap(), Err(io::ErrorKind::BrokenPipe));
}

#[test]
fn a_result_that_was_handed_over_counts_although_the_thread_is_still_busy() {
    let (go, wait) = channel::<()>();
    let outcome = on_thread(&patient(SHORT, SHORT, None), Path::new("/bin/p"), move |deliver| {
        deliver(&result()).unwrap();
        let _ = wait.recv();
        Ok(())
    });
    drop(go);
    assert!(outcome.unwrap().starts_with(b"{"));
}

#[test]
fn another_thread_can_call_a_command_off_and_nothing_runs_after_that() {
    let cancellation = Cancellation::new().unwrap();
    let patient = patient(LONG, LONG, Some(&cancellation));
    let patience = patient.patience.clone();
    let (tell, told) = channel();
    let start = Instant::now();
    std::thread::scope(|scope| {
        let canceller = cancellation.clone();
        scope.spawn(move || {
            told.recv().unwrap();
            canceller.cancel();
        });
        let outcome = on_thread(&patient, Path::new("/bin/p"), move |_| {
            tell.send(()).unwrap();
            while !patience.time_left().is_zero() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(failure())
        });
        assert!(matches!(outcome, Err(ExecError::Cancelled)));
    });
    assert!(start.elapsed() < LONG);
    let never = on_thread(&patient, Path::new("/bin/p"), |_| panic!("it must not run"));
    assert!(matches!(never, Err(ExecError::Cancelled)));
}
