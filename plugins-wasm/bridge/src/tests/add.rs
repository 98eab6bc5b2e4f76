//! ADD: links, options, addresses and routes of the container.

use weir_sdk::net::{BridgeOptions, LinkChanges, PortOptions};
use weir_sdk::testing::World;

use super::*;

#[test]
fn a_container_without_addresses_is_connected_to_the_bridge() {
    let world = World::new();
    let (result, _) = added(&world, &config(""));
    let names: Vec<_> = result.interfaces.iter().map(|link| (&*link.name, &*link.sandbox)).collect();
    let port = port(&result);
    assert_eq!(names, [("cni0", ""), (port, ""), ("eth0", NETNS)]);
    let (bridge, outer, inner) =
        (world.host().link("cni0").unwrap(), world.host().link(port).unwrap(), world.container().link("eth0").unwrap());
    assert!(bridge.up && outer.up && inner.up);
    assert_eq!(outer.controller, Some(bridge.index));
    assert_eq!((outer.lower, inner.lower), (Some(inner.index), Some(outer.index)));
    for (told, is) in result.interfaces.iter().zip([bridge, outer, inner]) {
        assert_eq!(told.mac, is.mac.to_string());
    }
    assert_eq!(world.waited(), 0);
}

#[test]
fn a_bridge_that_exists_is_used_as_it_is() {
    let world = World::new();
    world.host().add_bridge("br7", BridgeOptions { mtu: Some(9000), ..BridgeOptions::default() });
    added(&world, &config(r#""bridge": "br7", "mtu": 1400"#));
    assert_eq!(world.host().link("br7").unwrap().mtu, 9000);
    assert_eq!(world.container().link("eth0").unwrap().mtu, 1400);
    assert_eq!(world.host().link("cni0"), None);
}

#[test]
fn a_bridge_that_is_down_is_set_up() {
    let world = World::new();
    world.host().add_link("cni0", "bridge");
    added(&world, &config(""));
    assert!(world.host().link("cni0").unwrap().up);
}

#[test]
fn a_link_that_is_no_bridge_is_refused() {
    let world = World::new();
    world.host().add_link("cni0", "dummy");
    let error = world.add::<Bridge>(&config("")).unwrap_err();
    assert_eq!(error.code, 7);
    assert!(error.msg.contains("dummy"), "{error}");
}

#[test]
fn an_interface_name_that_is_taken_is_an_error_and_stays() {
    let world = World::new();
    world.container().add_link("eth0", "dummy");
    assert!(world.add::<Bridge>(&config("")).unwrap_err().msg.contains("eth0"));
    assert_eq!(world.container().link_names(), ["eth0"]);
}

#[test]
fn mtu_and_port_options_reach_the_links() {
    let world = World::new();
    let (result, _) = added(&world, &config(r#""mtu": 1280, "hairpinMode": true, "portIsolation": true"#));
    assert_eq!(world.host().link("cni0").unwrap().mtu, 1280);
    assert_eq!(world.host().link(port(&result)).unwrap().mtu, 1280);
    assert_eq!(world.container().link("eth0").unwrap().mtu, 1280);
    assert_eq!(world.host().port_options(port(&result)), Some(PortOptions { hairpin: true, isolated: true }));
}

#[test]
fn promiscuous_mode_is_set_on_the_bridge() {
    let world = World::new();
    added(&world, &config(r#""promiscMode": true"#));
    assert!(world.host().link("cni0").unwrap().promiscuous);
}

#[test]
fn the_hardware_address_comes_from_the_source_closest_to_the_runtime() {
    let args = r#""args": {"cni": {"mac": "0a:00:00:00:00:02"}}"#;
    let both = format!(r#"{args}, "runtimeConfig": {{"mac": "0A-00-00-00-00-03"}}"#);
    for (keys, expected) in [("", 1), (args, 2), (&both, 3)] {
        let world = World::new();
        let result = world.add_with_args::<Bridge>(&config(keys), "MAC=0a:00:00:00:00:01;IgnoreUnknown=1;X=y").unwrap();
        assert_eq!(result.interfaces[2].mac, format!("0a:00:00:00:00:{expected:02}"));
        assert_eq!(world.container().link("eth0").unwrap().mac.to_string(), result.interfaces[2].mac);
    }
}

#[test]
fn the_container_interface_can_be_left_down() {
    let world = World::new();
    added(&world, &config(r#""disableContainerInterface": true"#));
    assert!(!world.container().link("eth0").unwrap().up);
    assert_eq!(world.waited(), 0);
}

#[test]
fn addresses_routes_and_dns_of_ipam_are_set() {
    let (world, _) = world_with_ipam(
        r#"{"ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"}], "dns": {"nameservers": ["9.9.9.9"]},
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.1.2.254", "mtu": 1400, "advmss": 1300,
                        "priority": 7}, {"dst": "10.9.0.0/16", "table": 100, "scope": 253}]}"#,
    );
    let (result, _) = added(&world, &with_ipam(""));
    assert_eq!(world.container().addresses("eth0"), [net("10.1.2.3/24")]);
    let routes = world.container().routes();
    let default = routes.iter().find(|route| route.destination == net("0.0.0.0/0")).unwrap();
    assert_eq!(default.gateway, Some([10, 1, 2, 1].into()));
    let other = routes.iter().find(|route| route.destination == net("192.168.0.0/16")).unwrap();
    assert_eq!(
        (other.gateway, other.mtu, other.advmss, other.priority),
        (Some([10, 1, 2, 254].into()), Some(1400), Some(1300), Some(7))
    );
    assert_eq!(world.container().routes_in(100)[0].scope, Some(253));
    assert_eq!(result.ips[0].interface, Some(2));
    assert_eq!(result.dns.nameservers, ["9.9.9.9"]);
    assert_eq!(world.container().sysctl("net/ipv4/conf/eth0/arp_notify").unwrap(), "1");
    assert_eq!(world.host().addresses("cni0"), []);
}

#[test]
fn own_dns_settings_replace_those_of_ipam() {
    let (world, _) = world_with_ipam(r#"{"ips": [{"address": "10.1.2.3/24"}], "dns": {"nameservers": ["9.9.9.9"]}}"#);
    let (result, _) = added(&world, &with_ipam(r#""dns": {"search": ["example.com"]}"#));
    assert!(result.dns.nameservers.is_empty());
    assert_eq!(result.dns.search, ["example.com"]);
}

#[test]
fn ipv6_is_enabled_where_it_was_off() {
    let (world, _) = world_with_ipam(DUAL);
    world.container().set_sysctl("net/ipv6/conf/lo/disable_ipv6", "1");
    world.container().set_sysctl("net/ipv6/conf/eth0/disable_ipv6", "1");
    added(&world, &with_ipam(""));
    for name in ["lo", "eth0"] {
        let key = format!("net/ipv6/conf/{name}/disable_ipv6");
        assert_eq!(world.container().sysctl(&key).unwrap(), "0");
    }
    assert_eq!(world.container().sysctl("net/ipv6/conf/eth0/keep_addr_on_down").unwrap(), "1");
    assert!(world.container().addresses("eth0").contains(&net("fd00:1::3/64")));
}

#[test]
fn duplicates_are_looked_for_only_where_the_configuration_asks_for_it() {
    let (world, _) = world_with_ipam(DUAL);
    added(&world, &with_ipam(""));
    assert_eq!(world.container().sysctl("net/ipv6/conf/eth0/accept_dad").unwrap(), "0");
    assert_eq!(world.waited(), 0);
    let (world, _) = world_with_ipam(DUAL);
    added(&world, &with_ipam(r#""enabledad": true"#));
    assert_eq!(world.container().sysctl("net/ipv6/conf/eth0/enhanced_dad").unwrap(), "1");
    assert!(world.waited() > 0);
    assert!(world.container().all_addresses("eth0").iter().all(|address| !address.tentative));
}

#[test]
fn router_advertisements_are_ignored_on_the_host() {
    let world = World::new();
    let (result, _) = added(&world, &config(""));
    for name in ["cni0", port(&result)] {
        assert_eq!(world.host().sysctl(&format!("net/ipv6/conf/{name}/accept_ra")).unwrap(), "0");
    }
}

#[test]
fn a_kernel_without_ipv6_is_good_enough_for_ipv4() {
    let (world, _) = world_with_ipam(IPV4);
    world.fail_call("sysctls.set", 1, weir_sdk::FailureKind::NotFound);
    assert!(world.add::<Bridge>(&with_ipam("")).is_ok());
}

#[test]
fn add_on_a_bridge_that_exists_needs_few_host_calls() {
    let (world, _) = world_with_ipam(r#"{"ips": [{"address": "10.1.2.3/24"}], "routes": [{"dst": "0.0.0.0/0"}]}"#);
    let config = with_ipam(r#""isGateway": true, "ipMasq": true, "ipMasqBackend": "nftables""#);
    added(&world, &config);
    world.attachment("c1", "eth1").clear_calls();
    Ipam::install(&world, r#"{"ips": [{"address": "10.1.2.4/24"}], "routes": [{"dst": "10.9.0.0/16"}]}"#);
    added(&world, &config);
    assert!(world.calls().len() <= 22, "{}: {:#?}", world.calls().len(), world.calls());
}

#[test]
fn configurations_that_make_no_sense_are_refused_before_anything_is_touched() {
    for keys in [
        r#""hairpinMode": true, "promiscMode": true"#,
        r#""disableContainerInterface": true, "ipam": {"type": "test-ipam"}"#,
        r#""mtu": -1"#,
        r#""vlan": 4095"#,
        r#""vlan": -1"#,
        r#""vlanTrunk": [{"minID": 5}]"#,
        r#""bridge": """#,
        r#""bridge": "a/b""#,
        r#""bridge": "sixteencharacter""#,
        r#""ipMasqBackend": "pf""#,
        r#""runtimeConfig": {"mac": "zz"}"#,
        r#""args": {"cni": {"mac": "01:00:00:00:00:01"}}"#,
        r#""runtimeConfig": {"mac": "0a:00:00:00:00:00:00:01"}"#,
    ] {
        let world = World::new();
        assert_eq!(world.add::<Bridge>(&config(keys)).unwrap_err().code, 7, "{keys}");
        assert!(world.calls().is_empty(), "{keys}");
    }
    for keys in [r#""mtu": "x""#, r#""isGateway": 1"#, r#""bridge": 5"#, r#""vlanTrunk": {}"#] {
        assert_eq!(World::new().add::<Bridge>(&config(keys)).unwrap_err().code, 6, "{keys}");
    }
}

#[test]
fn keys_in_any_case_and_booleans_as_text_are_understood() {
    let world = World::new();
    let (result, _) = added(&world, &config(r#""BRIDGE": "br1", "HairpinMode": "true", "unknown": {}"#));
    assert_eq!(result.interfaces[0].name, "br1");
    assert!(world.host().port_options(port(&result)).unwrap().hairpin);
}

#[test]
fn a_second_container_joins_the_same_bridge() {
    let world = World::new();
    added(&world, &config(""));
    world.attachment("c1", "eth1");
    added(&world, &config(""));
    let bridge = world.host().link("cni0").unwrap().index;
    assert_eq!(world.host().links().iter().filter(|link| link.controller == Some(bridge)).count(), 2);
}

#[test]
fn a_bridge_set_down_by_hand_comes_up_with_the_next_container() {
    let world = World::new();
    added(&world, &config(""));
    world.host().update_link("cni0", &LinkChanges { up: Some(false), ..LinkChanges::default() });
    world.attachment("c1", "eth1");
    added(&world, &config(""));
    assert!(world.host().link("cni0").unwrap().up);
}
