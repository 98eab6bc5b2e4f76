//! A child that lies: played by a test, as an escaped guest would play it. Each lie is an error; nobody panics or waits.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use serde_json::json;
use weir_native::netns::Netns;

use super::functions::HostCall;
use super::message::Growth;
use super::*;
use crate::broker::Budget;
use crate::broker::function::{Function, INTERFACES};
use crate::contract::{Command, Invocation, Setting, Variables};
use crate::registry::{Entry, Grants, Manifest, Registry};
use crate::sandbox::handles::{NamespaceHandle, Place};
use crate::sandbox::run::{Session, guest};

/// A command; there is nothing installed for it. One for all of a test, as its engine takes time to start.
fn session() -> Arc<Session> {
    thread_local! {
        static SESSION: Arc<Session> = new_session();
    }
    SESSION.with(Arc::clone)
}

fn new_session() -> Arc<Session> {
    let directory = tempfile::tempdir().unwrap();
    let values = [("CNI_COMMAND", "STATUS"), ("CNI_PATH", "/")];
    let get = |name: &str| Ok(values.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value).to_owned());
    let config = br#"{"cniVersion": "1.1.0", "name": "net", "type": "p"}"#;
    let versions = [cni_spec::version::Version::V1_1_0];
    let invocation = Invocation::check(Variables::read(get).unwrap(), config, &versions).unwrap();
    Arc::new(Session::new(Setting::of_process(Registry::new(directory.path()), None), invocation).unwrap())
}

/// What comes of a child that says what `play` says.
fn served<T>(limits: Limits, play: impl FnOnce(Channel, u32) -> T) -> (Result<Result<String, WitError>, CniError>, T) {
    let session = session();
    let manifest = json!({
        "manifestVersion": 1, "name": "p", "description": "d", "version": "1", "cniVersions": ["1.1.0"], "needs": [],
    });
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
    // To read the clock, and nothing else.
    let grants = Grants { interfaces: ["clock".to_owned()].into_iter().collect(), ..Grants::default() };
    let entry = Entry::new(manifest, "00".to_owned(), Vec::new(), false, grants);
    let budget = Budget::new("p", limits, None);
    let job = Job {
        session: &session,
        entry: &entry,
        command: Command::Status,
        config: "{}",
        budget: &budget,
        fuel: budget.fuel(),
    };
    let mut guest = guest(&session, &entry, "{}", &budget, true);
    let netns = Arc::new(Netns::current().unwrap());
    let handle = guest.table.push(NamespaceHandle { netns, place: Place::Host }).unwrap().rep();
    let (ours, theirs) = Channel::pair().unwrap();
    let played = play(theirs, handle);
    let outcome = serve(&job, &mut guest, &ours);
    let refused = guest.limiter.refused();
    let outcome = outcome.map_err(|failure| match failure {
        Failure::Fault(fault) => job.fault(&fault, refused),
        other => explain(&job, other, End::Unknown),
    });
    (outcome, played)
}

/// The error that comes of these messages, sent all at once.
fn error_of(messages: &[Vec<u8>]) -> CniError {
    let play = |channel: Channel, _| {
        messages.iter().for_each(|message| channel.send(message, None).unwrap());
        channel
    };
    served(Limits::default(), play).0.unwrap_err()
}

fn call<T: serde::Serialize>(call: HostCall, arguments: &T) -> Vec<u8> {
    message::encode_with(&Request::Call(call), arguments).unwrap()
}

fn end(outcome: Outcome) -> Vec<u8> {
    encode(&Request::End(Ending { outcome, fuel: u64::MAX, printed: Vec::new() })).unwrap()
}

fn broke_out(error: &CniError, words: &str) {
    assert!(error.code == code::PLUGIN_FAILED && error.msg.contains("plugin p broke out"), "{error:?}");
    assert!(error.msg.contains(words), "{error:?}");
}

#[test]
fn what_is_no_message_ends_it() {
    for bytes in [&[][..], &[3], &[255; 40], &[0], &[0, 200, 1], &[1, 7], &[1, 0], &[2], &[2, 0, 0, 255, 255, 255, 255]]
    {
        broke_out(&error_of(&[bytes.to_vec()]), "no message");
    }
    // Something behind the end, behind the arguments, and too few arguments.
    let mut long = end(Outcome::Answered(Ok(String::new())));
    long.push(0);
    broke_out(&error_of(&[long]), "no message");
    broke_out(&error_of(&[call(HostCall::ClockNow, &1_u8)]), "no message");
    broke_out(&error_of(&[call(HostCall::ClockSleep, &())]), "no message");
    broke_out(&error_of(&[call(HostCall::LogWrite, &(9_u32, "level"))]), "no message");
}

#[test]
fn handles_that_it_does_not_have_end_it() {
    for number in [0_u32, 1, 77, u32::MAX] {
        // The one that there is, is a namespace.
        broke_out(&error_of(&[call(HostCall::LinkInfo, &(number,))]), "handle");
        broke_out(&error_of(&[call(HostCall::LinkDrop, &(number,))]), "handle");
        broke_out(&error_of(&[call(HostCall::StoreRelease, &(number,))]), "handle");
    }
    let twice = |channel: Channel, handle: u32| {
        std::thread::spawn(move || {
            for _ in 0..2 {
                channel.send(&call(HostCall::NamespaceDrop, &(handle,)), None).unwrap();
                let _ = channel.receive(100, Instant::now().checked_add(Duration::from_secs(5)));
            }
            channel
        })
    };
    broke_out(&served(Limits::default(), twice).0.unwrap_err(), "handle");
}

