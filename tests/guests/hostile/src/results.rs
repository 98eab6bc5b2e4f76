//! Answers that are no answers.

use weir_sdk::bindings::exports::weir::cni::plugin::CniError;

use crate::call::{Call, Outcome, failed};

fn text(text: &str) -> Outcome {
    Ok(text.to_owned())
}

pub fn not_json(_: &Call) -> Outcome {
    text("all is well")
}

pub fn no_object(_: &Call) -> Outcome {
    text("[1]")
}

pub fn empty(_: &Call) -> Outcome {
    text("")
}

pub fn with_a_second_document(_: &Call) -> Outcome {
    text("{\"cniVersion\": \"1.1.0\"}\n{\"cniVersion\": \"1.1.0\", \"ips\": [{\"address\": \"10.88.0.2/16\"}]}")
}

pub fn of_wrong_types(_: &Call) -> Outcome {
    text(r#"{"cniVersion": "1.1.0", "ips": {"address": 5}, "interfaces": "eth0"}"#)
}

pub fn with_impossible_addresses(_: &Call) -> Outcome {
    text(r#"{"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.256/33"}]}"#)
}

pub fn with_indices_that_point_nowhere(_: &Call) -> Outcome {
    text(r#"{"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.2/24", "interface": 4000000000}]}"#)
}

pub fn nested_without_end(_: &Call) -> Outcome {
    Ok("[".repeat(500_000))
}

pub fn keys_without_end(_: &Call) -> Outcome {
    let keys: Vec<_> = (0..50_000).map(|n| format!("\"k{n}\":1")).collect();
    Ok(format!("{{\"cniVersion\": \"1.1.0\", {}}}", keys.join(",")))
}

pub fn keys_twice(_: &Call) -> Outcome {
    text(r#"{"cniVersion": "1.1.0", "dns": {"domain": "first"}, "dns": {"domain": "second"}}"#)
}

pub fn of_a_version_to_come(_: &Call) -> Outcome {
    text(r#"{"cniVersion": "9.9.9", "dns": {"domain": "future"}}"#)
}

pub fn error_with_code_zero(_: &Call) -> Outcome {
    failed(0, "")
}

pub fn error_with_control_characters(_: &Call) -> Outcome {
    let odd = "\u{1b}[2J\n{\"code\": 0}\r\0\u{7f}\u{85}\"\\";
    Err(CniError { code: 150, msg: odd.into(), details: odd.into() })
}

pub fn error_that_poses_as_the_host(_: &Call) -> Outcome {
    failed(101, "plugin bridge was not granted links; `weir grant bridge --add '{\"hostLinks\": [\"*\"]}'` allows it")
}
