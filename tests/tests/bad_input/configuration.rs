//! Standard input as a whole: JSON, name, version, prevResult.

use serde_json::json;

use crate::code::{CONFIG, DECODE, DECODE_OR_CONFIG, VERSION};
use crate::{Case, call, keys};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        call("input_empty", DECODE, |c, _| c.input("")),
        call("input_no_json", DECODE, |c, _| c.input("name: net")),
        call("input_cut_off", DECODE, |c, _| c.input(r#"{"cniVersion":"1.0.0","name":"net","type":"bri"#)),
        call("input_two_documents", DECODE, |c, _| c.input(r#"{"cniVersion":"1.0.0","name":"net"} {}"#)),
        call("input_a_list", DECODE, |c, _| c.input("[]")),
        call("input_a_string", DECODE, |c, _| c.input("\"net\"")),
        call("input_null", DECODE, |c, _| c.input("null")),
        call("input_not_utf8", DECODE, |c, _| c.input(b"{\"name\":\"\xff\"}".to_vec())),
        call("input_nested_too_deep", DECODE, |c, _| {
            c.input(format!(
                r#"{{"cniVersion":"1.0.0","name":"net","x":{}1{}}}"#,
                "[".repeat(200_000),
                "]".repeat(200_000)
            ))
        }),
        call("input_with_a_trailing_comma", DECODE, |c, _| c.input(r#"{"cniVersion":"1.0.0","name":"net",}"#)),
        keys("name_missing", "bridge", CONFIG, json!({"name": null})),
        keys("name_empty", "bridge", CONFIG, json!({"name": ""})),
        keys("name_climbs", "bridge", CONFIG, json!({"name": "../net"})),
        keys("name_with_a_slash", "host-local", CONFIG, json!({"name": "a/b"})),
        keys("name_starts_with_a_dot", "host-local", CONFIG, json!({"name": ".weir-index"})),
        keys("name_with_a_space", "loopback", CONFIG, json!({"name": "a b"})),
        keys("name_a_number", "bridge", DECODE, json!({"name": 5})),
        keys("version_a_number", "bridge", DECODE, json!({"cniVersion": 1.0})),
        keys("version_of_the_future", "bridge", VERSION, json!({"cniVersion": "9.9.9"})),
        keys("version_that_never_was", "loopback", VERSION, json!({"cniVersion": "1.2.0"})),
        keys("version_no_version", "host-local", &[1, 6, 7], json!({"cniVersion": "latest"})),
        keys("before_it_existed", "bridge", VERSION, json!({"cniVersion": "0.3.1"})).command("CHECK"),
        keys("before_it_existed", "bridge", VERSION, json!({"cniVersion": "1.0.0"})).command("GC"),
        keys("before_it_existed", "host-local", VERSION, json!({"cniVersion": "1.0.0"})).command("STATUS"),
        keys("no_previous_result", "bridge", CONFIG, json!({})).command("CHECK"),
        keys("no_previous_result", "loopback", CONFIG, json!({})).command("CHECK"),
        keys("no_previous_result", "tuning", CONFIG, json!({"prevResult": null})),
        keys("no_previous_result", "portmap", CONFIG, json!({"prevResult": null})),
        keys("previous_result_a_string", "tuning", DECODE, json!({"prevResult": "x"})),
        keys("previous_result_a_list", "portmap", DECODE, json!({"prevResult": []})),
        keys("previous_address_garbage", "tuning", DECODE, json!({"prevResult": {"ips": [{"address": "10.0.0"}]}})),
        keys(
            "previous_address_without_prefix",
            "portmap",
            DECODE,
            json!({"prevResult": {"ips": [{"address": "10.0.0.1"}]}}),
        ),
        keys("previous_result_of_the_future", "tuning", &[1, 6], json!({"prevResult": {"cniVersion": "9.0.0"}})),
        keys(
            "previous_interface_index_a_string",
            "portmap",
            DECODE,
            json!({"prevResult": {"ips": [{"address": "10.0.0.1/24", "interface": "one"}]}}),
        ),
        keys(
            "valid_attachments_a_string",
            "bridge",
            DECODE_OR_CONFIG,
            json!({
                "cniVersion": "1.1.0", "cni.dev/valid-attachments": "all",
            }),
        )
        .command("GC"),
        keys(
            "valid_attachment_without_container",
            "host-local",
            DECODE_OR_CONFIG,
            json!({
                "cniVersion": "1.1.0", "cni.dev/valid-attachments": [{"ifname": "eth0"}],
            }),
        )
        .command("GC"),
    ]
}
