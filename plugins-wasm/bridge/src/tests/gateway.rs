//! The host as gateway.

use weir_sdk::cni_spec::result::Route;

use super::*;

#[test]
fn the_bridge_gets_the_first_address_of_the_subnet_and_forwards() {
    let (world, _) = world_with_ipam(IPV4);
    let (result, _) = added(&world, &with_ipam(r#""isGateway": true"#));
    assert_eq!(world.host().addresses("cni0"), [net("10.1.2.1/24")]);
    assert_eq!(result.ips[0].gateway, Some([10, 1, 2, 1].into()));
    assert_eq!(result.routes, []);
    assert_eq!(world.host().sysctl("net/ipv4/ip_forward").unwrap(), "1");
    assert_eq!(world.host().sysctl("net/ipv6/conf/all/forwarding").unwrap(), "0");
}

#[test]
fn both_families_get_their_gateway() {
    let (world, _) = world_with_ipam(DUAL);
    added(&world, &with_ipam(r#""isGateway": true"#));
    assert_eq!(world.host().addresses("cni0"), [net("10.1.2.1/24"), net("fd00:1::1/64")]);
    assert_eq!(world.host().sysctl("net/ipv6/conf/all/forwarding").unwrap(), "1");
}

#[test]
fn the_hardware_address_of_a_gateway_does_not_follow_its_ports() {
    let (world, _) = world_with_ipam(IPV4);
    let (result, _) = added(&world, &with_ipam(r#""isGateway": true"#));
    let fixed = world.host().link("cni0").unwrap().mac;
    assert_eq!(result.interfaces[0].mac, fixed.to_string());
    world.attachment("c1", "eth1");
    let lowest = r#""isGateway": true, "runtimeConfig": {"mac": "02:00:00:00:00:01"}"#;
    Ipam::install(&world, r#"{"ips": [{"address": "10.1.2.4/24"}]}"#);
    added(&world, &with_ipam(lowest));
    assert_eq!(world.host().link("cni0").unwrap().mac, fixed);
}

#[test]
fn the_hardware_address_of_a_new_gateway_is_fixed_before_the_first_port_comes() {
    let (world, _) = world_with_ipam(IPV4);
    added(&world, &with_ipam(r#""isGateway": true"#));
    let calls = world.calls();
    let place = |name: &str| calls.iter().position(|call| call.starts_with(name)).unwrap();
    assert!(place("link.update") < place("bridges.attach"), "{calls:#?}");
    let bridge = &calls[place("link.update")];
    assert_eq!(calls.iter().filter(|call| *call == bridge).count(), 1, "{calls:#?}");
}

#[test]
fn a_bridge_that_lost_all_its_ports_can_become_a_gateway() {
    let (world, _) = world_with_ipam(IPV4);
    let (_, prev) = added(&world, &config(""));
    world.del::<Bridge>(&prev).unwrap();
    assert_eq!(world.host().link("cni0").unwrap().mac.to_string(), "00:00:00:00:00:00");
    let (result, _) = added(&world, &with_ipam(r#""isGateway": true"#));
    assert_eq!(result.interfaces[0].mac, world.host().link("cni0").unwrap().mac.to_string());
    assert_ne!(result.interfaces[0].mac, "00:00:00:00:00:00");
}

#[test]
fn a_default_gateway_brings_one_default_route_per_family() {
    let (world, _) = world_with_ipam(
        r#"{"ips": [{"address": "10.1.2.3/24"}, {"address": "10.1.2.4/24"},
        {"address": "fd00:1::3/64"}]}"#,
    );
    let (result, _) = added(&world, &with_ipam(r#""isDefaultGateway": true"#));
    let expected = [
        Route::new(net("0.0.0.0/0"), Some([10, 1, 2, 1].into())),
        Route::new(net("::/0"), Some("fd00:1::1".parse().unwrap())),
    ];
    assert_eq!(result.routes, expected);
    let defaults = world.container().routes().into_iter().filter(|route| route.destination.prefix_len() == 0);
    assert_eq!(defaults.count(), 2);
}

#[test]
fn a_default_route_of_ipam_is_not_doubled() {
    for routes in [r#"[{"dst": "0.0.0.0/0"}]"#, r#"[{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}]"#] {
        let (world, _) = world_with_ipam(&format!(r#"{{"ips": [{{"address": "10.1.2.3/24"}}], "routes": {routes}}}"#));
        let (result, _) = added(&world, &with_ipam(r#""isDefaultGateway": true"#));
        assert_eq!(result.routes, [Route::new(net("0.0.0.0/0"), Some([10, 1, 2, 1].into()))]);
    }
    let other_table = r#"{"ips": [{"address": "10.1.2.3/24"}], "routes": [{"dst": "0.0.0.0/0", "table": 7}]}"#;
    let (world, _) = world_with_ipam(other_table);
    assert_eq!(added(&world, &with_ipam(r#""isDefaultGateway": true"#)).0.routes.len(), 2);
}

#[test]
fn another_ipv4_address_of_the_bridge_is_a_conflict_unless_forced() {
    for (keys, ok) in [(r#""isGateway": true"#, false), (r#""isGateway": true, "forceAddress": true"#, true)] {
        let (world, ipam) = world_with_ipam(IPV4);
        world.host().add_bridge("cni0", weir_sdk::net::BridgeOptions::default());
        world.host().add_address("cni0", net("10.9.9.1/24"));
        let outcome = world.add::<Bridge>(&with_ipam(keys));
        assert_eq!(outcome.is_ok(), ok);
        let expected = if ok { "10.1.2.1/24" } else { "10.9.9.1/24" };
        assert_eq!(world.host().addresses("cni0"), [net(expected)]);
        if let Err(error) = outcome {
            assert!(error.msg.contains("10.9.9.1/24") && error.msg.contains("forceAddress"), "{error}");
            assert_nothing_left(&world, "conflict");
            assert!(ipam.is_balanced());
        }
    }
}

#[test]
fn ipv6_addresses_of_other_subnets_are_no_conflict() {
    for (other, ok) in [("fd00:2::1/64", true), ("fd00:1::77/64", false), ("fd00::1/16", false)] {
        let (world, _) = world_with_ipam(r#"{"ips": [{"address": "fd00:1::3/64"}]}"#);
        world.host().add_bridge("cni0", weir_sdk::net::BridgeOptions::default());
        world.host().add_address("cni0", net(other));
        assert_eq!(world.add::<Bridge>(&with_ipam(r#""isGateway": true"#)).is_ok(), ok, "{other}");
    }
}

#[test]
fn two_subnets_of_one_family_both_get_their_gateway() {
    let (world, _) = world_with_ipam(r#"{"ips": [{"address": "10.1.2.3/24"}, {"address": "10.1.3.3/24"}]}"#);
    added(&world, &with_ipam(r#""isGateway": true"#));
    assert_eq!(world.host().addresses("cni0"), [net("10.1.2.1/24"), net("10.1.3.1/24")]);
}

#[test]
fn a_subnet_without_room_for_a_gateway_is_an_error() {
    let (world, ipam) = world_with_ipam(r#"{"ips": [{"address": "255.255.255.255/32"}]}"#);
    assert_eq!(world.add::<Bridge>(&with_ipam(r#""isGateway": true"#)).unwrap_err().code, 7);
    assert!(ipam.is_balanced());
}
