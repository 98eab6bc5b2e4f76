//! CHECK and STATUS.

use weir_sdk::net::{LinkChanges, Route};
use weir_sdk::testing::{NetnsView, World};

use super::*;

type Change = for<'a> fn(&'a NetnsView, &'a NetnsView) -> &'a NetnsView;

fn other_mac() -> LinkChanges {
    LinkChanges { mac: Some(vec![0x0a, 9, 9, 9, 9, 9]), ..LinkChanges::default() }
}

fn not_promiscuous() -> LinkChanges {
    LinkChanges { promiscuous: Some(false), ..LinkChanges::default() }
}

#[test]
fn check_succeeds_after_add() {
    for keys in ["", r#""isDefaultGateway": true"#, r#""isGateway": true, "vlan": 7"#, r#""promiscMode": true"#] {
        let (world, ipam) = world_with_ipam(DUAL);
        let (_, prev) = added(&world, &with_ipam(keys));
        assert_eq!(world.check::<Bridge>(&prev), Ok(()), "{keys}");
        assert_eq!(ipam.calls(), [Command::Add, Command::Check]);
    }
}

#[test]
fn check_succeeds_without_ipam() {
    for keys in ["", r#""disableContainerInterface": true"#, r#""ipam": {}"#] {
        let world = World::new();
        let (_, prev) = added(&world, &config(keys));
        assert_eq!(world.check::<Bridge>(&prev), Ok(()), "{keys}");
    }
}

#[test]
fn check_finds_what_was_changed() {
    let changes: [(&str, Change); 8] = [
        ("10.1.2.3/24", |_, container| container.remove_address("eth0", net("10.1.2.3/24"))),
        ("::/0", |_, container| container.remove_routes(&Route::to(net("::/0")))),
        ("no route leads to 10.1.2.0/24", |_, container| container.remove_routes(&Route::to(net("10.1.2.0/24")))),
        ("eth0", |_, container| container.update_link("eth0", &other_mac())),
        ("cni0 has the MAC", |host, _| host.update_link("cni0", &other_mac())),
        ("no interface eth0", |_, container| container.delete_link("eth0")),
        ("cni0 does not exist", |host, _| host.delete_link("cni0")),
        ("promiscuous", |host, _| host.update_link("cni0", &not_promiscuous())),
    ];
    for (expected, change) in changes {
        let (world, _) = world_with_ipam(DUAL);
        let (_, prev) = added(&world, &with_ipam(r#""isGateway": true, "promiscMode": true"#));
        change(&world.host(), &world.container());
        let error = world.check::<Bridge>(&prev).unwrap_err();
        assert!(error.msg.contains(expected), "{expected:?} is not in {:?}", error.msg);
    }
}

#[test]
fn check_finds_a_port_that_left_the_bridge() {
    let world = World::new();
    let (_, prev) = added(&world, &config(""));
    world.host().delete_link("cni0");
    world.host().add_bridge("cni0", weir_sdk::net::BridgeOptions::default());
    assert!(world.check::<Bridge>(&prev).unwrap_err().msg.contains("no port of the bridge"));
}

#[test]
fn check_without_a_gateway_bears_that_the_bridge_changes_its_hardware_address() {
    let world = World::new();
    let (_, prev) = added(&world, &config(""));
    world.host().update_link("cni0", &other_mac());
    assert_eq!(world.check::<Bridge>(&prev), Ok(()));
}

#[test]
fn check_needs_a_previous_result_that_fits() {
    let world = World::new();
    assert_eq!(world.check::<Bridge>(&config("")).unwrap_err().code, 7);
    let (_, prev) = added(&world, &config(""));
    assert_eq!(world.check::<Bridge>(&prev.replace("eth0", "eth7")).unwrap_err().code, 7);
    assert_eq!(world.check::<Bridge>(&prev.replace(NETNS, "/elsewhere")).unwrap_err().code, 7);
}

#[test]
fn check_fails_as_ipam_does() {
    let (world, _) = world_with_ipam(DUAL);
    let (_, prev) = added(&world, &with_ipam(""));
    world.delegate("test-ipam", |_| Err(weir_sdk::Error::new(123, "lost")));
    assert_eq!(world.check::<Bridge>(&prev).unwrap_err().code, 123);
}

#[test]
fn status_asks_ipam() {
    let (world, ipam) = world_with_ipam(IPV4);
    assert_eq!(world.status::<Bridge>(&with_ipam("")), Ok(()));
    assert_eq!(ipam.calls(), [Command::Status]);
    world.delegate("test-ipam", |_| Err(weir_sdk::Error::new(51, "exhausted")));
    assert_eq!(world.status::<Bridge>(&with_ipam("")).unwrap_err().code, 51);
    assert_eq!(world.status::<Bridge>(&config("")), Ok(()));
}

#[test]
fn status_tells_that_the_name_of_the_bridge_is_taken() {
    let world = World::new();
    world.host().add_link("cni0", "dummy");
    assert_eq!(world.status::<Bridge>(&config("")).unwrap_err().code, 50);
}
