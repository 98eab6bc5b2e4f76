//! Tests on the in-memory host.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use weir_sdk::cni_spec::version;
use weir_sdk::net::LinkChanges;
use weir_sdk::testing::{Command, World, fail_each, with_prev_result};

use super::*;

const LEASED: &str = r#"{"ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"}, {"address": "fd00:1::3/64"}],
    "routes": [{"dst": "0.0.0.0/0"}]}"#;

fn config(keys: &str) -> String {
    format!(
        r#"{{"cniVersion": "1.1.0", "name": "net", "type": "vlan", "master": "nic0", "vlanId": 5,
        "ipam": {{"type": "pool"}}{keys}}}"#
    )
}

fn install(world: &World) {
    world.ipam("pool", AddResult::from_slice(LEASED.as_bytes(), version::LATEST).unwrap());
    for place in [world.host(), world.container()] {
        place.add_link("nic0", "veth");
        place.update_link("nic0", &LinkChanges { up: Some(true), ..LinkChanges::default() });
    }
}

fn added(config: &str) -> (World, AddResult, String) {
    let world = World::new();
    install(&world);
    let result = world.add::<Vlan>(config).unwrap();
    let prev = with_prev_result(config, &result).unwrap();
    (world, result, prev)
}

#[test]
fn the_container_gets_the_vlan_of_the_hosts_master() {
    let (world, result, prev) = added(&config(""));
    let link = world.container().link("eth0").unwrap();
    assert_eq!(world.container().link_kind("eth0"), Some(LinkKind::Vlan(5)));
    assert_eq!(link.lower, world.host().link("nic0").map(|master| master.index));
    assert_eq!((link.up, link.mtu), (true, 1500));
    assert_eq!(world.container().addresses("eth0").len(), 2);
    assert_eq!(result.interfaces[0].mac, world.host().link("nic0").unwrap().mac.to_string());
    assert!(world.waited() > 0, "duplicates are looked for");
    assert_eq!(world.check::<Vlan>(&prev), Ok(()));
    assert_eq!(world.del::<Vlan>(&prev), Ok(()));
    assert_eq!(world.container().link_names(), ["nic0"]);
}

#[test]
fn the_master_may_be_in_the_container() {
    let config = config(r#", "linkInContainer": true"#);
    let (world, _, prev) = added(&config);
    let link = world.container().link("eth0").unwrap();
    assert_eq!(link.lower, world.container().link("nic0").map(|master| master.index));
    world.host().delete_link("nic0");
    assert_eq!(world.check::<Vlan>(&prev), Ok(()));
    assert_eq!(world.status::<Vlan>(&config), Ok(()), "the container is not there to be asked");
}

#[test]
fn the_mtu_is_as_asked_for_up_to_that_of_the_master() {
    let (world, _, prev) = added(&config(r#", "mtu": 1400"#));
    assert_eq!(world.container().link("eth0").map(|link| link.mtu), Some(1400));
    world.container().update_link("eth0", &LinkChanges { mtu: Some(1300), ..LinkChanges::default() });
    assert!(world.check::<Vlan>(&prev).unwrap_err().msg.contains("MTU 1300"));
    let world = World::new();
    install(&world);
    for mtu in ["1501", "-1"] {
        assert_eq!(world.add::<Vlan>(&config(&format!(r#", "mtu": {mtu}"#))).unwrap_err().code, 7);
    }
    assert_eq!(world.container().link_names(), ["nic0"]);
}

#[test]
fn impossible_configurations_are_refused() {
    let world = World::new();
    install(&world);
    for (find, replace) in [
        (r#""vlanId": 5"#, r#""vlanId": 4095"#),
        (r#""vlanId": 5"#, r#""vlanId": -1"#),
        (r#""master": "nic0""#, r#""master": """#),
        (r#""master": "nic0""#, r#""master": "a/b""#),
        (r#""master": "nic0""#, r#""master": "nic7""#),
        (r#"{"type": "pool"}"#, "{}"),
    ] {
        let config = config("").replace(find, replace);
        assert_eq!(world.add::<Vlan>(&config).unwrap_err().code, 7, "{config}");
        assert!(matches!(world.status::<Vlan>(&config).unwrap_err().code, 7 | 50), "{config}");
        assert_eq!(world.asked_of("pool"), []);
        assert_eq!(world.container().link_names(), ["nic0"]);
    }
    let without_id = config("").replace(r#""vlanId": 5,"#, "");
    world.add::<Vlan>(&without_id).unwrap();
    assert_eq!(world.container().link_kind("eth0"), Some(LinkKind::Vlan(0)));
}

#[test]
fn whatever_fails_in_add_leaves_nothing() {
    for keys in ["", r#", "linkInContainer": true"#] {
        let calls = fail_each::<Vlan>(&config(keys), install, |world, call| {
            assert_eq!(world.container().link_names(), ["nic0"], "{call}");
        });
        assert!(calls > 10, "{calls}");
    }
}

#[test]
fn a_second_container_cannot_have_the_same_vlan_and_loses_no_address() {
    let (world, ..) = added(&config(""));
    world.attachment("c1", "eth1");
    assert!(world.add::<Vlan>(&config("")).unwrap_err().msg.contains("VLAN 5 of nic0"));
    assert_eq!(world.asked_of("pool"), [Command::Add]);
}

#[test]
fn check_finds_another_kind_id_and_master() {
    let (world, _, prev) = added(&config(""));
    let other_id = prev.replace(r#""vlanId":5"#, r#""vlanId":6"#);
    assert!(world.check::<Vlan>(&other_id).unwrap_err().msg.contains("has the VLAN ID 5"));
    world.host().add_link("nic1", "veth");
    let other_master = prev.replace(r#""master":"nic0""#, r#""master":"nic1""#);
    assert!(world.check::<Vlan>(&other_master).unwrap_err().msg.contains("does not stand on the master nic1"));
    world.container().delete_link("eth0").add_link("eth0", "veth");
    assert!(world.check::<Vlan>(&prev).unwrap_err().msg.contains("no VLAN interface"));
}

#[test]
fn del_needs_neither_master_nor_namespace_nor_result() {
    for keys in ["", r#", "linkInContainer": true"#] {
        let config = config(keys);
        let breaks: [fn(&World); 4] = [
            |world| {
                world.host().delete_link("nic0");
            },
            |world| {
                world.container().delete_link("nic0");
            },
            |world| {
                world.without_netns();
            },
            |world| {
                world.destroy_container();
            },
        ];
        for break_something in breaks {
            let (world, _, prev) = added(&config);
            break_something(&world);
            for config in [&prev, &config] {
                assert_eq!(world.del::<Vlan>(config), Ok(()));
                assert_eq!(world.asked_of("pool").last(), Some(&Command::Del));
            }
        }
    }
    let (world, ..) = added(&config(""));
    let invalid = config("").replace(r#""vlanId": 5"#, r#""vlanId": "x""#);
    assert_eq!(world.del::<Vlan>(&invalid), Ok(()), "other keys keep nothing from being removed");
}

#[test]
fn status_needs_the_master_and_the_ipam_plugin() {
    let (world, ..) = added(&config(""));
    assert_eq!(world.status::<Vlan>(&config("")), Ok(()));
    world.gc::<Vlan>(&config(""), &[]).unwrap();
    assert_eq!(world.asked_of("pool"), [Command::Add, Command::Status, Command::Gc]);
    world.host().delete_link("nic0");
    assert_eq!(world.status::<Vlan>(&config("")).unwrap_err().code, 50);
}
