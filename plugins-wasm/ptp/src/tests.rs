//! Tests on the in-memory host.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use weir_sdk::cni_spec::version;
use weir_sdk::net::IpFamily::{Ipv4, Ipv6};
use weir_sdk::net::LinkChanges;
use weir_sdk::testing::{Command, World, fail_each, with_prev_result};
use weir_sdk::{AddResult, FailureKind, IpNet};

use super::PointToPoint;

const DUAL: &str = r#"{"ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"},
    {"address": "fd00:1::3/64", "gateway": "fd00:1::1"}], "dns": {"nameservers": ["9.9.9.9"]},
    "routes": [{"dst": "0.0.0.0/0", "mtu": 1400, "advmss": 1300}, {"dst": "::/0"}]}"#;

fn config(keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    format!(r#"{{"cniVersion": "1.1.0", "name": "net", "type": "ptp", "ipam": {{"type": "pool"}}{comma}{keys}}}"#)
}

fn nft() -> String {
    config(r#""ipMasq": true, "ipMasqBackend": "nftables""#)
}

fn install(world: &World, leased: &str) {
    world.ipam("pool", AddResult::from_slice(leased.as_bytes(), version::LATEST).unwrap());
}

fn world(leased: &str) -> World {
    let world = World::new();
    install(&world, leased);
    world
}

fn added(config: &str) -> (World, AddResult, String) {
    let world = world(DUAL);
    let result = world.add::<PointToPoint>(config).unwrap();
    let prev = with_prev_result(config, &result).unwrap();
    (world, result, prev)
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn nft_rules(world: &World) -> Vec<String> {
    world.host().nft_rules("inet", "cni_plugins_masquerade", "masq_checks")
}

fn assert_nothing_left(world: &World, what: &str) {
    assert_eq!(world.container().link_names(), Vec::<String>::new(), "{what}");
    assert_eq!(world.host().link_names(), Vec::<String>::new(), "{what}");
    assert_eq!(nft_rules(world), Vec::<String>::new(), "{what}");
    for family in [Ipv4, Ipv6] {
        assert_eq!(world.host().iptables_rules(family, "nat", "POSTROUTING").unwrap(), Vec::<String>::new(), "{what}");
        assert_eq!(world.host().iptables_chains(family, "nat").len(), 4, "{what}");
    }
}

#[test]
fn the_result_has_the_hosts_end_the_containers_end_and_the_addresses_on_it() {
    let (world, result, _) = added(&config(r#""mtu": 1400"#));
    let outer = world.host().link(&result.interfaces[0].name).unwrap();
    let inner = world.container().link("eth0").unwrap();
    assert!(outer.name.starts_with("veth") && outer.up && inner.up && outer.mtu == 1400 && inner.mtu == 1400);
    assert_eq!((&*result.interfaces[0].mac, &*result.interfaces[0].sandbox), (&*outer.mac.to_string(), ""));
    assert_eq!((&*result.interfaces[1].name, &*result.interfaces[1].sandbox), ("eth0", "/run/netns/c1"));
    assert_eq!(result.interfaces[1].mac, inner.mac.to_string());
    assert!(result.ips.iter().all(|ip| ip.interface == Some(1)));
    assert_eq!(result.dns.nameservers, ["9.9.9.9"]);
    assert_eq!(world.waited(), 0);
}

#[test]
fn the_container_reaches_its_subnet_and_all_else_by_the_gateway_alone() {
    let (world, _, _) = added(&config(""));
    let container = world.container();
    assert_eq!(container.addresses("eth0"), [net("10.1.2.3/24"), net("fd00:1::3/64")]);
    for (subnet, gateway, source) in
        [("10.1.2.0/24", "10.1.2.1", "10.1.2.3"), ("fd00:1::/64", "fd00:1::1", "fd00:1::3")]
    {
        let routes: Vec<_> = container.routes().into_iter().filter(|route| route.destination == net(subnet)).collect();
        assert_eq!(routes.len(), 1, "{routes:?}");
        assert_eq!((routes[0].gateway, routes[0].source), (gateway.parse().ok(), source.parse().ok()));
        let direct = IpNet::from(gateway.parse::<std::net::IpAddr>().unwrap());
        let routes: Vec<_> = container.routes().into_iter().filter(|route| route.destination == direct).collect();
        assert_eq!((routes.len(), routes[0].gateway, routes[0].source), (1, None, source.parse().ok()));
    }
    let default = container.routes().into_iter().find(|route| route.destination == net("0.0.0.0/0")).unwrap();
    assert_eq!((default.gateway, default.mtu, default.advmss), ("10.1.2.1".parse().ok(), Some(1400), Some(1300)));
}

#[test]
fn the_host_is_the_gateway_and_has_a_route_to_each_address() {
    let (world, result, _) = added(&config(""));
    let host = world.host();
    let outer = host.link(&result.interfaces[0].name).unwrap();
    assert_eq!(host.addresses(&outer.name), [net("10.1.2.1/32"), net("fd00:1::1/128")]);
    for address in ["10.1.2.3/32", "fd00:1::3/128"] {
        let route = host.routes().into_iter().find(|route| route.destination == net(address)).unwrap();
        assert_eq!((route.link, route.gateway, route.scope), (Some(outer.index), None, Some(254)));
    }
    assert_eq!(host.sysctl("net/ipv4/ip_forward").unwrap(), "1");
    assert_eq!(host.sysctl("net/ipv6/conf/all/forwarding").unwrap(), "1");
    assert_eq!(host.sysctl(&format!("net/ipv6/conf/{}/accept_ra", outer.name)).unwrap(), "0");
}

#[test]
fn only_families_in_use_are_forwarded() {
    let world = world(r#"{"ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"}]}"#);
    world.add::<PointToPoint>(&config("")).unwrap();
    assert_eq!(world.host().sysctl("net/ipv6/conf/all/forwarding").unwrap(), "0");
}

#[test]
fn addresses_may_share_a_gateway_and_may_be_a_whole_prefix() {
    let world = world(
        r#"{"ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"}, {"address": "10.1.2.4/24", "gateway": "10.1.2.1"},
            {"address": "10.9.9.9/32", "gateway": "169.254.1.1"}], "routes": [{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}]}"#,
    );
    let result = world.add::<PointToPoint>(&config("")).unwrap();
    let outer = &result.interfaces[0].name;
    assert_eq!(world.host().addresses(outer), [net("10.1.2.1/32"), net("169.254.1.1/32")]);
    let prev = with_prev_result(&config(""), &result).unwrap();
    assert_eq!(world.check::<PointToPoint>(&prev), Ok(()));
}

#[test]
fn a_gateway_that_is_missing_or_of_the_other_family_is_an_error_that_leaves_nothing() {
    for ip in [r#"{"address": "10.1.2.3/24"}"#, r#"{"address": "10.1.2.3/24", "gateway": "fd00::1"}"#] {
        let world = world(&format!(r#"{{"ips": [{ip}]}}"#));
        let error = world.add::<PointToPoint>(&nft()).unwrap_err();
        assert!(error.code == 7 && error.msg.contains("gateway"), "{error}");
        assert_nothing_left(&world, ip);
        assert_eq!(world.asked_of("pool"), [Command::Add, Command::Del]);
    }
}

#[test]
fn own_dns_settings_replace_those_of_ipam() {
    let (_, result, _) = added(&config(r#""dns": {"search": ["example.com"]}"#));
    assert!(result.dns.nameservers.is_empty() && result.dns.search == ["example.com"]);
}

#[test]
fn masquerade_is_made_by_the_backend_asked_for_and_taken_away_without_a_namespace() {
    for backend in ["nftables", "iptables"] {
        let config = config(&format!(r#""ipMasq": true, "ipMasqBackend": "{backend}""#));
        for way in ["namespace", "no namespace", "vanished", "no result"] {
            let (world, _, prev) = added(&config);
            let jumps = world.host().iptables_rules(Ipv4, "nat", "POSTROUTING").unwrap().len();
            assert_eq!((nft_rules(&world).len(), jumps), if backend == "nftables" { (2, 0) } else { (0, 1) });
            match way {
                "no namespace" => drop(world.without_netns().calls()),
                "vanished" | "no result" => drop(world.destroy_container().calls()),
                _ => {}
            }
            let config = if way == "no result" { &config } else { &prev };
            world.del::<PointToPoint>(config).unwrap();
            assert_nothing_left(&world, way);
            assert_eq!(world.asked_of("pool").last(), Some(&Command::Del), "{way}");
            assert_eq!(world.del::<PointToPoint>(config), Ok(()), "{way}, again");
        }
    }
}

#[test]
fn del_bears_keys_that_became_invalid_and_reports_failures_after_all_is_tried() {
    let (world, _, prev) = added(&nft());
    world.del::<PointToPoint>(&prev.replacen("1.1.0", "1.1.0\", \"mtu\": \"x", 1)).unwrap();
    assert_nothing_left(&world, "invalid configuration");
    let (world, _, prev) = added(&nft());
    world.delegate("pool", |_| Err(weir_sdk::Error::new(123, "no")));
    assert_eq!(world.del::<PointToPoint>(&prev).unwrap_err().code, 123);
    assert_nothing_left(&world, "IPAM failed");
    let (world, _, prev) = added(&nft());
    world.fail_call("link.delete", 1, FailureKind::Io);
    assert_eq!(world.del::<PointToPoint>(&prev).unwrap_err().code, 5);
    assert!(nft_rules(&world).is_empty() && world.asked_of("pool").last() == Some(&Command::Del));
}

#[test]
fn whatever_fails_in_add_leaves_nothing() {
    for backend in ["nftables", "iptables"] {
        let config = config(&format!(r#""ipMasq": true, "ipMasqBackend": "{backend}""#));
        let calls = fail_each::<PointToPoint>(&config, |world| install(world, DUAL), assert_nothing_left);
        assert!(calls > 20, "{calls}");
    }
}

#[test]
fn add_needs_few_host_calls() {
    let (world, _, _) = added(&nft());
    assert!(world.calls().len() <= 28, "{}: {:#?}", world.calls().len(), world.calls());
}

#[test]
fn check_succeeds_after_add_and_finds_what_was_changed() {
    let (world, result, prev) = added(&config(""));
    assert_eq!(world.check::<PointToPoint>(&prev), Ok(()));
    assert_eq!(world.asked_of("pool"), [Command::Add, Command::Check]);
    let other_mac = LinkChanges { mac: Some(vec![0x0a, 9, 9, 9, 9, 9]), ..LinkChanges::default() };
    world.host().update_link(&result.interfaces[0].name, &other_mac);
    assert!(world.check::<PointToPoint>(&prev).unwrap_err().msg.contains("has the MAC"));
    world.container().delete_link("eth0").add_link("eth0", "dummy");
    assert!(world.check::<PointToPoint>(&prev).unwrap_err().msg.contains("no veth"));
}

#[test]
fn gc_takes_away_rules_of_attachments_that_are_no_more() {
    for backend in ["nftables", "iptables"] {
        let config = config(&format!(r#""ipMasq": true, "ipMasqBackend": "{backend}""#));
        let (world, _, prev) = added(&config);
        world.gc::<PointToPoint>(&config, &[("c1", "eth0")]).unwrap();
        assert_eq!(world.check::<PointToPoint>(&prev), Ok(()));
        assert!(nft_rules(&world).len() + world.host().iptables_chains(Ipv4, "nat").len() > 4);
        world.destroy_container().gc::<PointToPoint>(&config, &[]).unwrap();
        assert_nothing_left(&world, backend);
        assert!(world.asked_of("pool").contains(&Command::Gc));
    }
}

#[test]
fn status_looks_at_the_configuration_and_asks_ipam() {
    let world = world(DUAL);
    assert_eq!(world.status::<PointToPoint>(&config("")), Ok(()));
    assert_eq!(world.asked_of("pool"), [Command::Status]);
    assert_eq!(world.status::<PointToPoint>(&config(r#""mtu": -1"#)).unwrap_err().code, 7);
    world.delegate("pool", |_| Err(weir_sdk::Error::new(51, "exhausted")));
    assert_eq!(world.status::<PointToPoint>(&config("")).unwrap_err().code, 51);
}

#[test]
fn configurations_that_make_no_sense_are_refused_before_anything_is_touched() {
    let world = world(DUAL);
    for bad in [config(r#""mtu": -1"#), config(r#""ipMasqBackend": "pf""#), config("").replace("\"pool\"", "\"\"")] {
        assert_eq!(world.add::<PointToPoint>(&bad).unwrap_err().code, 7, "{bad}");
        assert!(world.calls().is_empty(), "{bad}");
    }
    assert_eq!(world.add::<PointToPoint>(&config(r#""mtu": "x""#)).unwrap_err().code, 6);
    world.without_netns();
    assert_eq!(world.add::<PointToPoint>(&config("")).unwrap_err().code, 3);
}
