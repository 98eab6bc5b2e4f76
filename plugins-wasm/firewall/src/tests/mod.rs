//! Tests on the in-memory host.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod failures;
mod policies;

use serde_json::{Value, json};
use weir_sdk::FailureKind;
use weir_sdk::net::iptables::{Command, Rule};
use weir_sdk::net::nftables::{Batch, Chain, ChainType, Command as Nft, Hook, Policy, Table};
use weir_sdk::net::{BridgeOptions, IpFamily};
use weir_sdk::testing::World;

use super::Firewall;

/// A host with a bridge to a container that has an address of each family.
fn world() -> World {
    let world = World::new();
    world.host().add_bridge("cni0", BridgeOptions::default());
    world.host().add_link("veth1", "veth");
    world
}

/// A configuration of a network, with more keys.
fn config(network: &str, more: &Value) -> String {
    let mut config = json!({
        "cniVersion": "1.1.0", "name": network, "type": "firewall",
        "prevResult": {
            "cniVersion": "1.1.0",
            "interfaces": [{"name": "cni0"}, {"name": "veth1"}, {"name": "eth0", "sandbox": "/run/netns/c1"}],
            "ips": [
                {"interface": 0, "address": "10.1.0.1/24"},
                {"interface": 2, "address": "10.1.0.2/24"},
                {"interface": 2, "address": "fd00::2/64"},
            ],
        },
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config.to_string()
}

/// The same as a runtime sends it that has lost the result.
fn without_result(network: &str, more: &Value) -> String {
    let mut config: Value = serde_json::from_str(&config(network, more)).unwrap();
    config.as_object_mut().unwrap().remove("prevResult");
    config.to_string()
}

fn restore(commands: &[Command]) {
    let host = weir_sdk::Netns::host().unwrap();
    for family in [IpFamily::Ipv4, IpFamily::Ipv6] {
        host.iptables_restore(family, "filter", commands).unwrap();
    }
}

/// Somebody uses the table filter of iptables.
fn iptables_is_used() {
    restore(&[Command::Append(Rule::new("FORWARD", "-j ACCEPT"))]);
}

/// A chain of somebody else, in a table of the family inet.
fn foreign_chain(policy: Policy) {
    let chain = Chain::base("forward", ChainType::Filter, Hook::Forward, 0);
    let mut batch = Batch::new(Table::inet("office")).ensure_table().ensure_chain(chain);
    batch = match policy {
        Policy::Accept => batch,
        Policy::Drop => {
            let base = weir_sdk::net::nftables::BaseChain {
                type_: ChainType::Filter,
                hook: Hook::Forward,
                priority: 0,
                policy,
            };
            let chain = dropping(base);
            Batch::new(Table::inet("office")).ensure_table().command(chain)
        }
    };
    batch.apply(&weir_sdk::Netns::host().unwrap()).unwrap();
}

fn dropping(base: weir_sdk::net::nftables::BaseChain) -> Nft {
    Nft::EnsureChain(weir_sdk::bindings::weir::cni::nftables::EnsuredChain {
        name: "forward".to_owned(),
        base: Some(base),
        rules: Vec::new(),
    })
}

fn iptables(world: &World, family: IpFamily, chain: &str) -> Vec<String> {
    world.host().iptables_rules(family, "filter", chain).unwrap_or_default()
}

/// Everything that mentions the container.
fn traces(world: &World) -> Vec<String> {
    let host = world.host();
    let mut traces = host.nft_elements("inet", "cni_firewall", "owners4");
    traces.extend(host.nft_elements("inet", "cni_firewall", "owners6"));
    traces.extend(host.nft_elements("bridge", "cni_firewall", "ports"));
    traces.extend(host.nft_rules("inet", "office", "forward"));
    for family in [IpFamily::Ipv4, IpFamily::Ipv6] {
        traces.extend(iptables(world, family, "CNI-FORWARD").into_iter().filter(|rule| rule.ends_with("ACCEPT")));
    }
    traces.extend(world.firewalld_sources());
    traces
}

#[test]
fn where_nothing_drops_only_owners_are_written_down() {
    let world = world();
    let result = world.add::<Firewall>(&config("net", &json!({}))).unwrap();
    assert_eq!(result.ips.len(), 3);
    let traces = traces(&world);
    assert_eq!(traces.len(), 2, "{traces:?}");
    assert!(traces[0].starts_with("10.1.0.2 . ") && traces[1].starts_with("fd00::2 . "), "{traces:?}");
    assert!(!world.calls().iter().any(|call| call.starts_with("iptables.save")), "{:?}", world.calls());
    assert!(!world.host().nft_chains("inet", "cni_firewall").contains(&"forward".to_owned()));
    assert_eq!(world.check::<Firewall>(&config("net", &json!({}))), Ok(()));
}

#[test]
fn iptables_has_the_rules_of_the_reference_plugin() {
    let world = world();
    let text = config("net", &json!({"backend": "iptables"}));
    world.add::<Firewall>(&text).unwrap();
    world.add::<Firewall>(&text).unwrap();
    let comment = "-m comment --comment CNI firewall plugin";
    assert_eq!(iptables(&world, IpFamily::Ipv4, "FORWARD"), [format!("{comment} rules -j CNI-FORWARD")]);
    assert_eq!(
        iptables(&world, IpFamily::Ipv4, "CNI-FORWARD"),
        [
            &format!("{comment} admin overrides -j CNI-ADMIN"),
            "-d 10.1.0.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "-s 10.1.0.2/32 -j ACCEPT",
            "-d 10.1.0.2/32 -m conntrack --ctstate DNAT -j ACCEPT",
        ]
    );
    assert_eq!(iptables(&world, IpFamily::Ipv6, "CNI-FORWARD")[2], "-s fd00::2/128 -j ACCEPT");
    assert_eq!(world.check::<Firewall>(&text), Ok(()));
    world.del::<Firewall>(&text).unwrap();
    assert_eq!(traces(&world), Vec::<String>::new());
    assert_eq!(iptables(&world, IpFamily::Ipv4, "CNI-FORWARD").len(), 1);
}

#[test]
fn an_add_by_iptables_is_one_listing_and_one_transaction_for_each_family() {
    let world = world();
    world.add::<Firewall>(&config("net", &json!({"backend": "iptables", "ingressPolicy": "same-bridge"}))).unwrap();
    let calls = world.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("iptables.")).count(), 4, "{calls:?}");
}

