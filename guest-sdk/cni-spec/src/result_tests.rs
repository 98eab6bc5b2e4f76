#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::json;

use super::*;
use crate::version::{ALL, LATEST};

fn net(text: &str) -> IpNet {
    ip::parse_net(text).unwrap()
}

fn address(text: &str) -> IpAddr {
    ip::parse_address(text).unwrap()
}

/// Everything that 1.1.0 can say.
fn full() -> AddResult {
    let container = Interface {
        name: "eth0".to_owned(),
        mac: "0a:00:00:00:00:01".to_owned(),
        mtu: 1500,
        sandbox: "/run/netns/x".to_owned(),
        socket_path: "/run/s".to_owned(),
        pci_id: "0000:00:01.0".to_owned(),
    };
    let ip = |text, gateway| IpConfig { interface: Some(1), address: net(text), gateway: Some(address(gateway)) };
    AddResult {
        interfaces: vec![Interface { name: "cni0".to_owned(), ..Interface::default() }, container],
        ips: vec![
            ip("10.1.2.3/16", "10.1.0.1"),
            IpConfig::new(net("10.9.0.2/24")),
            ip("2001:db8::3/64", "2001:db8::1"),
        ],
        routes: vec![
            Route {
                mtu: 1400,
                advmss: 1360,
                priority: 5,
                table: Some(0),
                scope: Some(0),
                ..Route::new(net("0.0.0.0/0"), Some(address("10.1.0.1")))
            },
            Route::new(net("2001:db8:1::/48"), None),
        ],
        dns: Dns {
            nameservers: vec!["10.1.0.1".to_owned()],
            domain: "local".to_owned(),
            search: vec!["a".to_owned(), "b".to_owned()],
            options: vec!["ndots:2".to_owned()],
        },
    }
}

/// What is left of a result in a version.
fn reduced(mut result: AddResult, version: Version) -> AddResult {
    if version < Version::V1_0_0 {
        for interface in &mut result.interfaces {
            (interface.mtu, interface.socket_path, interface.pci_id) = (0, String::new(), String::new());
        }
    }
    if version < Version::V0_3_0 {
        result.interfaces.clear();
        let first = |is_v4: bool| result.ips.iter().find(move |ip| ip.address.addr().is_ipv4() == is_v4).cloned();
        let ips: Vec<_> = [first(true), first(false)].into_iter().flatten().collect();
        let has = |route: &Route| ips.iter().any(|ip| ip.address.addr().is_ipv4() == route.dst.addr().is_ipv4());
        result.routes = result.routes.iter().filter(|route| has(route)).cloned().collect();
        result.routes.sort_by_key(|route| route.dst.addr().is_ipv6());
        result.routes = result.routes.iter().map(|route| Route::new(route.dst, route.gw)).collect();
        result.ips = ips.into_iter().map(|ip| IpConfig { interface: None, ..ip }).collect();
    }
    result
}

fn check_pair(result: &AddResult, first: Version, second: Version) {
    let once = AddResult::from_json(&result.to_json(first).unwrap(), first).unwrap();
    assert_eq!(once, reduced(result.clone(), first), "{first}");
    let twice = AddResult::from_json(&once.to_json(second).unwrap(), second).unwrap();
    assert_eq!(twice, reduced(reduced(result.clone(), first), second), "{first} to {second}");
}

#[test]
fn every_pair_of_versions_keeps_what_both_can_say() {
    for first in ALL {
        for second in ALL {
            check_pair(&full(), first, second);
        }
    }
}

