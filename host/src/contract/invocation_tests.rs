//! Which commands pass, and which codes the others get.
#![allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test fails by panicking")]

use cni_spec::version::Version;
use serde_json::{Value, json};

use super::*;

const ALL: [Version; 7] = [
    Version::V0_1_0,
    Version::V0_2_0,
    Version::V0_3_0,
    Version::V0_3_1,
    Version::V0_4_0,
    Version::V1_0_0,
    Version::V1_1_0,
];
const OWN_NETNS: &str = "/proc/self/ns/net";

fn variables(command: Command, netns: &str) -> Variables {
    Variables {
        command,
        container_id: "c1".to_owned(),
        netns: netns.to_owned(),
        interface_name: "eth0".to_owned(),
        args: String::new(),
        path: "/one::/two".to_owned(),
        netns_override: true,
    }
}

fn config(version: &str, more: &Value) -> Value {
    let mut config = json!({"cniVersion": version, "name": "net", "type": "bridge"});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config
}

fn check(command: Command, config: &Value) -> Result<Invocation, Error> {
    Invocation::check(variables(command, OWN_NETNS), config.to_string().as_bytes(), &ALL)
}

fn code(command: Command, config: &Value) -> u32 {
    check(command, config).map_or_else(|error| error.code, |_| 0)
}

/// An empty result.
fn previous() -> Value {
    json!({"prevResult": {}})
}

#[test]
fn commands_exist_from_their_version_on() {
    let versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
    for (command, since) in
        [(Command::Add, 0), (Command::Del, 0), (Command::Check, 4), (Command::Gc, 6), (Command::Status, 6)]
    {
        for (index, version) in versions.iter().enumerate() {
            let expected = if index < since { INCOMPATIBLE_VERSION } else { 0 };
            assert_eq!(code(command, &config(version, &previous())), expected, "{command} {version}");
        }
    }
}

#[test]
fn a_version_that_the_plugin_does_not_support_is_refused_with_a_list() {
    let text = config("0.4.0", &json!({})).to_string();
    let error = Invocation::check(variables(Command::Add, OWN_NETNS), text.as_bytes(), &[Version::V1_0_0]).unwrap_err();
    assert_eq!(error.code, INCOMPATIBLE_VERSION);
    assert!(error.details.contains("1.0.0"), "{error:?}");
    assert_eq!(code(Command::Add, &config("9.9.9", &json!({}))), INCOMPATIBLE_VERSION);
    // Without a version it is the first one.
    assert_eq!(check(Command::Add, &json!({"name": "net"})).unwrap().version, Version::V0_1_0);
}

#[test]
fn a_previous_result_must_be_one_of_the_version_of_the_configuration() {
    let of = |prefix: &str| json!({"prevResult": {"cniVersion": prefix, "ips": [{"address": "10.0.0.2/24"}]}});
    assert_eq!(check(Command::Add, &config("1.0.0", &of("1.0.0"))).unwrap().prev_result.unwrap().ips.len(), 1);
    for broken in [json!({"prevResult": []}), json!({"prevResult": {"ips": [{"address": "10.0.0.2"}]}})] {
        assert_eq!(code(Command::Add, &config("1.0.0", &broken)), DECODE_FAILURE, "{broken}");
    }
    // In 0.2.0 addresses are in `ip4`; what is in `ips` means nothing there.
    let old = json!({"prevResult": {"ip4": {"ip": "10.0.0.2/24"}}});
    assert_eq!(check(Command::Add, &config("0.2.0", &old)).unwrap().prev_result.unwrap().ips.len(), 1);
    assert_eq!(check(Command::Add, &config("1.0.0", &old)).unwrap().prev_result.unwrap().ips.len(), 0);
}

#[test]
fn check_needs_a_previous_result_and_the_others_do_not() {
    assert_eq!(code(Command::Check, &config("1.1.0", &json!({}))), INVALID_CONFIG);
    for command in [Command::Add, Command::Del, Command::Gc, Command::Status] {
        assert_eq!(code(command, &config("1.1.0", &json!({}))), 0, "{command}");
    }
}

