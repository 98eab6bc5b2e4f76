//! Tests on the in-memory host, which sees no call at all.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use weir_sdk::AddResult;
use weir_sdk::testing::{World, with_prev_result};

use super::Static;

const CONFIG: &str = r#"{"cniVersion": "1.0.0", "name": "net", "type": "bridge", "ipam": {"type": "static",
    "addresses": [{"address": "10.10.0.1/24", "gateway": "10.10.0.254"},
                  {"address": "3ffe:ffff:0:1ff::1/64", "gateway": "3ffe:ffff:0::1"}],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.10.5.1", "mtu": 1400}],
    "dns": {"nameservers": ["8.8.8.8"], "domain": "example.com", "search": ["example.com"]}}}"#;

fn addresses(result: &AddResult) -> Vec<String> {
    let gateway = |ip: Option<std::net::IpAddr>| ip.map(|ip| format!(" via {ip}")).unwrap_or_default();
    result.ips.iter().map(|ip| format!("{}{}", ip.address, gateway(ip.gateway))).collect()
}

#[test]
fn what_the_configuration_names_is_given_out() {
    let world = World::new();
    let result = world.add::<Static>(CONFIG).unwrap();
    assert_eq!(addresses(&result), ["10.10.0.1/24 via 10.10.0.254", "3ffe:ffff:0:1ff::1/64 via 3ffe:ffff::1"]);
    assert_eq!(result.routes.len(), 2);
    assert_eq!(result.routes[1].mtu, 1400);
    assert_eq!(result.dns.nameservers, ["8.8.8.8"]);
    assert!(result.interfaces.is_empty());
    assert!(world.calls().is_empty());
}

#[test]
fn addresses_of_cni_args_are_added_and_gateways_go_where_they_belong() {
    let world = World::new();
    let args = "IP=10.10.0.1/24, 11.11.0.1/24;GATEWAY=10.10.0.254,11.11.0.254;IgnoreUnknown=1;K8S_POD_NAME=p";
    let config = r#"{"cniVersion": "0.3.1", "name": "net", "ipam": {"type": "static"}}"#;
    let result = world.add_with_args::<Static>(config, args).unwrap();
    assert_eq!(addresses(&result), ["10.10.0.1/24 via 10.10.0.254", "11.11.0.1/24 via 11.11.0.254"]);
}

#[test]
fn args_replace_and_runtime_config_replaces_these() {
    let world = World::new();
    let args = r#"{"cniVersion": "1.0.0", "name": "net", "args": {"cni": {"ips": ["10.0.0.7/8"]}},
        "ipam": {"addresses": [{"address": "10.10.0.1/24"}]}}"#;
    assert_eq!(addresses(&world.add_with_args::<Static>(args, "IP=9.9.9.9/24").unwrap()), ["10.0.0.7/8"]);
    let both = args.replace(r#""args""#, r#""runtimeConfig": {"ips": ["10.0.0.8/8", "fd00::8/64"]}, "args""#);
    assert_eq!(addresses(&world.add::<Static>(&both).unwrap()), ["10.0.0.8/8", "fd00::8/64"]);
}

#[test]
fn no_address_is_an_empty_list() {
    let result = World::new().add::<Static>(r#"{"cniVersion": "1.0.0", "name": "net", "ipam": {}}"#).unwrap();
    assert!(result.ips.is_empty());
}

#[test]
fn early_versions_take_one_address_per_family() {
    let two = r#"{"cniVersion": "0.2.0", "name": "net",
        "ipam": {"addresses": [{"address": "10.0.0.1/8"}, {"address": "10.0.0.2/8"}]}}"#;
    assert_eq!(World::new().add::<Static>(two).unwrap_err().code, 7);
    assert!(World::new().add::<Static>(&two.replace("0.2.0", "0.3.0")).is_ok());
    assert!(World::new().add::<Static>(&CONFIG.replace("1.0.0", "0.1.0")).is_ok());
}

#[test]
fn what_is_no_address_is_refused() {
    let world = World::new();
    let with =
        |addresses: &str| format!(r#"{{"cniVersion": "1.0.0", "name": "net", "ipam": {{"addresses": {addresses}}}}}"#);
    for bad in [r#"[{"address": "10.0.0.1"}]"#, r#"[{"address": "x/8"}]"#, r#"[{"gateway": "10.0.0.1"}]"#, r#"{}"#] {
        assert_eq!(world.add::<Static>(&with(bad)).unwrap_err().code, 6, "{bad}");
    }
    for args in ["IP=10.0.0.1", "IP=10.0.0.1/8,", "IP=,"] {
        assert_eq!(world.add_with_args::<Static>(&with("[]"), args).unwrap_err().code, 7, "{args}");
    }
    for args in ["GATEWAY=x", "GATEWAY=10.0.0.1/8", "UNKNOWN=1"] {
        assert_eq!(world.add_with_args::<Static>(&with("[]"), args).unwrap_err().code, 4, "{args}");
    }
    assert_eq!(world.add::<Static>(r#"{"cniVersion": "1.0.0", "name": "net"}"#).unwrap_err().code, 7);
}

#[test]
fn check_compares_gateways_of_addresses_that_are_there() {
    let world = World::new();
    let mut result = world.add::<Static>(CONFIG).unwrap();
    let check = |result: &AddResult| world.check::<Static>(&with_prev_result(CONFIG, result).unwrap());
    assert_eq!(check(&result), Ok(()));
    result.ips[0].gateway = Some([10, 10, 0, 1].into());
    assert!(check(&result).unwrap_err().msg.contains("10.10.0.254"));
    result.ips.remove(0);
    assert_eq!(check(&result), Ok(()));
    assert_eq!(world.check::<Static>(CONFIG).unwrap_err().code, 7);
}

#[test]
fn del_succeeds_whatever_the_configuration_says() {
    assert_eq!(World::new().del::<Static>(r#"{"cniVersion": "1.0.0", "name": "net", "ipam": 5}"#), Ok(()));
}
