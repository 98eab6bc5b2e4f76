//! Keys of the plugins.

use serde_json::json;

use crate::code::{CONFIG, DECODE, DECODE_OR_CONFIG};
use crate::{Case, keys};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = bridge();
    cases.extend(host_local());
    cases.extend(chained());
    cases
}

fn bridge() -> Vec<Case> {
    vec![
        keys("vlan_too_large", "bridge", CONFIG, json!({"vlan": 4095})),
        keys("vlan_negative", "bridge", DECODE_OR_CONFIG, json!({"vlan": -1})),
        keys("vlan_a_fraction", "bridge", DECODE, json!({"vlan": 1.5})),
        keys("trunk_upside_down", "bridge", CONFIG, json!({"vlanTrunk": [{"minID": 20, "maxID": 10}]})),
        keys("trunk_too_large", "bridge", CONFIG, json!({"vlanTrunk": [{"id": 4095}]})),
        keys("trunk_zero", "bridge", CONFIG, json!({"vlanTrunk": [{"id": 0}]})),
        keys("trunk_half_a_range", "bridge", CONFIG, json!({"vlanTrunk": [{"minID": 5}]})),
        keys("trunk_a_number", "bridge", DECODE, json!({"vlanTrunk": 5})),
        keys("hairpin_and_promiscuous", "bridge", CONFIG, json!({"hairpinMode": true, "promiscMode": true})),
        keys("addresses_for_a_link_that_stays_down", "bridge", CONFIG, json!({"disableContainerInterface": true})),
        keys("mtu_a_word", "bridge", DECODE, json!({"mtu": "large"})),
        keys("mtu_negative", "bridge", DECODE_OR_CONFIG, json!({"mtu": -5})),
        keys("gateway_flag_a_number", "bridge", DECODE, json!({"isGateway": 1})),
        keys("gateway_flag_a_word", "bridge", DECODE, json!({"isGateway": "maybe"})),
        keys("bridge_name_with_a_slash", "bridge", CONFIG, json!({"bridge": "a/b"})),
        keys("bridge_name_too_long", "bridge", CONFIG, json!({"bridge": "sixteen-letters-"})),
        keys("masquerade_backend_unknown", "bridge", CONFIG, json!({"ipMasq": true, "ipMasqBackend": "ebtables"})),
        keys("mac_garbage", "bridge", DECODE_OR_CONFIG, json!({"runtimeConfig": {"mac": "zz:zz"}})),
        keys("mac_of_a_group", "bridge", DECODE_OR_CONFIG, json!({"runtimeConfig": {"mac": "01:00:5e:00:00:01"}})),
        keys("mac_garbage_in_args", "bridge", DECODE_OR_CONFIG, json!({"args": {"cni": {"mac": "zz"}}})),
        keys("ipam_a_string", "bridge", DECODE, json!({"ipam": "host-local"})),
        keys("ipam_not_installed", "bridge", &[101], json!({"ipam": {"type": "no-such-plugin"}})),
        keys("ipam_type_climbs", "bridge", CONFIG, json!({"ipam": {"type": "../host-local"}})),
        keys("ipam_subnet_garbage", "bridge", DECODE_OR_CONFIG, json!({"ipam": {"ranges": [[{"subnet": "10.0"}]]}})),
    ]
}

