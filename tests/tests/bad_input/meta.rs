//! Keys of the plugins that work on what another plugin made, of flannel, dhcp and weir-debug.

use serde_json::json;

use crate::code::{CONFIG, DECODE, DECODE_OR_CONFIG};
use crate::{Case, keys};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = shaping();
    cases.extend(routing());
    cases.extend(others());
    // Whoever works on an earlier result says so where there is none.
    for plugin in ["bandwidth", "firewall", "sbr", "vrf", "portmap", "tuning"] {
        cases.push(keys("result_missing", plugin, CONFIG, json!({"prevResult": null})));
        cases.push(keys("result_a_list", plugin, DECODE_OR_CONFIG, json!({"prevResult": []})));
    }
    cases
}

fn shaping() -> Vec<Case> {
    vec![
        keys("rate_without_burst", "bandwidth", CONFIG, json!({"ingressBurst": null})),
        keys("burst_without_rate", "bandwidth", CONFIG, json!({"ingressRate": null})),
        keys("rate_negative", "bandwidth", DECODE_OR_CONFIG, json!({"ingressRate": -1})),
        keys("rate_a_word", "bandwidth", DECODE, json!({"egressRate": "fast"})),
        keys("rate_of_less_than_a_byte", "bandwidth", CONFIG, json!({"ingressRate": 7})),
        keys("limits_a_number", "bandwidth", DECODE, json!({"runtimeConfig": {"bandwidth": 5}})),
    ]
}

fn routing() -> Vec<Case> {
    vec![
        keys("table_zero", "sbr", CONFIG, json!({"table": 0})),
        keys("table_a_word", "sbr", DECODE, json!({"table": "main"})),
        keys("gateway_garbage", "sbr", DECODE_OR_CONFIG, json!({"gateways": ["up"]})),
        keys("two_gateways_of_a_family", "sbr", CONFIG, json!({"gateways": ["10.30.0.1", "10.30.0.3"]})),
        keys("gateways_a_string", "sbr", DECODE, json!({"gateways": "10.30.0.1"})),
        keys("name_missing_vrf", "vrf", CONFIG, json!({"vrfname": null})),
        keys("name_with_a_slash", "vrf", CONFIG, json!({"vrfname": "a/b"})),
        keys("name_too_long", "vrf", CONFIG, json!({"vrfname": "sixteen-letters-"})),
        keys("table_a_word", "vrf", DECODE, json!({"table": "main"})),
        keys("table_negative", "vrf", DECODE_OR_CONFIG, json!({"table": -1})),
    ]
}

fn others() -> Vec<Case> {
    vec![
        keys("backend_unknown", "firewall", DECODE_OR_CONFIG, json!({"backend": "ipfw"})),
        keys("policy_unknown", "firewall", DECODE_OR_CONFIG, json!({"ingressPolicy": "closed"})),
        keys("zone_a_number", "firewall", DECODE, json!({"firewalldZone": 5})),
        keys("chain_a_number", "firewall", DECODE, json!({"iptablesAdminChainName": 5})),
        keys("delegate_a_string", "flannel", DECODE_OR_CONFIG, json!({"delegate": "bridge"})),
        keys("delegate_with_a_name", "flannel", CONFIG, json!({"delegate": {"name": "other"}})),
        keys("delegate_with_ipam", "flannel", CONFIG, json!({"delegate": {"ipam": {"type": "host-local"}}})),
        keys("file_missing", "flannel", &[5, 7, 11], json!({"subnetFile": "/nonexistent/subnet.env"})),
        keys("socket_path_relative", "dhcp", CONFIG, json!({"ipam": {"daemonSocketPath": "dhcp.sock"}})),
        keys("options_a_string", "dhcp", DECODE, json!({"ipam": {"provide": "all"}})),
        keys("hooks", "weir-debug", &[2], json!({"addHooks": [["sh", "-c", "true"]]})),
    ]
}
