//! Tests on the in-memory host.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use weir_sdk::cni_spec::version;
use weir_sdk::net::{Conflict, LinkChanges, LinkKind, MacvlanMode, Route};
use weir_sdk::testing::{Command, NetnsView, World, fail_each, with_prev_result};
use weir_sdk::{AddResult, Netns};

use super::Macvlan;

const DUAL: &str = r#"{"ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"}, {"address": "fd00:1::3/64"}],
    "dns": {"nameservers": ["9.9.9.9"]}, "routes": [{"dst": "0.0.0.0/0"}]}"#;

fn config(keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    format!(r#"{{"cniVersion": "1.1.0", "name": "net", "type": "macvlan"{comma}{keys}}}"#)
}

fn with_ipam(keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    config(&format!(r#""master": "nic0", "ipam": {{"type": "pool"}}{comma}{keys}"#))
}

fn prepare(world: &World) {
    world.host().add_link("nic0", "dummy");
    world.ipam("pool", AddResult::from_slice(DUAL.as_bytes(), version::LATEST).unwrap());
}

fn added(config: &str) -> (World, AddResult, String) {
    let world = World::new();
    prepare(&world);
    let result = world.add::<Macvlan>(config).unwrap();
    let prev = with_prev_result(config, &result).unwrap();
    (world, result, prev)
}

fn kind() -> (MacvlanMode, Option<u32>) {
    let link = Netns::container().unwrap().link("eth0").unwrap().unwrap();
    match link.kind().unwrap() {
        Some(LinkKind::Macvlan(options)) => (options.mode, options.broadcast_queue_length),
        other => panic!("no macvlan link: {other:?}"),
    }
}

/// Give the namespace a default route by a link.
fn default_route(view: &NetnsView, netns: &Netns, name: &str) {
    view.update_link(name, &LinkChanges { up: Some(true), ..LinkChanges::default() });
    let link = view.link(name).map(|info| info.index);
    netns.add_routes(&[Route { link, ..Route::to("0.0.0.0/0".parse().unwrap()) }], Conflict::Refuse).unwrap();
}

#[test]
fn the_container_has_a_link_on_the_master_with_addresses() {
    let (world, result, _) = added(&with_ipam(""));
    let (link, master) = (world.container().link("eth0").unwrap(), world.host().link("nic0").unwrap());
    assert!(link.up && link.lower == Some(master.index) && link.mac != master.mac);
    assert_eq!((result.interfaces.len(), &*result.interfaces[0].mac), (1, &*link.mac.to_string()));
    assert_eq!(world.container().addresses("eth0").len(), 2);
    assert_eq!(result.dns.nameservers, ["9.9.9.9"]);
    assert_eq!(kind(), (MacvlanMode::Bridge, None));
    assert_eq!(world.host().link_names(), ["nic0"]);
}

#[test]
fn modes_queue_length_and_mtu_reach_the_link() {
    for (name, mode) in [
        ("bridge", MacvlanMode::Bridge),
        ("private", MacvlanMode::Private),
        ("vepa", MacvlanMode::Vepa),
        ("passthru", MacvlanMode::Passthru),
    ] {
        let (world, _, prev) = added(&with_ipam(&format!(r#""mode": "{name}", "bcqueuelen": 2000, "mtu": 1400"#)));
        assert_eq!(kind(), (mode, Some(2000)));
        assert_eq!(world.container().link("eth0").unwrap().mtu, 1400);
        assert_eq!(world.check::<Macvlan>(&prev), Ok(()));
    }
}

#[test]
fn the_hardware_address_comes_from_the_source_closest_to_the_runtime() {
    let own = r#""mac": "0A-00-00-00-00-03""#;
    let both = format!(r#"{own}, "runtimeConfig": {{"mac": "0a:00:00:00:00:01"}}"#);
    for (keys, args, expected) in [(own, "", 3), (own, "MAC=0a:00:00:00:00:02", 2), (&both, "MAC=0a:00:00:00:00:02", 1)]
    {
        let world = World::new();
        prepare(&world);
        let result = world.add_with_args::<Macvlan>(&with_ipam(keys), args).unwrap();
        assert_eq!(result.interfaces[0].mac, format!("0a:00:00:00:00:{expected:02}"));
        assert_eq!(world.container().link("eth0").unwrap().mac.to_string(), result.interfaces[0].mac);
    }
}

#[test]
fn without_ipam_the_link_is_up_and_without_addresses() {
    let (world, result, prev) = added(&config(r#""master": "nic0""#));
    assert!(result.ips.is_empty() && world.container().link("eth0").unwrap().up);
    assert_eq!(world.asked_of("pool"), []);
    assert_eq!(world.check::<Macvlan>(&prev), Ok(()));
    assert_eq!(world.del::<Macvlan>(&prev), Ok(()));
    assert_eq!(world.container().link_names(), Vec::<String>::new());
}

#[test]
fn the_default_master_is_the_link_of_the_default_route() {
    let world = World::new();
    world.host().add_link("nic0", "dummy").add_link("nic1", "dummy");
    assert_eq!(world.add::<Macvlan>(&config("")).unwrap_err().code, 7);
    default_route(&world.host(), &Netns::host().unwrap(), "nic1");
    world.add::<Macvlan>(&config("")).unwrap();
    assert_eq!(world.container().link("eth0").unwrap().lower, world.host().link("nic1").map(|info| info.index));
}

#[test]
fn the_master_may_be_in_the_container() {
    for keys in [r#""master": "net1", "linkInContainer": true"#, r#""linkInContainer": true"#] {
        let world = World::new();
        world.host().add_link("nic0", "dummy");
        world.container().add_link("net1", "veth");
        default_route(&world.container(), &Netns::container().unwrap(), "net1");
        let config = config(keys);
        let result = world.add::<Macvlan>(&config).unwrap();
        let master = world.container().link("net1").unwrap();
        assert_eq!(world.container().link("eth0").unwrap().lower, Some(master.index));
        let prev = with_prev_result(&config, &result).unwrap();
        assert_eq!(world.check::<Macvlan>(&prev), Ok(()));
        world.del::<Macvlan>(&prev).unwrap();
        assert_eq!(world.container().link_names(), ["net1"]);
    }
}

#[test]
fn del_needs_no_master_and_bears_invalid_keys() {
    let (world, _, prev) = added(&with_ipam(""));
    world.host().delete_link("nic0");
    world.del::<Macvlan>(&prev.replacen("nic0", r#"nic0", "mode": "x", "mtu": "y"#, 1)).unwrap();
    assert_eq!(world.asked_of("pool"), [Command::Add, Command::Del]);
    let (world, _, _) = added(&with_ipam(""));
    world.without_netns().del::<Macvlan>(&with_ipam("")).unwrap();
    assert_eq!(world.asked_of("pool"), [Command::Add, Command::Del]);
}

#[test]
fn whatever_fails_in_add_leaves_nothing() {
    let calls = fail_each::<Macvlan>(&with_ipam(r#""mtu": 1400"#), prepare, |world, call| {
        assert_eq!(world.container().link_names(), Vec::<String>::new(), "{call}");
        assert_eq!(world.host().link_names(), ["nic0"], "{call}");
    });
    assert!((10..=20).contains(&calls), "{calls}");
}

#[test]
fn check_finds_what_was_changed() {
    let (world, _, prev) = added(&with_ipam(""));
    assert_eq!(world.check::<Macvlan>(&prev), Ok(()));
    for (config, expected) in
        [(prev.replacen("nic0", r#"nic0", "mode": "vepa"#, 1), "mode"), (prev.replacen("nic0", "nic7", 1), "nic7")]
    {
        let error = world.check::<Macvlan>(&config).unwrap_err();
        assert!(error.msg.contains(expected), "{error}");
    }
    world.host().add_link("nic1", "dummy");
    let error = world.check::<Macvlan>(&prev.replacen("nic0", "nic1", 1)).unwrap_err();
    assert!(error.msg.contains("does not stand on"), "{error}");
    world.container().delete_link("eth0").add_link("eth0", "dummy");
    assert!(world.check::<Macvlan>(&prev).unwrap_err().msg.contains("no macvlan"));
}

#[test]
fn status_tells_of_a_missing_master_and_asks_ipam() {
    let world = World::new();
    prepare(&world);
    assert_eq!(world.status::<Macvlan>(&with_ipam("")), Ok(()));
    assert_eq!(world.status::<Macvlan>(&with_ipam("").replace("nic0", "nic7")).unwrap_err().code, 50);
    assert_eq!(world.status::<Macvlan>(&config("")).unwrap_err().code, 50);
    assert_eq!(world.status::<Macvlan>(&config(r#""linkInContainer": true, "master": "net1""#)), Ok(()));
    world.gc::<Macvlan>(&with_ipam(""), &[]).unwrap();
    assert_eq!(world.asked_of("pool"), [Command::Status, Command::Gc]);
}

#[test]
fn configurations_that_make_no_sense_are_refused_and_leave_nothing() {
    for (keys, code) in [
        (r#""mode": "l2""#, 7),
        (r#""mtu": -1"#, 7),
        (r#""mtu": 1501"#, 7),
        (r#""mac": "01:00:00:00:00:01""#, 7),
        (r#""runtimeConfig": {"mac": "zz"}"#, 7),
        (r#""bcqueuelen": -1"#, 6),
        (r#""bcqueuelen": 4294967296"#, 6),
        (r#""mode": 7"#, 6),
    ] {
        let world = World::new();
        prepare(&world);
        assert_eq!(world.add::<Macvlan>(&with_ipam(keys)).unwrap_err().code, code, "{keys}");
        assert_eq!(world.container().link_names(), Vec::<String>::new(), "{keys}");
        assert_eq!(world.asked_of("pool"), []);
    }
    let world = World::new();
    prepare(&world);
    assert_eq!(world.add_with_args::<Macvlan>(&with_ipam(""), "X=1").unwrap_err().code, 4);
    world.without_link_kind("macvlan");
    assert!(world.add::<Macvlan>(&with_ipam("")).unwrap_err().msg.contains("macvlan"));
}