#[test]
fn who_speaks_out_of_turn_is_ended() {
    let now = call(HostCall::ClockNow, &());
    broke_out(&error_of(&[now.clone(), now.clone()]), "out of turn");
    broke_out(&error_of(&[end(Outcome::Answered(Ok(String::new()))), now]), "out of turn");
}

#[test]
fn a_message_that_is_too_long_ends_it() {
    let small = Limits { call_bytes: 1000, result_bytes: 1000, output_bytes: 1000, ..Limits::default() };
    let too_long = longest(&small) + 1;
    let play = |channel: Channel, _| std::thread::spawn(move || channel.send(&vec![0; too_long], None).is_ok());
    let (outcome, sender) = served(small, play);
    broke_out(&outcome.unwrap_err(), &format!("{too_long} bytes"));
    // It found nobody to take the rest.
    let _ = sender.join();
}

#[test]
fn who_is_gone_or_says_nothing_is_an_error_in_time() {
    let error = served(Limits::default(), |channel, _| drop(channel)).0.unwrap_err();
    assert!(error.code == code::PLUGIN_FAILED && error.msg.contains("lost its process"), "{error:?}");
    let started = Instant::now();
    let hasty = Limits { wall_time_ms: 200, ..Limits::default() };
    let error = served(hasty, |channel, _| channel).0.unwrap_err();
    assert_eq!(error.msg, "plugin p did not finish within 200 ms");
    assert!(error.details.contains("wallTimeMs") && started.elapsed() < Duration::from_secs(5), "{error:?}");
}

#[test]
fn limits_hold_where_the_engine_does_not() {
    let few = Limits { host_calls: 3, memory_bytes: 1000, ..Limits::default() };
    let play = |channel: Channel, _| {
        std::thread::spawn(move || {
            let soon = || Instant::now().checked_add(Duration::from_secs(5));
            let mut admitted = Vec::new();
            for more in [600, 600, 400, u64::MAX] {
                channel.send(&encode(&Request::Grow(Growth::Memory, more)).unwrap(), None).unwrap();
                admitted.push(channel.receive(1, soon()).unwrap() == [1]);
            }
            let mut answered = 0;
            while channel.send(&call(HostCall::ClockNow, &()), None).is_ok() && channel.receive(100, soon()).is_ok() {
                answered += 1;
            }
            (admitted, answered)
        })
    };
    let (outcome, played) = served(few, play);
    assert_eq!(outcome.unwrap_err().msg, "plugin p made more than 3 host calls");
    assert_eq!(played.join().unwrap(), (vec![true, false, true, false], 3));
}

#[test]
fn what_was_not_granted_is_denied() {
    let play = |channel: Channel, handle: u32| {
        std::thread::spawn(move || {
            let soon = Instant::now().checked_add(Duration::from_secs(5));
            channel.send(&call(HostCall::LinksList, &(handle,)), None).unwrap();
            let answer = channel.receive(10_000, soon).unwrap();
            channel.send(&end(Outcome::Answered(Ok("done".to_owned()))), None).unwrap();
            (channel, String::from_utf8_lossy(&answer).into_owned())
        })
    };
    let (outcome, played) = served(Limits::default(), play);
    assert_eq!(outcome.unwrap().unwrap(), "done");
    let (_, answer) = played.join().unwrap();
    assert!(answer.contains("not granted") || answer.contains("grant"), "{answer}");
}

#[test]
fn texts_of_its_end_cannot_deceive() {
    let text = format!("\u{1b}[2J\r{}", "x".repeat(100_000));
    let report = Fault::from(&wasmtime::Error::msg(text)).report();
    let error = error_of(&[end(Outcome::Stopped(report))]);
    assert!(error.details.len() < 20_000 && !error.details.contains('\u{1b}'), "{}", error.details.len());
    let error = error_of(&[end(Outcome::NotBegun("\u{1b}x".to_owned()))]);
    assert!(error.code == code::PLUGIN_UNAVAILABLE && error.details == "\u{fffd}x", "{error:?}");
}

/// Messages by lot, and each call with arguments by lot: the same ones each time.
#[test]
fn nonsense_never_panics_or_hangs() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut lot = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for number in 0..1500_usize {
        let length = usize::try_from(lot() % 40).unwrap();
        let mut message: Vec<u8> = (0..length).map(|_| (lot() >> 24) as u8).collect();
        if number % 4 != 0
            && let Some(known) = HostCall::ALL.get(number % HostCall::ALL.len())
            // To sleep by lot would take too long.
            && *known != HostCall::ClockSleep
        {
            // Small numbers make more sense than others.
            message.iter_mut().for_each(|byte| *byte &= 3);
            message = [encode(&Request::Call(*known)).unwrap(), message].concat();
        }
        let sent = message.clone();
        let (outcome, _) = served(Limits { wall_time_ms: 2000, ..Limits::default() }, move |channel, _| {
            channel.send(&sent, None).unwrap();
            // And no more.
            channel.close_sending().unwrap();
            channel
        });
        if outcome.is_ok() {
            assert!(matches!(decode_request(&message), Ok((Request::End(_), _))), "{message:?}");
        }
    }
}

#[test]
fn each_function_of_the_contract_has_a_line() {
    assert!(!INTERFACES.is_empty());
    let names: Vec<String> = HostCall::ALL.iter().map(|call| format!("{call:?}")).collect();
    for function in Function::ALL {
        let name = format!("{function:?}");
        assert_eq!(names.iter().filter(|other| **other == name).count(), 1, "{name}");
    }
    // The other three end handles.
    assert_eq!(names.len(), Function::ALL.len() + 3);
    assert_eq!(names.iter().filter(|name| name.ends_with("Drop")).count(), 3);
}
