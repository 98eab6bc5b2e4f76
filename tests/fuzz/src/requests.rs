//! What a runtime hands over: configuration, result of the previous plugin, CNI_ARGS.
#![allow(clippy::panic, clippy::expect_used, reason = "a target reports what is wrong by panicking")]

use cni_spec::args::Args;
use cni_spec::config::{NetworkConfig, version_hint};
use cni_spec::result::AddResult;
use cni_spec::version::{ALL, LATEST};
use serde_json::Value;
use weir::contract::{Command, Invocation, Variables};

/// The commands, by the first byte.
const COMMANDS: [Command; 5] = [Command::Add, Command::Del, Command::Check, Command::Gc, Command::Status];

/// The first byte chooses the command, the rest is the configuration.
pub(crate) fn config(bytes: &[u8]) {
    let Some((choice, text)) = bytes.split_first() else { return };
    let _ = version_hint(text);
    let parsed = NetworkConfig::parse(text);
    let command = COMMANDS.get(usize::from(*choice) % COMMANDS.len()).copied().unwrap_or(Command::Add);
    // Without a namespace: the configuration alone decides.
    let variables = Variables {
        command,
        container_id: "container".to_owned(),
        netns: String::new(),
        interface_name: "eth0".to_owned(),
        args: String::new(),
        path: String::new(),
        netns_override: false,
    };
    match Invocation::check(variables, text, &ALL) {
        Ok(invocation) => {
            let parsed = parsed.expect("an accepted configuration parses");
            assert_eq!(parsed.name, invocation.network);
            assert!(cni_spec::names::network_name(&invocation.network).is_ok(), "{:?}", invocation.network);
            // A network's name is that of a directory.
            assert!(!invocation.network.contains('/') && !invocation.network.starts_with('.'));
        }
        Err(error) => assert_ne!(error.code, 0, "{error:?}"),
    }
}

/// The first byte chooses the version, the rest is a result.
pub(crate) fn prev_result(bytes: &[u8]) {
    let Some((choice, text)) = bytes.split_first() else { return };
    let Ok(value) = serde_json::from_slice::<Value>(text) else { return };
    let versions = &ALL;
    let Some(version) = versions.get(usize::from(*choice) % versions.len()).copied() else { return };
    let Ok(result) = AddResult::from_json(&value, version) else { return };
    // What was accepted in one version is a result of the newest, and means the same when it is read again.
    let newest = result.to_json(LATEST).expect("every result converts to the newest version");
    let again = AddResult::from_json(&newest, LATEST).unwrap_or_else(|e| panic!("{newest}: {e}"));
    assert_eq!(again.to_json(LATEST).expect("as before"), newest);
    for older in versions {
        if let Ok(json) = result.to_json(*older) {
            AddResult::from_json(&json, *older).unwrap_or_else(|e| panic!("version {older}: {json}: {e}"));
        }
    }
}

/// CNI_ARGS.
pub(crate) fn cni_args(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(args) = text.parse::<Args>() else { return };
    let _ = args.ignore_unknown();
    let _ = args.require_known(&["IgnoreUnknown", "K8S_POD_NAME"]);
    for (key, _) in args.pairs() {
        assert!(args.get(key).is_some(), "{key:?} is among the pairs and is not found");
    }
}
