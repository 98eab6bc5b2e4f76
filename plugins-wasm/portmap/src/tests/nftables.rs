//! The rules of the backend nftables.

use serde_json::{Value, json};
use weir_sdk::Netns;
use weir_sdk::net::nftables::{Batch, Chain, Rule, Table};
use weir_sdk::testing::World;

use super::{config, mapping, world};
use crate::Portmap;

fn with(more: &Value) -> Value {
    let mut all = json!({"backend": "nftables"});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

/// Rules of a chain without their comments.
fn chain(world: &World, family: &str, chain: &str) -> Vec<String> {
    let rules = world.host().nft_rules(family, "cni_hostport", chain);
    rules.into_iter().map(|rule| rule.split(" comment ").next().unwrap().to_owned()).collect()
}

#[test]
fn mappings_of_both_families_have_one_rule_each() {
    let world = world();
    let mappings = [mapping(8080, 80, "TCP"), mapping(53, 5353, "udp"), mapping(99, 99, "sctp")];
    world.add::<Portmap>(&config("net", &mappings, &with(&json!({})))).unwrap();
    assert_eq!(
        chain(&world, "ip", "hostports"),
        [
            "meta l4proto 6 th dport 8080 dnat to 10.1.0.2:80",
            "meta l4proto 17 th dport 53 dnat to 10.1.0.2:5353",
            "meta l4proto 132 th dport 99 dnat to 10.1.0.2:99",
        ]
    );
    assert_eq!(
        chain(&world, "ip6", "hostports"),
        [
            "meta l4proto 6 th dport 8080 dnat to [fd00::2]:80",
            "meta l4proto 17 th dport 53 dnat to [fd00::2]:5353",
            "meta l4proto 132 th dport 99 dnat to [fd00::2]:99",
        ]
    );
    assert_eq!(
        chain(&world, "ip", "masquerading"),
        [
            "ip saddr 10.1.0.0/24 ip daddr 10.1.0.2 ct status & 0x20 != 0 masquerade",
            "ip saddr 127.0.0.1 ip daddr 10.1.0.2 ct status & 0x20 != 0 masquerade",
        ]
    );
    assert_eq!(
        chain(&world, "ip6", "masquerading"),
        ["ip6 saddr fd00::/64 ip6 daddr fd00::2 ct status & 0x20 != 0 masquerade"]
    );
}

#[test]
fn base_chains_send_what_is_for_this_host_to_the_mappings() {
    let world = world();
    world.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &with(&json!({})))).unwrap();
    for name in ["prerouting", "output"] {
        assert_eq!(chain(&world, "ip", name), ["fib daddr type 2 jump hostports_all"]);
        assert_eq!(world.host().nft_base_chain("ip", "cni_hostport", name).unwrap().priority, -100);
    }
    assert_eq!(chain(&world, "ip", "hostports_all"), ["jump hostip_hostports", "jump hostports"]);
    assert_eq!(world.host().nft_base_chain("ip", "cni_hostport", "masquerading").unwrap().priority, 100);
}

#[test]
fn an_add_is_one_transaction_for_each_family_and_lists_nothing() {
    let world = world();
    world.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &with(&json!({})))).unwrap();
    let calls = world.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("nftables.")).count(), 2, "{calls:?}");
}

#[test]
fn an_address_of_the_host_decides_the_family_and_the_chain() {
    let world = world();
    let at =
        |address: &str, port: u16| json!({"hostPort": port, "containerPort": 80, "protocol": "tcp", "hostIP": address});
    let mappings = [at("192.0.2.1", 1), at("2001:db8::1", 2), at("0.0.0.0", 3), at("::", 4), at("::ffff:192.0.2.9", 5)];
    world.add::<Portmap>(&config("net", &mappings, &with(&json!({})))).unwrap();
    assert_eq!(
        chain(&world, "ip", "hostip_hostports"),
        [
            "ip daddr 192.0.2.1 meta l4proto 6 th dport 1 dnat to 10.1.0.2:80",
            "ip daddr 192.0.2.9 meta l4proto 6 th dport 5 dnat to 10.1.0.2:80",
        ]
    );
    assert_eq!(chain(&world, "ip", "hostports"), ["meta l4proto 6 th dport 3 dnat to 10.1.0.2:80"]);
    assert_eq!(
        chain(&world, "ip6", "hostip_hostports"),
        ["ip6 daddr 2001:db8::1 meta l4proto 6 th dport 2 dnat to [fd00::2]:80"]
    );
    assert_eq!(chain(&world, "ip6", "hostports"), ["meta l4proto 6 th dport 4 dnat to [fd00::2]:80"]);
}

