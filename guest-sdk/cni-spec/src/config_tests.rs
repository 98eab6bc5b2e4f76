#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::json;

use super::*;
use crate::error::{DECODE_FAILURE, Error, INCOMPATIBLE_VERSION, INVALID_CONFIG};

fn parse(value: &Value) -> Result<NetworkConfig, ConfigError> {
    NetworkConfig::parse(value.to_string().as_bytes())
}

fn code(text: &str) -> u32 {
    Error::from(NetworkConfig::parse(text.as_bytes()).unwrap_err()).code
}

#[test]
fn everything_a_host_needs_is_read() {
    let document = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "bridge", "ipam": {"type": "host-local", "subnet": "10.0.0.0/8"},
        "capabilities": {"portMappings": true, "mac": false}, "prevResult": {"cniVersion": "1.1.0"},
        "dns": {"nameservers": ["1.1.1.1"]}, "runtimeConfig": {"mac": "x"},
        "cni.dev/valid-attachments": [{"containerID": "a", "ifname": "eth0"}], "bridge": "cni0"
    });
    let config = parse(&document).unwrap();
    assert_eq!(config.cni_version, Version::V1_1_0);
    assert_eq!((config.name.as_str(), config.plugin_type.as_str()), ("net", "bridge"));
    assert_eq!(config.ipam_type, "host-local");
    assert_eq!(
        config.capabilities.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect::<Vec<_>>(),
        ["portMappings"]
    );
    assert_eq!(config.prev_result, Some(json!({"cniVersion": "1.1.0"})));
    assert_eq!(config.runtime_config, Some(json!({"mac": "x"})));
    assert_eq!(config.dns.nameservers, ["1.1.1.1"]);
    let attachment = Attachment { container_id: "a".to_owned(), interface_name: "eth0".to_owned() };
    assert_eq!(config.valid_attachments, Some(vec![attachment]));
    assert_eq!(config.raw, document);
}

#[test]
fn only_the_name_is_needed_and_no_version_is_the_first() {
    let config = parse(&json!({"NAME": "n"})).unwrap();
    assert_eq!((config.cni_version, config.name.as_str()), (Version::V0_1_0, "n"));
    assert_eq!((config.valid_attachments, config.prev_result), (None, None));
    assert!(parse(&json!({"name": "n", "ipam": null, "dns": null, "prevResult": null})).is_ok());
}

#[test]
fn the_first_name_of_valid_attachments_is_read_too() {
    let config = parse(&json!({"name": "n", "cni.dev/attachments": []})).unwrap();
    assert_eq!(config.valid_attachments, Some(vec![]));
    let both = json!({"name": "n", "cni.dev/attachments": [],
        "cni.dev/valid-attachments": [{"containerID": "a", "ifname": "b"}]});
    assert_eq!(parse(&both).unwrap().valid_attachments.unwrap().len(), 1);
}

#[test]
fn bad_configurations_have_their_codes() {
    for text in [
        "",
        "x",
        "{",
        "[]",
        "3",
        "null",
        "\"name\"",
        r#"{"name": 5}"#,
        r#"{"name": "n", "ipam": []}"#,
        r#"{"name": "n", "ipam": {"type": 1}}"#,
        r#"{"name": "n", "capabilities": {"a": 1}}"#,
        r#"{"name": "n", "cni.dev/valid-attachments": [{}]}"#,
        r#"{"name": "n", "cniVersion": 1}"#,
        r#"{"name": "n", "dns": {"nameservers": "1.1.1.1"}}"#,
        r#"{"name": "n", "type": {}}"#,
    ] {
        assert_eq!(code(text), DECODE_FAILURE, "{text}");
    }
    for text in ["{}", r#"{"name": ""}"#, r#"{"name": null}"#, r#"{"name": "a b"}"#, r#"{"name": "../x"}"#] {
        assert_eq!(code(text), INVALID_CONFIG, "{text}");
    }
    for text in [r#"{"name": "n", "cniVersion": "1.2.0"}"#, r#"{"name": "n", "cniVersion": "1.0"}"#] {
        assert_eq!(code(text), INCOMPATIBLE_VERSION, "{text}");
    }
}

#[test]
fn an_error_can_carry_the_version_of_a_broken_configuration() {
    assert_eq!(version_hint(br#"{"cniVersion": "0.4.0", "name": 5}"#), Some(Version::V0_4_0));
    assert_eq!(version_hint(b"{}"), Some(Version::V0_1_0));
    for text in ["", "[]", r#"{"cniVersion": 1}"#, r#"{"cniVersion": "9"}"#] {
        assert_eq!(version_hint(text.as_bytes()), None, "{text}");
    }
}
