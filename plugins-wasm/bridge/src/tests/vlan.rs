//! VLANs of the port, and the gateway in a VLAN.

use weir_sdk::net::{BridgeOptions, PortVlan};
use weir_sdk::testing::World;

use super::*;

fn untagged(id: u16) -> PortVlan {
    PortVlan { first: id, last: id, pvid: false, untagged: true }
}

#[test]
fn an_access_port_is_in_its_vlan_and_in_the_default_one() {
    let world = World::new();
    let (result, _) = added(&world, &config(r#""vlan": 100"#));
    assert_eq!(world.host().vlans(port(&result)), [untagged(1), PortVlan::access(100)]);
}

#[test]
fn the_default_vlan_goes_where_it_is_not_to_be_preserved() {
    let world = World::new();
    let (result, _) = added(&world, &config(r#""vlan": 100, "preserveDefaultVlan": false"#));
    assert_eq!(world.host().vlans(port(&result)), [PortVlan::access(100)]);
    let (result, _) = {
        world.attachment("c1", "eth1");
        added(&world, &config(r#""vlanTrunk": [{"id": 7}], "preserveDefaultVlan": false"#))
    };
    assert_eq!(world.host().vlans(port(&result)), [PortVlan::access(1), PortVlan::tagged(7, 7)]);
}

#[test]
fn a_trunk_carries_its_vlans_tagged() {
    let world = World::new();
    let trunk = r#""vlanTrunk": [{"id": 10}, {"minID": 200, "maxID": 210}, {"id": 211}]"#;
    let (result, _) = added(&world, &config(trunk));
    let expected = [PortVlan::access(1), PortVlan::tagged(10, 10), PortVlan::tagged(200, 211)];
    assert_eq!(world.host().vlans(port(&result)), expected);
}

#[test]
fn vlan_and_trunk_together_make_a_trunk_with_that_native_vlan() {
    let world = World::new();
    let (result, _) = added(&world, &config(r#""vlan": 5, "vlanTrunk": [{"id": 6}], "preserveDefaultVlan": false"#));
    assert_eq!(world.host().vlans(port(&result)), [PortVlan::access(5), PortVlan::tagged(6, 6)]);
}

#[test]
fn a_bridge_that_does_not_filter_is_made_to() {
    let world = World::new();
    world.host().add_bridge("cni0", BridgeOptions::default());
    added(&world, &config(r#""vlan": 100"#));
    assert!(world.calls().iter().any(|call| call.starts_with("bridges.set-vlan-filtering")));
    world.attachment("c1", "eth1").clear_calls();
    added(&world, &config(r#""vlan": 100"#));
    assert!(!world.calls().iter().any(|call| call.starts_with("bridges.set-vlan-filtering")));
}

#[test]
fn a_kernel_without_vlan_filtering_is_told_of_and_nothing_is_left() {
    let world = World::new();
    world.without_vlan_filtering();
    assert!(world.add::<Bridge>(&config(r#""vlan": 100"#)).unwrap_err().msg.contains("VLAN"));
    assert_eq!(world.host().link_names(), Vec::<String>::new());
    assert!(world.add::<Bridge>(&config("")).is_ok());
}

#[test]
fn the_gateway_of_a_vlan_has_an_interface_of_its_own_that_stays() {
    let (world, _) = world_with_ipam(IPV4);
    let keys = with_ipam(r#""vlan": 100, "isGateway": true"#);
    let (result, prev) = added(&world, &keys);
    assert_eq!(result.interfaces[3].name, "cni0.100");
    assert_eq!(result.interfaces[3].mac, world.host().link("cni0.100").unwrap().mac.to_string());
    assert_eq!(world.host().addresses("cni0.100"), [net("10.1.2.1/24")]);
    assert_eq!(world.host().addresses("cni0"), []);
    let gateway = world.host().link("cni0.100").unwrap();
    assert!(gateway.up);
    let peer = world.host().links().into_iter().find(|link| Some(link.index) == gateway.lower).unwrap();
    assert_eq!(peer.controller, Some(world.host().link("cni0").unwrap().index));
    assert_eq!(world.host().vlans(&peer.name), [untagged(1), PortVlan::access(100)]);

    world.attachment("c1", "eth1");
    Ipam::install(&world, r#"{"ips": [{"address": "10.1.2.4/24"}]}"#);
    added(&world, &keys);
    assert_eq!(world.host().link("cni0.100").unwrap().index, gateway.index);
    world.attachment("c1", "eth0");
    world.del::<Bridge>(&prev).unwrap();
    assert!(world.host().link("cni0.100").is_some());
}

#[test]
fn a_vlan_interface_that_could_not_be_finished_is_removed() {
    let (world, _) = world_with_ipam(IPV4);
    world.fail_call("bridges.attach", 2, weir_sdk::FailureKind::Io);
    assert!(world.add::<Bridge>(&with_ipam(r#""vlan": 100, "isGateway": true"#)).is_err());
    assert_nothing_left(&world, "vlan interface");
}
