//! What stops a plugin before it runs, and how its answers and failures reach the runtime.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test fails by panicking")]

use cni_spec::version::Version;
use serde_json::json;
use wasmtime::Trap;

use std::path::Path;

use super::*;
use crate::contract::Variables;
use crate::registry::{Grants, Manifest};
use crate::sandbox::fault::Fault;

fn session(directory: &Path) -> Arc<Session> {
    let values = [("CNI_COMMAND", "STATUS"), ("CNI_PATH", "/")];
    let get = |name: &str| Ok(values.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value).to_owned());
    let config = br#"{"cniVersion": "1.1.0", "name": "net", "type": "p"}"#;
    let invocation = Invocation::check(Variables::read(get).unwrap(), config, &[Version::V1_1_0]).unwrap();
    Arc::new(Session::new(Setting::of_process(Registry::new(directory), None), invocation).unwrap())
}

/// The entry of a plugin that imports `links` and was never compiled.
fn entry(granted: &[&str]) -> Entry {
    let manifest = json!({
        "manifestVersion": 1, "name": "p", "description": "d", "version": "1", "cniVersions": ["1.1.0"], "needs": [],
    });
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
    let interfaces = granted.iter().map(|&interface| interface.to_owned()).collect();
    let grants = Grants { interfaces, ..Grants::default() };
    Entry::new(manifest, "00".to_owned(), vec!["links".to_owned()], false, grants)
}

fn refusal(granted: &[&str]) -> CniError {
    let directory = tempfile::tempdir().unwrap();
    run(&session(directory.path()), &entry(granted), Command::Status, "{}", None).unwrap_err()
}

#[test]
fn a_plugin_that_imports_what_was_not_granted_does_not_run() {
    for granted in [&[][..], &["log"]] {
        let error = refusal(granted);
        assert_eq!(error.code, code::NOT_GRANTED);
        assert!(error.msg.contains("links") && error.details.contains("grant"), "{error:?}");
    }
}

#[test]
fn without_code_and_without_a_compiler_the_error_says_both() {
    let error = refusal(&["links"]);
    assert_eq!(error.code, code::PLUGIN_UNAVAILABLE);
    assert!(error.msg.contains("never compiled") && error.details.contains("compiling it anew failed"), "{error:?}");
}

#[test]
fn only_a_valid_result_of_add_is_passed_on() {
    let budget = Budget::new("p", Limits { result_bytes: 100, ..Limits::default() }, None);
    let result = decode("p", Command::Add, r#"{"ips": [{"address": "10.0.0.2/24"}]}"#, &budget).unwrap();
    assert!(matches!(result, PluginOutcome::Result(result) if result.ips.len() == 1));
    let large = format!("{{{}}}", " ".repeat(100));
    let error = decode("p", Command::Add, &large, &budget).unwrap_err();
    assert!(error.msg.contains("more than 100 bytes") && error.details.contains("resultBytes"), "{error:?}");
    for answer in ["", "[]", "{", r#"{"ips": 5}"#, r#"{"ips": [{"address": "x"}]}"#] {
        let error = decode("p", Command::Add, answer, &budget).unwrap_err();
        assert_eq!(error.code, code::PLUGIN_FAILED, "{answer}");
        assert!(error.msg.contains("plugin p returned no valid result"), "{error:?}");
    }
    // Other commands have no result.
    assert!(matches!(decode("p", Command::Del, "whatever", &budget), Ok(PluginOutcome::Done)));
}

#[test]
fn a_plugin_that_had_to_be_stopped_is_named_with_the_reason() {
    let budget = Budget::new("p", Limits { fuel: 7, ..Limits::default() }, None);
    let cases: [(wasmtime::Error, &str); 5] = [
        (Trap::OutOfFuel.into(), "more than 7 units"),
        (Trap::StackOverflow.into(), "stack"),
        (Trap::UnreachableCodeReached.into(), "panicked"),
        (budget.stop("hostCalls", 3).into(), "more than 3 host calls"),
        (wasmtime::Error::msg("odd"), "could not run"),
    ];
    for (fault, reason) in cases {
        let error = Fault::from(&fault).explain("p", &budget, None);
        assert_eq!(error.code, code::PLUGIN_FAILED);
        assert!(error.msg.starts_with("plugin p ") && error.msg.contains(reason), "{error:?}");
    }
}