#[test]
fn the_newest_version_says_everything() {
    assert_eq!(
        full().to_json(LATEST).unwrap(),
        json!({
            "cniVersion": "1.1.0",
            "interfaces": [
                {"name": "cni0"},
                {"name": "eth0", "mac": "0a:00:00:00:00:01", "mtu": 1500, "sandbox": "/run/netns/x",
                 "socketPath": "/run/s", "pciID": "0000:00:01.0"}
            ],
            "ips": [
                {"interface": 1, "address": "10.1.2.3/16", "gateway": "10.1.0.1"},
                {"address": "10.9.0.2/24"},
                {"interface": 1, "address": "2001:db8::3/64", "gateway": "2001:db8::1"}
            ],
            "routes": [
                {"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "advmss": 1360, "priority": 5, "table": 0, "scope": 0},
                {"dst": "2001:db8:1::/48"}
            ],
            "dns": {"nameservers": ["10.1.0.1"], "domain": "local", "search": ["a", "b"], "options": ["ndots:2"]}
        })
    );
}

#[test]
fn version_1_0_keeps_the_newer_keys_as_go_does() {
    let mut newest = full().to_json(Version::V1_1_0).unwrap();
    newest.as_object_mut().unwrap().insert("cniVersion".to_owned(), "1.0.0".into());
    assert_eq!(full().to_json(Version::V1_0_0).unwrap(), newest);
}

#[test]
fn versions_0_3_and_0_4_have_families_and_fewer_interface_keys() {
    let value = full().to_json(Version::V0_3_1).unwrap();
    assert_eq!(
        value.pointer("/interfaces/1"),
        Some(&json!({"name": "eth0", "mac": "0a:00:00:00:00:01", "sandbox": "/run/netns/x"}))
    );
    assert_eq!(value.pointer("/ips/1"), Some(&json!({"version": "4", "address": "10.9.0.2/24"})));
    assert_eq!(value.pointer("/ips/2/version"), Some(&json!("6")));
    assert_eq!(value.pointer("/routes/0/mtu"), Some(&json!(1400)));
}

#[test]
fn versions_0_1_and_0_2_have_one_address_of_each_family() {
    for version in [Version::V0_1_0, Version::V0_2_0] {
        assert_eq!(
            full().to_json(version).unwrap(),
            json!({
                "cniVersion": version.as_str(),
                "ip4": {"ip": "10.1.2.3/16", "gateway": "10.1.0.1",
                        "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}]},
                "ip6": {"ip": "2001:db8::3/64", "gateway": "2001:db8::1", "routes": [{"dst": "2001:db8:1::/48"}]},
                "dns": {"nameservers": ["10.1.0.1"], "domain": "local", "search": ["a", "b"], "options": ["ndots:2"]}
            })
        );
    }
}

#[test]
fn without_address_there_is_no_result_below_0_3() {
    let layer_2 = AddResult { ips: vec![], ..full() };
    for version in ALL {
        assert_eq!(layer_2.to_json(version).is_err(), version < Version::V0_3_0, "{version}");
    }
}

#[test]
fn empty_dns_is_written_below_1_0_only() {
    let result = AddResult { ips: vec![IpConfig::new(net("10.0.0.2/24"))], ..AddResult::default() };
    for version in ALL {
        let dns = result.to_json(version).unwrap().get("dns").cloned();
        assert_eq!(dns, (version < Version::V1_0_0).then(|| json!({})), "{version}");
    }
}

#[test]
fn an_empty_gateway_is_none_and_host_bits_are_kept() {
    let value =
        json!({"ips": [{"address": "10.1.2.3/16", "gateway": ""}], "routes": [{"dst": "10.5.5.5/8", "gw": ""}]});
    let result = AddResult::from_json(&value, LATEST).unwrap();
    assert_eq!(result.ips, [IpConfig::new(net("10.1.2.3/16"))]);
    assert_eq!(result.routes, [Route::new(net("10.5.5.5/8"), None)]);
}

#[test]
fn a_result_of_another_layout_is_refused() {
    for found in ALL {
        for expected in ALL {
            let same = (found < Version::V0_3_0) == (expected < Version::V0_3_0)
                && (found < Version::V1_0_0) == (expected < Version::V1_0_0);
            let outcome = AddResult::from_json(&json!({"cniVersion": found}), expected);
            if same {
                assert_eq!(outcome, Ok(AddResult::default()));
            } else {
                assert_eq!(outcome, Err(ResultError::WrongVersion { found, expected }));
            }
        }
    }
    assert!(matches!(
        AddResult::from_json(&json!({"cniVersion": "2.0.0"}), LATEST),
        Err(ResultError::UnknownVersion(_))
    ));
}

#[test]
fn a_result_can_be_read_as_what_it_says_it_is() {
    let old = full().to_json(Version::V0_2_0).unwrap();
    let read = AddResult::from_json_of_any_version(&old, LATEST).unwrap();
    assert_eq!(read, reduced(full(), Version::V0_2_0));
    let silent = json!({"ip4": {"ip": "10.0.0.2/24"}});
    assert_eq!(AddResult::from_json_of_any_version(&silent, Version::V0_1_0).unwrap().ips.len(), 1);
}

#[test]
fn families_that_contradict_the_address_are_refused() {
    for (value, version) in [
        (json!({"ip4": {"ip": "2001:db8::1/64"}}), Version::V0_2_0),
        (json!({"ip6": {"ip": "10.0.0.1/8"}}), Version::V0_1_0),
        (json!({"ips": [{"version": "6", "address": "10.0.0.1/8"}]}), Version::V0_4_0),
        (json!({"ips": [{"version": "5", "address": "10.0.0.1/8"}]}), Version::V0_3_0),
    ] {
        assert!(matches!(AddResult::from_json(&value, version), Err(ResultError::WrongFamily { .. })), "{value}");
    }
    let silent = json!({"ips": [{"address": "10.0.0.1/8"}]});
    assert!(AddResult::from_json(&silent, Version::V0_4_0).is_ok());
}

#[test]
fn wrong_types_are_told_with_their_place() {
    for (value, path) in [
        (json!({"ips": [{"address": "10.0.0.1"}]}), "ips[0].address"),
        (json!({"ips": [{"address": "10.0.0.1/8", "gateway": "x"}]}), "ips[0].gateway"),
        (json!({"ips": [{"address": "10.0.0.1/8", "interface": -1}]}), "ips[0].interface"),
        (json!({"ips": [{}]}), "ips[0]"),
        (json!({"interfaces": {}}), "interfaces"),
        (json!({"interfaces": [{"name": 1}]}), "interfaces[0].name"),
        (json!({"routes": [{"dst": "default"}]}), "routes[0].dst"),
        (json!({"routes": [{"dst": "::/0", "scope": 256}]}), "routes[0].scope"),
        (json!({"dns": []}), "dns"),
        (json!({"cniVersion": 1}), "cniVersion"),
        (json!([]), ""),
        (json!(null), ""),
    ] {
        match AddResult::from_json(&value, LATEST) {
            Err(ResultError::Decode(error)) => assert_eq!(error.path, path, "{value}"),
            other => panic!("{value}: {other:?}"),
        }
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn any_net() -> impl Strategy<Value = IpNet> {
        prop_oneof![
            (any::<std::net::Ipv4Addr>(), 0..=32_u8).prop_map(|(ip, prefix)| IpNet::new(ip.into(), prefix).unwrap()),
            (any::<u128>(), 0..=128_u8).prop_map(|(bits, prefix)| {
                // Not in ::ffff:0:0/96, which reads back as IPv4.
                IpNet::new(std::net::Ipv6Addr::from(bits | 1 << 127).into(), prefix).unwrap()
            }),
        ]
    }

    fn any_result() -> impl Strategy<Value = AddResult> {
        let gateway = || proptest::option::of(any_net().prop_map(|net| net.addr()));
        let ip = (any_net(), gateway(), proptest::option::of(0..4_usize))
            .prop_map(|(address, gateway, interface)| IpConfig { interface, address, gateway });
        let route = (any_net(), gateway(), any::<(u32, u32, Option<u32>, Option<u8>)>()).prop_map(
            |(dst, gw, (mtu, priority, table, scope))| Route { mtu, priority, table, scope, ..Route::new(dst, gw) },
        );
        let interface = ("[a-z]{1,9}", any::<String>(), any::<u32>()).prop_map(|(name, sandbox, mtu)| Interface {
            name,
            sandbox,
            mtu,
            ..Interface::default()
        });
        let dns = (any::<Vec<String>>(), any::<String>()).prop_map(|(nameservers, domain)| Dns {
            nameservers,
            domain,
            ..Dns::default()
        });
        let list = proptest::collection::vec(interface, 0..3);
        (list, proptest::collection::vec(ip, 1..5), proptest::collection::vec(route, 0..4), dns)
            .prop_map(|(interfaces, ips, routes, dns)| AddResult { interfaces, ips, routes, dns })
    }

    proptest! {
        #[test]
        fn any_result_survives_any_pair_of_versions(
            result in any_result(), first in 0..ALL.len(), second in 0..ALL.len()
        ) {
            check_pair(&result, *ALL.get(first).unwrap(), *ALL.get(second).unwrap());
        }
    }
}
