//! Tests on the in-memory host.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use weir_sdk::cni_spec::version;
use weir_sdk::net::{Conflict, IpvlanMode, LinkChanges, LinkKind, Route};
use weir_sdk::testing::{Command, World, fail_each, with_prev_result};
use weir_sdk::{AddResult, Netns};

use super::Ipvlan;

const DUAL: &str = r#"{"ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"}, {"address": "fd00:1::3/64"}],
    "dns": {"nameservers": ["9.9.9.9"]}, "routes": [{"dst": "0.0.0.0/0"}]}"#;

fn config(keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    format!(r#"{{"cniVersion": "1.1.0", "name": "net", "type": "ipvlan"{comma}{keys}}}"#)
}

fn with_ipam(keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    config(&format!(r#""master": "nic0", "ipam": {{"type": "pool"}}{comma}{keys}"#))
}

/// In a chain, after a plugin with this result.
fn chained(keys: &str, interfaces: &str, ips: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    config(&format!(
        r#"{keys}{comma}"prevResult": {{"cniVersion": "1.1.0", "interfaces": [{interfaces}], "ips": [{ips}],
            "routes": [{{"dst": "10.9.0.0/16"}}], "dns": {{"nameservers": ["8.8.8.8"]}}}}"#
    ))
}

const NIC: &str = r#"{"name": "nic0", "mac": "0a:00:00:00:00:01"}"#;
const IP: &str = r#"{"address": "10.7.0.5/24", "gateway": "10.7.0.1", "interface": 0}"#;

fn prepare(world: &World) {
    world.host().add_link("nic0", "dummy");
    world.ipam("pool", AddResult::from_slice(DUAL.as_bytes(), version::LATEST).unwrap());
}

fn prepared() -> World {
    let world = World::new();
    prepare(&world);
    world
}

fn added(config: &str) -> (World, AddResult, String) {
    let world = prepared();
    let result = world.add::<Ipvlan>(config).unwrap();
    let prev = with_prev_result(config, &result).unwrap();
    (world, result, prev)
}

#[test]
fn modes_and_mtu_reach_the_link_on_the_master() {
    for (keys, mode) in [
        ("", IpvlanMode::L2),
        (r#""mode": "l2""#, IpvlanMode::L2),
        (r#""mode": "l3""#, IpvlanMode::L3),
        (r#""mode": "l3s", "mtu": 1400"#, IpvlanMode::L3s),
    ] {
        let (world, result, prev) = added(&with_ipam(keys));
        let (link, master) = (world.container().link("eth0").unwrap(), world.host().link("nic0").unwrap());
        assert!(link.up && link.lower == Some(master.index) && link.mac == master.mac);
        assert_eq!(link.mtu, if mode == IpvlanMode::L3s { 1400 } else { 1500 });
        let handle = Netns::container().unwrap().link("eth0").unwrap().unwrap();
        assert_eq!(handle.kind().unwrap(), Some(LinkKind::Ipvlan(mode)));
        assert_eq!((result.interfaces.len(), result.ips.len()), (1, 2));
        assert_eq!(world.check::<Ipvlan>(&prev), Ok(()));
    }
}

#[test]
fn in_a_chain_master_addresses_routes_and_dns_are_those_of_the_plugin_before() {
    let (world, result, prev) = added(&chained("", NIC, IP));
    let names: Vec<_> = result.interfaces.iter().map(|interface| &*interface.name).collect();
    assert_eq!((names, result.ips[0].interface), (vec!["eth0"], Some(0)));
    assert_eq!(world.container().addresses("eth0"), ["10.7.0.5/24".parse().unwrap()]);
    assert!(world.container().routes().iter().any(|route| route.destination == "10.9.0.0/16".parse().unwrap()));
    assert_eq!(result.dns.nameservers, ["8.8.8.8"]);
    assert_eq!(world.asked_of("pool"), []);
    assert_eq!(world.check::<Ipvlan>(&prev), Ok(()));
    assert_eq!(world.del::<Ipvlan>(&prev), Ok(()));
    assert_eq!((world.container().link_names(), world.host().link_names()), (vec![], vec!["nic0".to_owned()]));
}

#[test]
fn in_a_chain_own_keys_come_first() {
    let keys = r#""ipam": {"type": "pool"}, "dns": {"nameservers": ["1.1.1.1"]}"#;
    let (world, result, _) = added(&chained(keys, NIC, IP));
    assert_eq!(world.asked_of("pool"), [Command::Add]);
    assert_eq!((result.ips.len(), &*result.dns.nameservers[0]), (2, "1.1.1.1"));
    let world = prepared();
    world.host().add_link("nic1", "dummy");
    world.add::<Ipvlan>(&chained(r#""master": "nic1""#, NIC, IP)).unwrap();
    assert_eq!(world.container().link("eth0").unwrap().lower, world.host().link("nic1").map(|info| info.index));
}

#[test]
fn a_chain_that_gives_no_single_master_or_no_addresses_is_refused() {
    for (keys, interfaces, ips) in
        [("", "", IP), ("", &*format!("{NIC}, {NIC}"), IP), ("", r#"{"name": ""}"#, IP), ("", NIC, "")]
    {
        let world = prepared();
        assert_eq!(world.add::<Ipvlan>(&chained(keys, interfaces, ips)).unwrap_err().code, 7, "{interfaces} {ips}");
        assert_eq!(world.container().link_names(), Vec::<String>::new());
    }
    assert_eq!(prepared().add::<Ipvlan>(&config(r#""master": "nic0""#)).unwrap_err().code, 7);
}

#[test]
fn the_default_master_is_the_link_of_the_default_route() {
    let world = prepared();
    let config = config(r#""ipam": {"type": "pool"}"#);
    assert_eq!(world.add::<Ipvlan>(&config).unwrap_err().code, 7);
    world.host().update_link("nic0", &LinkChanges { up: Some(true), ..LinkChanges::default() });
    let link = world.host().link("nic0").map(|info| info.index);
    let route = Route { link, ..Route::to("0.0.0.0/0".parse().unwrap()) };
    Netns::host().unwrap().add_routes(&[route], Conflict::Refuse).unwrap();
    let result = world.add::<Ipvlan>(&config).unwrap();
    assert_eq!(world.container().link("eth0").unwrap().lower, link);
    // Neither CHECK nor DEL minds where the default route leads by then.
    world.host().remove_routes(&route);
    let prev = with_prev_result(&config, &result).unwrap();
    assert_eq!(world.check::<Ipvlan>(&prev), Ok(()));
    assert_eq!(world.del::<Ipvlan>(&config), Ok(()));
    assert_eq!(world.asked_of("pool"), [Command::Add, Command::Check, Command::Del]);
}

#[test]
fn the_master_may_be_in_the_container() {
    let world = prepared();
    world.container().add_link("net1", "veth");
    let config = with_ipam(r#""linkInContainer": true"#).replace("nic0", "net1");
    let result = world.add::<Ipvlan>(&config).unwrap();
    assert_eq!(world.container().link("eth0").unwrap().lower, world.container().link("net1").map(|info| info.index));
    assert_eq!(world.check::<Ipvlan>(&with_prev_result(&config, &result).unwrap()), Ok(()));
    world.del::<Ipvlan>(&config).unwrap();
    assert_eq!(world.container().link_names(), ["net1"]);
}

#[test]
fn del_needs_no_master_no_namespace_and_bears_invalid_keys() {
    let (world, _, prev) = added(&with_ipam(""));
    world.host().delete_link("nic0");
    world.del::<Ipvlan>(&prev.replacen("nic0", r#"nic0", "mode": "x", "mtu": "y"#, 1)).unwrap();
    world.without_netns().del::<Ipvlan>(&with_ipam("")).unwrap();
    assert_eq!(world.asked_of("pool"), [Command::Add, Command::Del, Command::Del]);
}

#[test]
fn whatever_fails_in_add_leaves_nothing() {
    for (config, least) in [(with_ipam(""), 10), (chained("", NIC, IP), 8)] {
        let calls = fail_each::<Ipvlan>(&config, prepare, |world, call| {
            assert_eq!(world.container().link_names(), Vec::<String>::new(), "{call}");
        });
        assert!((least..=20).contains(&calls), "{calls}");
    }
}

#[test]
fn check_finds_what_was_changed() {
    let (world, _, prev) = added(&with_ipam(""));
    for (config, expected) in
        [(prev.replacen("nic0", r#"nic0", "mode": "l3"#, 1), "mode"), (prev.replacen("nic0", "nic7", 1), "nic7")]
    {
        let error = world.check::<Ipvlan>(&config).unwrap_err();
        assert!(error.msg.contains(expected), "{error}");
    }
    world.container().delete_link("eth0").add_link("eth0", "dummy");
    assert!(world.check::<Ipvlan>(&prev).unwrap_err().msg.contains("no ipvlan"));
}

#[test]
fn status_tells_of_a_missing_master_and_asks_ipam() {
    let world = prepared();
    assert_eq!(world.status::<Ipvlan>(&with_ipam("")), Ok(()));
    assert_eq!(world.status::<Ipvlan>(&with_ipam("").replace("nic0", "nic7")).unwrap_err().code, 50);
    // In a chain the master is not known yet.
    assert_eq!(world.status::<Ipvlan>(&config("")), Ok(()));
    world.gc::<Ipvlan>(&with_ipam(""), &[]).unwrap();
    assert_eq!(world.asked_of("pool"), [Command::Status, Command::Gc]);
}

#[test]
fn configurations_that_make_no_sense_are_refused_and_leave_nothing() {
    for (keys, code) in [(r#""mode": "bridge""#, 7), (r#""mtu": -1"#, 7), (r#""mtu": 1501"#, 7), (r#""mode": 7"#, 6)] {
        let world = prepared();
        assert_eq!(world.add::<Ipvlan>(&with_ipam(keys)).unwrap_err().code, code, "{keys}");
        assert_eq!(world.container().link_names(), Vec::<String>::new(), "{keys}");
        assert_eq!(world.asked_of("pool"), []);
    }
}
