//! Tests on the in-memory host.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use weir_sdk::cni_spec::version;
use weir_sdk::net::{BridgeOptions, LinkChanges, TapOptions};
use weir_sdk::testing::{Command, World, fail_each, with_prev_result};

use super::*;

const LEASED: &str = r#"{"ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"},
    {"address": "fd00:1::3/64", "gateway": "fd00:1::1"}], "routes": [{"dst": "0.0.0.0/0"}]}"#;
const ALL: &str = r#""ipam": {"type": "pool"}, "multiQueue": true, "mtu": 1400, "mac": "02:00:00:00:00:05",
    "owner": 1000, "group": 0, "bridge": "br0""#;

fn config(keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    format!(r#"{{"cniVersion": "1.1.0", "name": "net", "type": "tap"{comma}{keys}}}"#)
}

fn install(world: &World) {
    world.ipam("pool", AddResult::from_slice(LEASED.as_bytes(), version::LATEST).unwrap());
    world.container().add_bridge("br0", BridgeOptions::default());
}

fn added(keys: &str) -> (World, AddResult, String) {
    let world = World::new();
    install(&world);
    let result = world.add::<Tap>(&config(keys)).unwrap();
    let prev = with_prev_result(&config(keys), &result).unwrap();
    (world, result, prev)
}

#[test]
fn the_container_gets_a_tap_with_all_that_was_asked_for() {
    let (world, result, prev) = added(ALL);
    let wanted = TapOptions { multi_queue: true, owner: Some(1000), group: Some(0), selinux_context: None };
    assert_eq!(world.container().link_kind("eth0"), Some(LinkKind::Tap(wanted)));
    let link = world.container().link("eth0").unwrap();
    assert_eq!((link.mtu, link.mac.to_string().as_str(), link.up), (1400, "02:00:00:00:00:05", true));
    assert_eq!(link.controller, world.container().link("br0").map(|bridge| bridge.index));
    assert_eq!(result.interfaces[0].mac, "02:00:00:00:00:05");
    assert_eq!(world.container().addresses("eth0").len(), 2);
    assert_eq!(world.waited(), 0, "nobody is there to answer a probe");
    assert_eq!(world.check::<Tap>(&prev), Ok(()));
    assert_eq!(world.del::<Tap>(&prev), Ok(()));
    assert_eq!(world.container().link_names(), ["br0"]);
    assert_eq!(world.asked_of("pool"), [Command::Add, Command::Check, Command::Del]);
}

#[test]
fn without_keys_a_plain_tap_is_up_without_addresses() {
    let (world, result, prev) = added("");
    assert_eq!(world.container().link_kind("eth0"), Some(LinkKind::Tap(TapOptions::default())));
    assert!(world.container().link("eth0").unwrap().up && result.ips.is_empty());
    assert_eq!(world.check::<Tap>(&prev), Ok(()));
    assert_eq!(world.status::<Tap>(&config("")), Ok(()));
    assert_eq!(world.gc::<Tap>(&config(""), &[]), Ok(()));
    assert_eq!(world.del::<Tap>(&config("")), Ok(()));
    assert_eq!(world.container().link("eth0"), None);
}

#[test]
fn the_mac_comes_from_the_runtime_then_the_arguments_then_the_configuration() {
    let runtime = r#""runtimeConfig": {"mac": "02:00:00:00:00:01"}"#;
    let own = r#""mac": "02:00:00:00:00:03""#;
    for (keys, args, expected) in [
        (format!("{runtime}, {own}"), "MAC=02:00:00:00:00:02", "02:00:00:00:00:01"),
        (own.to_owned(), "MAC=02:00:00:00:00:02", "02:00:00:00:00:02"),
        (own.to_owned(), "", "02:00:00:00:00:03"),
    ] {
        let world = World::new();
        world.add_with_args::<Tap>(&config(&keys), args).unwrap();
        assert_eq!(world.container().link("eth0").unwrap().mac.to_string(), expected);
    }
}

#[test]
fn impossible_configurations_are_refused_and_leave_nothing() {
    let world = World::new();
    install(&world);
    world.container().add_link("veth0", "veth");
    for keys in [
        r#""mac": "01:00:00:00:00:05""#,
        r#""mac": "02:00""#,
        r#""mtu": -1"#,
        r#""mtu": 67"#,
        r#""owner": -1"#,
        r#""group": 4294967296"#,
        r#""bridge": "a/b""#,
        r#""bridge": "br7""#,
        r#""bridge": "veth0""#,
    ] {
        assert_eq!(world.add::<Tap>(&config(keys)).unwrap_err().code, 7, "{keys}");
        assert_eq!(world.container().link("eth0"), None, "{keys}");
    }
    assert_eq!(world.status::<Tap>(&config(r#""mtu": -1"#)).unwrap_err().code, 7);
    assert_eq!(world.add_with_args::<Tap>(&config(""), "COLOUR=red").unwrap_err().code, 4);
}

#[test]
fn an_selinux_context_needs_selinux() {
    let world = World::new();
    let keys = r#""selinuxContext": "system_u:system_r:container_t:s0""#;
    assert!(world.add::<Tap>(&config(keys)).unwrap_err().msg.contains("SELinux is off"));
    world.with_selinux();
    let result = world.add::<Tap>(&config(keys)).unwrap();
    let prev = with_prev_result(&config(keys), &result).unwrap();
    assert_eq!(world.check::<Tap>(&prev), Ok(()));
}

#[test]
fn whatever_fails_in_add_leaves_nothing() {
    for keys in [ALL, r#""bridge": "br0""#] {
        let calls = fail_each::<Tap>(&config(keys), install, |world, call| {
            assert_eq!(world.container().link_names(), ["br0"], "{call}");
        });
        assert!(calls > 6, "{calls}");
    }
}

#[test]
fn check_finds_what_was_changed() {
    let (world, _, prev) = added(ALL);
    for (find, replace, expected) in [
        (r#""multiQueue":true"#, r#""multiQueue":false"#, "made for several queues, but one queue"),
        (r#""owner":1000"#, r#""owner":1001"#, "owner of eth0 is 1000, but 1001"),
        (r#""group":0"#, r#""group":7"#, "group of eth0 is 0, but 7"),
        (r#""mtu":1400"#, r#""mtu":1300"#, "MTU of eth0 is 1400, but 1300"),
    ] {
        let changed = prev.replace(find, replace);
        assert_ne!(changed, prev);
        let error = world.check::<Tap>(&changed).unwrap_err();
        assert!(error.msg.contains(expected), "{expected:?} is not in {:?}", error.msg);
    }
    let other_mac = LinkChanges { mac: Some(vec![2, 0, 0, 0, 0, 9]), ..LinkChanges::default() };
    world.container().update_link("eth0", &other_mac);
    assert!(world.check::<Tap>(&prev).unwrap_err().msg.contains("has the MAC"));

    let (world, _, prev) = added(ALL);
    world.container().delete_link("br0").add_bridge("br0", BridgeOptions::default());
    assert!(world.check::<Tap>(&prev).unwrap_err().msg.contains("no port of the bridge br0"));
    world.container().delete_link("eth0").add_link("eth0", "veth");
    assert!(world.check::<Tap>(&prev).unwrap_err().msg.contains("no tap"));
}

#[test]
fn del_works_without_namespace_and_result() {
    let (world, _, prev) = added(ALL);
    world.without_netns();
    for config in [&prev, &config(ALL)] {
        assert_eq!(world.del::<Tap>(config), Ok(()));
        assert_eq!(world.asked_of("pool").last(), Some(&Command::Del));
    }
}
