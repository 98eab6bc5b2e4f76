//! Plugins that call plugins that call plugins.

use serde_json::json;
use weir_sdk::bindings::weir::cni::clock;
use weir_sdk::bindings::weir::cni::delegate::{self, Command};

use crate::call::{Call, Outcome, breach, failed};

fn delegated(command: Command, plugin: &str, config: &str) -> Outcome {
    match delegate::call(command, plugin, config) {
        Ok(answer) => Ok(answer),
        Err(error) => failed(error.code, format!("{plugin}: {}", error.msg)),
    }
}

pub fn calls_itself(call: &Call) -> Outcome {
    delegated(Command::Add, "hostile", &call.raw_config)
}

pub fn calls_an_accomplice_that_calls_back(call: &Call) -> Outcome {
    let other = if call.text("type") == "hostile" { "accomplice" } else { "hostile" };
    delegated(Command::Add, other, &call.config_with(json!({"type": other})))
}

pub fn calls_itself_for_another_command(call: &Call) -> Outcome {
    let (command, when) = if call.command == "ADD" { (Command::Del, "DEL") } else { (Command::Add, "ADD") };
    delegated(command, "hostile", &call.config_with(json!({"when": when})))
}

pub fn calls_others_without_end(call: &Call) -> Outcome {
    let config = call.config_with(json!({"type": "accomplice", "payload": ""}));
    loop {
        delegated(Command::Add, "accomplice", &config)?;
    }
}

pub fn spends_the_time_of_its_caller(call: &Call) -> Outcome {
    let config = call.config_with(json!({"type": "accomplice", "payload": "exhaustion/sleep_past_the_deadline"}));
    let first = delegated(Command::Add, "accomplice", &config);
    clock::now();
    breach(format!("the caller goes on: {first:?}"))
}