#[test]
fn accept_rules_are_put_where_packets_are_dropped() {
    let world = world();
    iptables_is_used();
    foreign_chain(Policy::Drop);
    let text = config("net", &json!({"backend": "nftables"}));
    world.add::<Firewall>(&text).unwrap();
    assert_eq!(iptables(&world, IpFamily::Ipv4, "CNI-FORWARD").len(), 4);
    let rules = world.host().nft_rules("inet", "office", "forward");
    assert_eq!(rules.len(), 6, "{rules:?}");
    assert!(rules[0].starts_with("ip daddr 10.1.0.2 ct state & 0x6 != 0 accept"), "{rules:?}");
    assert!(rules[1].starts_with("ip daddr 10.1.0.2 ct status & 0x20 != 0 accept"), "{rules:?}");
    assert!(rules[5].starts_with("ip6 saddr fd00::2 accept"), "{rules:?}");
    assert_eq!(world.check::<Firewall>(&text), Ok(()));
    world.del::<Firewall>(&text).unwrap();
    assert_eq!(traces(&world), Vec::<String>::new());
}

#[test]
fn chains_that_drop_nothing_by_default_are_left_alone() {
    let world = world();
    foreign_chain(Policy::Accept);
    world.add::<Firewall>(&config("net", &json!({}))).unwrap();
    assert_eq!(world.host().nft_rules("inet", "office", "forward"), Vec::<String>::new());
}

#[test]
fn iptables_without_its_programs_is_a_warning_unless_it_is_asked_for() {
    let world = world();
    iptables_is_used();
    world.without_iptables();
    world.add::<Firewall>(&config("net", &json!({}))).unwrap();
    assert!(world.log().iter().any(|(_, line)| line.contains("iptables")), "{:?}", world.log());
    assert_eq!(world.check::<Firewall>(&config("net", &json!({}))), Ok(()));
    world.del::<Firewall>(&config("net", &json!({}))).unwrap();
    assert!(world.add::<Firewall>(&config("net", &json!({"backend": "iptables"}))).is_err());
}

#[test]
fn the_host_decides_where_no_backend_is_named() {
    let plain = config("net", &json!({}));
    let in_iptables = |world: &World| !iptables(world, IpFamily::Ipv4, "CNI-FORWARD").is_empty();
    let nftables = world();
    nftables.add::<Firewall>(&plain).unwrap();
    assert!(!in_iptables(&nftables) && nftables.firewalld_sources().is_empty());
    let firewalld = world();
    firewalld.with_firewalld();
    firewalld.add::<Firewall>(&plain).unwrap();
    assert_eq!(firewalld.firewalld_sources(), ["trusted 10.1.0.2/32", "trusted fd00::2/128"]);
    assert!(!in_iptables(&firewalld));
    // Who names a chain of iptables wants its rules to be seen.
    let named = world();
    named.with_firewalld();
    named.add::<Firewall>(&config("net", &json!({"iptablesAdminChainName": "OFFICE"}))).unwrap();
    assert!(in_iptables(&named) && named.firewalld_sources().is_empty());
    let old = world();
    for call in ["nftables.list-base-chains", "nftables.apply"] {
        old.fail_always(call, FailureKind::Unsupported);
    }
    old.add::<Firewall>(&plain).unwrap();
    assert!(in_iptables(&old));
    old.del::<Firewall>(&plain).unwrap();
    assert_eq!(traces(&old), Vec::<String>::new());
}