#[test]
fn a_family_without_mappings_is_left_alone() {
    let world = world();
    let mapping = json!({"hostPort": 1, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.1"});
    world.add::<Portmap>(&config("net", &[mapping], &with(&json!({})))).unwrap();
    assert_eq!(world.host().nft_chains("ip6", "cni_hostport"), Vec::<String>::new());
}

#[test]
fn conditions_are_part_of_the_rules_of_their_attachment_alone() {
    let world = world();
    let conditions = with(&json!({
        "conditionsV4": ["ip", "saddr", "!=", "192.0.2.0/24"],
        "conditionsV6": ["iifname != \"eth1\""],
    }));
    world.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &conditions)).unwrap();
    world.attachment("c2", "eth0");
    world.add::<Portmap>(&config("net", &[mapping(8081, 80, "tcp")], &with(&json!({})))).unwrap();
    assert_eq!(
        chain(&world, "ip", "hostports"),
        [
            "meta l4proto 6 th dport 8081 dnat to 10.1.0.2:80",
            "meta l4proto 6 th dport 8080 ip saddr != 192.0.2.0/24 dnat to 10.1.0.2:80",
        ]
    );
    assert_eq!(
        chain(&world, "ip6", "hostports")[1],
        "meta l4proto 6 th dport 8080 iifname != \"eth1\" dnat to [fd00::2]:80"
    );
    assert_eq!(chain(&world, "ip", "prerouting"), ["fib daddr type 2 jump hostports_all"]);
}

#[test]
fn the_attachment_that_came_last_gets_the_port_and_gives_it_back() {
    let world = world();
    let text = config("net", &[mapping(8080, 80, "tcp")], &with(&json!({})));
    world.add::<Portmap>(&text).unwrap();
    let second = text.replace("10.1.0.2/24", "10.1.0.9/24");
    world.attachment("c2", "eth0").add::<Portmap>(&second).unwrap();
    assert!(chain(&world, "ip", "hostports")[0].ends_with("10.1.0.9:80"));
    world.del::<Portmap>(&second).unwrap();
    assert_eq!(chain(&world, "ip", "hostports"), ["meta l4proto 6 th dport 8080 dnat to 10.1.0.2:80"]);
}

#[test]
fn masquerade_follows_snat_and_masq_all() {
    let none = world();
    none.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &with(&json!({"snat": false})))).unwrap();
    assert!(!none.host().nft_chains("ip", "cni_hostport").contains(&"masquerading".to_owned()));
    let all = world();
    all.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &with(&json!({"masqAll": true})))).unwrap();
    assert_eq!(chain(&all, "ip", "masquerading"), ["ip daddr 10.1.0.2 ct status & 0x20 != 0 masquerade"]);
}

#[test]
fn comments_name_network_interface_and_container_and_fit() {
    let world = world();
    world.attachment(&"c".repeat(200), "eth0");
    let network = "n".repeat(200);
    let text = config(&network, &[mapping(8080, 80, "tcp"), mapping(8081, 80, "tcp")], &with(&json!({})));
    world.add::<Portmap>(&text).unwrap();
    assert_eq!(world.check::<Portmap>(&text), Ok(()));
    world.del::<Portmap>(&text).unwrap();
    assert_eq!(chain(&world, "ip", "hostports"), Vec::<String>::new());
    world.attachment("c1", "eth0");
    world.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &with(&json!({})))).unwrap();
    let rule = world.host().nft_rules("ip", "cni_hostport", "hostports").remove(0);
    assert!(rule.ends_with("tcp :8080 to 10.1.0.2:80, net: net, if: eth0, id: c1\""), "{rule}");
}

/// Rules as the reference plugin leaves them.
fn reference_rules(container: &str) {
    let rule = || Rule::new().dnat("10.1.0.2".parse().unwrap(), Some(80)).comment(container);
    let host = Netns::host().unwrap();
    Batch::new(Table::ip("cni_hostport"))
        .ensure_table()
        .ensure_chain(Chain::regular("hostports").rule(rule()))
        .ensure_chain(Chain::regular("masquerading").rule(Rule::new().masquerade().comment(container)))
        .apply(&host)
        .unwrap();
}

#[test]
fn rules_of_the_reference_plugin_pass_check_and_go_with_del() {
    let world = world();
    reference_rules("c1");
    let mapping = json!({"hostPort": 1, "containerPort": 80, "protocol": "tcp", "hostIP": "0.0.0.0"});
    let text = config("net", &[mapping], &with(&json!({})));
    assert_eq!(world.check::<Portmap>(&text), Ok(()));
    // They do not say which network they belong to.
    world.gc::<Portmap>(&text, &[]).unwrap();
    assert_eq!(chain(&world, "ip", "hostports").len(), 1);
    world.attachment("c2", "eth0").del::<Portmap>(&text).unwrap();
    assert_eq!(chain(&world, "ip", "hostports").len(), 1);
    world.attachment("c1", "eth0").del::<Portmap>(&text).unwrap();
    assert_eq!(chain(&world, "ip", "hostports"), Vec::<String>::new());
    assert_eq!(chain(&world, "ip", "masquerading"), Vec::<String>::new());
}
