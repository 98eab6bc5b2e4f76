//! Tests on the in-memory host.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use weir_sdk::cni_spec::version;
use weir_sdk::net::{LinkChanges, LinkKind};
use weir_sdk::testing::{Command, World, fail_each, with_prev_result};

use super::*;

const CONFIG: &str = r#"{"cniVersion": "1.1.0", "name": "net", "type": "dummy", "ipam": {"type": "pool"}}"#;
const LEASED: &str = r#"{"ips": [{"address": "10.1.2.3/24"}, {"address": "fd00:1::3/64"}],
    "routes": [{"dst": "10.9.0.0/16"}], "dns": {"nameservers": ["9.9.9.9"]}}"#;

fn install(world: &World) {
    world.ipam("pool", AddResult::from_slice(LEASED.as_bytes(), version::LATEST).unwrap());
}

fn added() -> (World, AddResult, String) {
    let world = World::new();
    install(&world);
    let result = world.add::<Dummy>(CONFIG).unwrap();
    let prev = with_prev_result(CONFIG, &result).unwrap();
    (world, result, prev)
}

#[test]
fn the_container_gets_a_dummy_with_addresses_and_routes() {
    let (world, result, prev) = added();
    let container = world.container();
    assert_eq!(container.link_kind("eth0"), Some(LinkKind::Dummy));
    assert!(container.link("eth0").unwrap().up);
    assert_eq!(container.addresses("eth0").len(), 2);
    assert!(container.routes().iter().any(|route| route.destination.to_string() == "10.9.0.0/16"));
    assert_eq!((result.interfaces[0].name.as_str(), result.interfaces.len()), ("eth0", 1));
    assert_eq!(result.dns.nameservers, ["9.9.9.9"], "those of the IPAM plugin stay");
    assert_eq!(world.waited(), 0, "nothing is waited for");
    assert_eq!(world.check::<Dummy>(&prev), Ok(()));
    assert_eq!(world.del::<Dummy>(&prev), Ok(()));
    assert_eq!(container.link_names(), [""; 0]);
    assert_eq!(world.asked_of("pool"), [Command::Add, Command::Check, Command::Del]);
}

#[test]
fn whatever_fails_in_add_leaves_nothing() {
    let calls = fail_each::<Dummy>(CONFIG, install, |world, call| {
        assert_eq!(world.container().link_names(), [""; 0], "{call}");
    });
    assert!(calls > 8, "{calls}");
}

#[test]
fn without_ipam_nothing_is_done() {
    let world = World::new();
    let config = r#"{"name": "net", "type": "dummy"}"#;
    assert_eq!(world.add::<Dummy>(config).unwrap_err().code, 7);
    assert_eq!(world.status::<Dummy>(config).unwrap_err().code, 7);
    assert_eq!(world.container().link_names(), [""; 0]);
    assert_eq!(world.del::<Dummy>(config), Ok(()));
}

#[test]
fn a_taken_name_and_a_kernel_without_dummies_are_told() {
    let world = World::new();
    install(&world);
    world.container().add_link("eth0", "veth");
    assert!(world.add::<Dummy>(CONFIG).unwrap_err().msg.contains("taken"));
    assert!(world.container().link("eth0").unwrap().is("veth"), "what was there stays");
    world.container().delete_link("eth0");
    world.without_link_kind("dummy");
    assert!(world.add::<Dummy>(CONFIG).unwrap_err().msg.contains("unknown device type"));
    assert_eq!(world.asked_of("pool"), []);
}

#[test]
fn check_finds_another_kind_and_a_link_that_is_down() {
    let (world, _, prev) = added();
    world.container().update_link("eth0", &LinkChanges { up: Some(false), ..LinkChanges::default() });
    assert!(world.check::<Dummy>(&prev).unwrap_err().msg.contains("is down"));
    world.container().delete_link("eth0").add_link("eth0", "veth");
    assert!(world.check::<Dummy>(&prev).unwrap_err().msg.contains("no dummy"));
}

#[test]
fn del_works_without_namespace_and_result() {
    for config in [CONFIG, &added().2] {
        let (world, ..) = added();
        world.without_netns();
        assert_eq!(world.del::<Dummy>(config), Ok(()));
        assert_eq!(world.del::<Dummy>(config), Ok(()));
        assert_eq!(world.asked_of("pool").last(), Some(&Command::Del));
    }
}

#[test]
fn gc_and_status_go_to_the_ipam_plugin() {
    let (world, ..) = added();
    world.gc::<Dummy>(CONFIG, &[]).unwrap();
    world.status::<Dummy>(CONFIG).unwrap();
    assert_eq!(world.asked_of("pool"), [Command::Add, Command::Gc, Command::Status]);
}
