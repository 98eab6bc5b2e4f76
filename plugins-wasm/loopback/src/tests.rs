//! Tests on the in-memory host.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use weir_sdk::FailureKind;
use weir_sdk::testing::{World, with_prev_result};

use super::Loopback;

const CONFIG: &str = r#"{"cniVersion": "1.1.0", "name": "lo", "type": "loopback"}"#;

fn is_up(world: &World) -> bool {
    world.container().link("lo").unwrap().up
}

#[test]
fn add_sets_the_interface_up_and_reports_one_address_of_each_family() {
    let world = World::new();
    let result = world.add::<Loopback>(CONFIG).unwrap();
    assert!(is_up(&world));
    assert_eq!(result.interfaces.len(), 1);
    assert_eq!((&*result.interfaces[0].name, &*result.interfaces[0].sandbox), ("lo", "/run/netns/c1"));
    let ips: Vec<_> = result.ips.iter().map(|ip| (ip.interface, ip.address.to_string())).collect();
    assert_eq!(ips, [(Some(0), "127.0.0.1/8".to_owned()), (Some(0), "::1/128".to_owned())]);
}

#[test]
fn add_needs_four_host_calls() {
    let world = World::new();
    world.add::<Loopback>(CONFIG).unwrap();
    assert_eq!(world.calls().len(), 4, "{:?}", world.calls());
}

#[test]
fn add_ignores_the_interface_name_it_is_given() {
    let world = World::new();
    world.attachment("c1", "eth7");
    assert_eq!(world.add::<Loopback>(CONFIG).unwrap().interfaces[0].name, "lo");
}

#[test]
fn add_passes_a_previous_result_on() {
    let world = World::new();
    let config = r#"{"cniVersion": "1.0.0", "name": "lo", "type": "loopback", "prevResult":
        {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": "/x"}],
         "ips": [{"interface": 0, "address": "10.0.0.2/24"}]}}"#;
    let result = world.add::<Loopback>(config).unwrap();
    assert_eq!(result.interfaces[0].name, "eth0");
    assert!(is_up(&world));
}

#[test]
fn add_refuses_an_address_that_is_no_loopback_address() {
    let world = World::new();
    world.container().add_address("lo", "192.0.2.1/24".parse().unwrap());
    assert!(world.add::<Loopback>(CONFIG).unwrap_err().msg.contains("192.0.2.1/24"));
}

#[test]
fn add_without_a_namespace_is_an_error_that_needs_no_clean_up() {
    let world = World::new();
    world.without_netns();
    assert_eq!(world.add::<Loopback>(CONFIG).unwrap_err().code, 3);
}

#[test]
fn every_failing_host_call_is_reported() {
    for nth in 1..4 {
        let world = World::new();
        world.fail_nth(nth, FailureKind::Io);
        assert_eq!(world.add::<Loopback>(CONFIG).unwrap_err().code, 5, "call {nth}");
    }
}

#[test]
fn check_fails_after_the_interface_went_down() {
    let world = World::new();
    let result = world.add::<Loopback>(CONFIG).unwrap();
    let config = with_prev_result(CONFIG, &result).unwrap();
    assert_eq!(world.check::<Loopback>(&config), Ok(()));
    world.del::<Loopback>(&config).unwrap();
    assert!(!is_up(&world));
    assert!(world.check::<Loopback>(&config).unwrap_err().msg.contains("down"));
}

#[test]
fn del_succeeds_twice_and_without_a_namespace() {
    let world = World::new();
    assert_eq!(world.del::<Loopback>(CONFIG), Ok(()));
    assert_eq!(world.del::<Loopback>(CONFIG), Ok(()));
    world.without_netns();
    assert_eq!(world.del::<Loopback>(CONFIG), Ok(()));
}