fn host_local() -> Vec<Case> {
    let ranges =
        |name, codes, ranges: serde_json::Value| keys(name, "host-local", codes, json!({"ipam": {"ranges": ranges}}));
    vec![
        keys("no_ipam", "host-local", CONFIG, json!({"ipam": null})),
        keys("no_ranges", "host-local", CONFIG, json!({"ipam": {"ranges": null}})),
        ranges("ranges_empty", CONFIG, json!([])),
        ranges("range_set_empty", CONFIG, json!([[]])),
        ranges("range_without_subnet", CONFIG, json!([[{"rangeStart": "10.0.0.1"}]])),
        ranges("ranges_not_nested", DECODE, json!([{"subnet": "10.0.0.0/24"}])),
        ranges("subnet_garbage", DECODE_OR_CONFIG, json!([[{"subnet": "10.0.0.0"}]])),
        ranges("subnet_prefix_too_long", DECODE_OR_CONFIG, json!([[{"subnet": "10.0.0.0/33"}]])),
        ranges("subnet_too_small", CONFIG, json!([[{"subnet": "10.0.0.0/31"}]])),
        ranges("subnet_too_small_ipv6", CONFIG, json!([[{"subnet": "fd00::/127"}]])),
        ranges("subnet_with_host_bits", CONFIG, json!([[{"subnet": "10.0.0.5/24"}]])),
        ranges("start_outside", CONFIG, json!([[{"subnet": "10.0.0.0/24", "rangeStart": "10.0.1.5"}]])),
        ranges("end_outside", CONFIG, json!([[{"subnet": "10.0.0.0/24", "rangeEnd": "10.0.1.5"}]])),
        ranges(
            "start_after_end",
            CONFIG,
            json!([[
                {"subnet": "10.0.0.0/24", "rangeStart": "10.0.0.9", "rangeEnd": "10.0.0.5"},
            ]]),
        ),
        ranges("start_garbage", DECODE_OR_CONFIG, json!([[{"subnet": "10.0.0.0/24", "rangeStart": "first"}]])),
        ranges("gateway_garbage", DECODE_OR_CONFIG, json!([[{"subnet": "10.0.0.0/24", "gateway": "10.0.0.256"}]])),
        ranges("ranges_overlap_in_a_set", CONFIG, json!([[{"subnet": "10.0.0.0/24"}, {"subnet": "10.0.0.0/25"}]])),
        ranges(
            "ranges_overlap_between_sets",
            CONFIG,
            json!([[{"subnet": "10.0.0.0/16"}], [{"subnet": "10.0.3.0/24"}]]),
        ),
        ranges("families_mixed_in_a_set", CONFIG, json!([[{"subnet": "10.0.0.0/24"}, {"subnet": "fd00::/64"}]])),
        keys(
            "two_addresses_in_an_old_version",
            "host-local",
            CONFIG,
            json!({
                "cniVersion": "0.2.0", "ipam": {"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "10.1.0.0/24"}]]},
            }),
        ),
        keys("routes_garbage", "host-local", DECODE_OR_CONFIG, json!({"ipam": {"routes": [{"dst": "everywhere"}]}})),
        keys(
            "resolver_file_missing",
            "host-local",
            &[5, 7],
            json!({"ipam": {"resolvConf": "/nonexistent/resolv.conf"}}),
        ),
        keys(
            "static_address_without_prefix",
            "static",
            DECODE_OR_CONFIG,
            json!({"ipam": {"addresses": [
                {"address": "10.0.0.5"},
            ]}}),
        ),
        keys(
            "static_gateway_garbage",
            "static",
            DECODE_OR_CONFIG,
            json!({"ipam": {"addresses": [
                {"address": "10.0.0.5/24", "gateway": "up"},
            ]}}),
        ),
        keys("static_addresses_a_string", "static", DECODE, json!({"ipam": {"addresses": "10.0.0.5/24"}})),
    ]
}

fn chained() -> Vec<Case> {
    let mapping = |name, codes, mapping: serde_json::Value| {
        keys(name, "portmap", codes, json!({"runtimeConfig": {"portMappings": [mapping]}}))
    };
    vec![
        mapping("host_port_zero", CONFIG, json!({"hostPort": 0, "containerPort": 80, "protocol": "tcp"})),
        mapping(
            "host_port_too_large",
            DECODE_OR_CONFIG,
            json!({"hostPort": 65536, "containerPort": 80, "protocol": "tcp"}),
        ),
        mapping(
            "host_port_negative",
            DECODE_OR_CONFIG,
            json!({"hostPort": -1, "containerPort": 80, "protocol": "tcp"}),
        ),
        mapping(
            "container_port_too_large",
            DECODE_OR_CONFIG,
            json!({
                "hostPort": 80, "containerPort": 70000, "protocol": "tcp",
            }),
        ),
        mapping("container_port_zero", CONFIG, json!({"hostPort": 80, "containerPort": 0, "protocol": "tcp"})),
        mapping("protocol_unknown", DECODE_OR_CONFIG, json!({"hostPort": 80, "containerPort": 80, "protocol": "icmp"})),
        mapping(
            "host_address_garbage",
            DECODE_OR_CONFIG,
            json!({
                "hostPort": 80, "containerPort": 80, "protocol": "tcp", "hostIP": "localhost",
            }),
        ),
        keys("mappings_an_object", "portmap", DECODE, json!({"runtimeConfig": {"portMappings": {"hostPort": 1}}})),
        keys("backend_unknown", "portmap", DECODE_OR_CONFIG, json!({"backend": "ipvs"})),
        keys("mark_bit_too_large", "portmap", CONFIG, json!({"markMasqBit": 32})),
        keys(
            "mark_bit_and_foreign_chain",
            "portmap",
            CONFIG,
            json!({
                "backend": "iptables", "markMasqBit": 5, "externalSetMarkChain": "MARK-CHAIN",
            }),
        ),
        keys("sysctl_outside_the_network", "tuning", CONFIG, json!({"sysctl": {"kernel.hostname": "x"}})),
        keys("sysctl_climbs", "tuning", CONFIG, json!({"sysctl": {"net/../kernel/hostname": "x"}})),
        keys("sysctl_a_number", "tuning", DECODE, json!({"sysctl": 5})),
        keys("mac_garbage", "tuning", DECODE_OR_CONFIG, json!({"mac": "zz"})),
        keys("mtu_a_word", "tuning", DECODE, json!({"mtu": "large"})),
    ]
}