#[test]
fn del_finds_everything_without_the_result_and_with_another_configuration() {
    for (added, deleted) in [
        (json!({"backend": "iptables", "ingressPolicy": "isolated"}), json!({"backend": "nftables"})),
        (json!({"backend": "firewalld", "firewalldZone": "internal"}), json!({"backend": "iptables"})),
        (json!({"ingressPolicy": "isolated"}), json!({"backend": "no such", "ingressPolicy": 7})),
    ] {
        let world = world();
        world.with_firewalld();
        iptables_is_used();
        world.add::<Firewall>(&config("net", &added)).unwrap();
        world.without_netns();
        assert_eq!(world.del::<Firewall>(&without_result("net", &deleted)), Ok(()));
        assert_eq!(traces(&world), Vec::<String>::new(), "{added}");
        assert_eq!(world.del::<Firewall>(&without_result("net", &deleted)), Ok(()));
    }
}

#[test]
fn del_asks_nobody_to_start_a_program_where_iptables_has_nothing() {
    let world = world();
    let text = config("net", &json!({}));
    world.add::<Firewall>(&text).unwrap();
    world.clear_calls();
    world.del::<Firewall>(&text).unwrap();
    assert!(!world.calls().iter().any(|call| call.starts_with("iptables.save")), "{:?}", world.calls());
}

#[test]
fn what_somebody_else_has_by_now_stays_open() {
    let world = world();
    iptables_is_used();
    let text = config("net", &json!({}));
    world.add::<Firewall>(&text).unwrap();
    world.attachment("c2", "eth0").add::<Firewall>(&text).unwrap();
    world.attachment("c1", "eth0").del::<Firewall>(&text).unwrap();
    assert_eq!(iptables(&world, IpFamily::Ipv4, "CNI-FORWARD").len(), 4);
    world.del::<Firewall>(&text).unwrap();
    assert_eq!(world.attachment("c2", "eth0").check::<Firewall>(&text), Ok(()));
    world.del::<Firewall>(&text).unwrap();
    assert_eq!(traces(&world), Vec::<String>::new());
}

#[test]
fn gc_spares_valid_attachments_and_other_networks() {
    let world = world();
    world.with_firewalld();
    iptables_is_used();
    foreign_chain(Policy::Drop);
    let keys = json!({"backend": "firewalld"});
    let at = |network: &str, address: &str| {
        config(network, &keys).replace("10.1.0.2", address).replace("fd00::2", &address.replace("10.1.0.", "fd00::"))
    };
    world.add::<Firewall>(&at("net", "10.1.0.2")).unwrap();
    world.attachment("c2", "eth0").add::<Firewall>(&at("net", "10.1.0.3")).unwrap();
    world.attachment("c1", "eth0").add::<Firewall>(&at("other", "10.1.0.4")).unwrap();
    let before = traces(&world).len();
    world.gc::<Firewall>(&without_result("net", &keys), &[("c2", "eth0")]).unwrap();
    let left = traces(&world);
    assert!(!left.iter().any(|trace| trace.contains("10.1.0.2") || trace.contains("fd00::2")), "{left:?}");
    assert_eq!(left.len() * 3, before * 2, "{left:?}");
    assert_eq!(world.check::<Firewall>(&at("other", "10.1.0.4")), Ok(()));
    world.gc::<Firewall>(&without_result("net", &keys), &[]).unwrap();
    world.gc::<Firewall>(&without_result("other", &keys), &[]).unwrap();
    assert_eq!(traces(&world), Vec::<String>::new());
}

#[test]
fn wrong_values_are_refused_by_all_but_del() {
    let world = world();
    for keys in [
        json!({"backend": "ipchains"}),
        json!({"ingressPolicy": "closed"}),
        json!({"iptablesAdminChainName": "-j"}),
        json!({"iptablesAdminChainName": "twenty-nine-characters-are-too"}),
    ] {
        let text = config("net", &keys);
        assert_eq!(world.add::<Firewall>(&text).unwrap_err().code, 7, "{keys}");
        assert_eq!(world.check::<Firewall>(&text).unwrap_err().code, 7, "{keys}");
        assert_eq!(world.status::<Firewall>(&text).unwrap_err().code, 7, "{keys}");
        assert_eq!(world.del::<Firewall>(&text), Ok(()), "{keys}");
    }
    assert_eq!(world.add::<Firewall>(&without_result("net", &json!({}))).unwrap_err().code, 7);
}

#[test]
fn status_says_what_is_missing() {
    let world = world();
    let status = |keys: Value| world.status::<Firewall>(&config("net", &keys)).map_err(|error| error.code);
    assert_eq!(status(json!({})), Ok(()));
    assert_eq!(status(json!({"backend": "firewalld"})), Err(50));
    world.with_firewalld();
    assert_eq!(status(json!({"backend": "firewalld"})), Ok(()));
    assert_eq!(status(json!({"backend": "iptables"})), Ok(()));
    world.without_iptables();
    assert_eq!(status(json!({"backend": "iptables"})), Err(50));
    assert_eq!(status(json!({"backend": "nftables"})), Ok(()));
    world.fail_always("nftables.list-base-chains", FailureKind::Unsupported);
    assert_eq!(status(json!({"backend": "nftables"})), Err(50));
}