#[test]
fn the_attachments_that_gc_must_spare_are_read_under_both_names() {
    for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
        let valid = json!({key: [{"containerID": "c1", "ifname": "eth0"}, {"containerID": "c2", "ifname": "eth1"}]});
        let invocation = check(Command::Gc, &config("1.1.0", &valid)).unwrap();
        let found: Vec<_> =
            invocation.valid_attachments.iter().map(|a| (&*a.container_id, &*a.interface_name)).collect();
        assert_eq!(found, [("c1", "eth0"), ("c2", "eth1")]);
        // GC is about the network, whatever else the variables say.
        assert!(invocation.attachment.container_id.is_empty() && invocation.netns.is_none());
    }
    for broken in [json!("all"), json!([{"ifname": "eth0"}]), json!([5])] {
        assert_eq!(code(Command::Gc, &config("1.1.0", &json!({"cni.dev/valid-attachments": broken}))), DECODE_FAILURE);
    }
}

#[test]
fn a_configuration_that_cannot_be_read_or_has_no_valid_name_is_refused() {
    for (text, code) in [
        (&b"\xff"[..], DECODE_FAILURE),
        (b"{", DECODE_FAILURE),
        (b"[]", DECODE_FAILURE),
        (br#"{"cniVersion": "1.0.0"}"#, INVALID_CONFIG),
        (br#"{"cniVersion": "1.0.0", "name": "../x"}"#, INVALID_CONFIG),
    ] {
        let error = Invocation::check(variables(Command::Add, OWN_NETNS), text, &ALL).unwrap_err();
        assert_eq!(error.code, code, "{error:?}");
    }
}

#[test]
fn arguments_must_be_pairs() {
    let text = config("1.0.0", &json!({})).to_string();
    let with = |args: &str| {
        Invocation::check(
            Variables { args: args.to_owned(), ..variables(Command::Add, OWN_NETNS) },
            text.as_bytes(),
            &ALL,
        )
    };
    assert_eq!(with("IP=10.0.0.2;MAC=x").unwrap().args.get("IP"), Some("10.0.0.2"));
    assert_eq!(with("IP").unwrap_err().code, INVALID_ENVIRONMENT);
}

#[test]
fn empty_parts_of_the_search_path_are_left_out() {
    let invocation = check(Command::Add, &config("1.0.0", &json!({}))).unwrap();
    assert_eq!(invocation.cni_path, [PathBuf::from("/one"), PathBuf::from("/two")]);
}

#[test]
fn a_namespace_that_is_gone_stops_add_and_not_del() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let no_namespace = file.path().to_str().unwrap();
    let text = config("1.0.0", &previous()).to_string();
    for (path, expected) in [("/nonexistent/netns", UNKNOWN_CONTAINER), (no_namespace, INVALID_ENVIRONMENT)] {
        for command in [Command::Add, Command::Check] {
            let error = Invocation::check(variables(command, path), text.as_bytes(), &ALL).unwrap_err();
            assert_eq!(error.code, expected, "{command}: {error:?}");
        }
        let del = Invocation::check(variables(Command::Del, path), text.as_bytes(), &ALL).unwrap();
        assert!(del.netns.is_none());
        assert_eq!(del.netns_path.as_deref(), Some(path));
    }
    let del = Invocation::check(variables(Command::Del, ""), text.as_bytes(), &ALL).unwrap();
    assert_eq!(del.netns_path, None);
}

#[test]
fn the_namespace_of_the_runtime_itself_is_refused_unless_it_is_meant() {
    let text = config("1.0.0", &json!({})).to_string();
    let with = |netns_override| {
        Invocation::check(Variables { netns_override, ..variables(Command::Add, OWN_NETNS) }, text.as_bytes(), &ALL)
    };
    assert!(with(true).unwrap().netns.is_some());
    assert_eq!(with(false).unwrap_err().code, SAME_NETNS);
}
