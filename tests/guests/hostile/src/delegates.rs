//! Has others do what it may not.

use serde_json::json;
use weir_sdk::bindings::weir::cni::delegate::{self, Command, DelegateError};
use weir_sdk::bindings::weir::cni::routes::{self, Conflict, Route};

use crate::call::{Attempts, Call, DENIED, Outcome, REFUSED, breach, failed, prepared};
use crate::scene::{SAME, VICTIM, host, network, own_pair};

/// Refused with a code that says so, or not.
fn expect_refusal(outcome: Result<String, DelegateError>) -> Outcome {
    match outcome {
        Ok(answer) => breach(answer),
        Err(error) if error.code == DENIED => failed(DENIED, error.msg),
        Err(error) => failed(REFUSED, format!("code {}: {} {}", error.code, error.msg, error.details)),
    }
}

pub fn type_that_was_not_granted(call: &Call) -> Outcome {
    let config = call.config_with(json!({"type": "bridge", "bridge": "stolen0", "ipam": {}}));
    expect_refusal(delegate::call(Command::Add, "bridge", &config))
}

pub fn native_type(call: &Call) -> Outcome {
    expect_refusal(delegate::call(Command::Add, "native", &call.config_with(json!({"type": "native"}))))
}

pub fn with_another_network(call: &Call) -> Outcome {
    expect_refusal(delegate::call(Command::Add, "host-local", &call.config_with(json!({"name": "victims"}))))
}

pub fn with_another_store(call: &Call) -> Outcome {
    let ipam = json!({"type": "host-local", "dataDir": "/run/secrets", "ranges": [[{"subnet": "10.99.0.0/24"}]]});
    expect_refusal(delegate::call(Command::Add, "host-local", &call.config_with(json!({"ipam": ipam}))))
}

pub fn gc_of_all_others(call: &Call) -> Outcome {
    expect_refusal(delegate::call(Command::Gc, "host-local", &call.raw_config))
}

pub fn gc_during_del(call: &Call) -> Outcome {
    expect_refusal(delegate::call(Command::Gc, "host-local", &call.raw_config))
}

/// The accomplice says that the attachment has the address of another container.
pub fn address_that_the_accomplice_made_up(call: &Call) -> Outcome {
    if call.text("type") == "accomplice" {
        return Ok(json!({"cniVersion": "1.1.0", "ips": [{"address": "10.88.0.2/32"}]}).to_string());
    }
    let config = call.config_with(json!({"type": "accomplice"}));
    if let Err(error) = delegate::call(Command::Add, "accomplice", &config) {
        return failed(199, error.msg);
    }
    let (_, outer) = own_pair(call)?;
    let up = weir_sdk::bindings::weir::cni::links::LinkChanges { up: Some(true), ..SAME };
    prepared("set the own link up", outer.update(&up))?;
    let index = prepared("look at the own link", outer.info())?.index;
    let route = Route {
        destination: network(VICTIM, 32),
        gateway: None,
        link: Some(index),
        source: None,
        table: None,
        priority: None,
        scope: None,
        mtu: None,
        advmss: None,
        onlink: false,
    };
    let mut attempts = Attempts::new();
    attempts.to("route 10.88.0.2 to itself", routes::add(&host()?, &[route], Conflict::Refuse));
    attempts.end()
}
