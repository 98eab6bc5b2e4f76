//! The rules of the backend iptables.

use serde_json::{Value, json};
use weir_sdk::naming::chain_name;
use weir_sdk::net::IpFamily;
use weir_sdk::net::iptables::{Command, Rule};
use weir_sdk::net::nftables::{Batch, Chain, Table};
use weir_sdk::testing::World;
use weir_sdk::{FailureKind, Netns};

use super::{config, mapping, world};
use crate::Portmap;

const COMMENT: &str = "-m comment --comment dnat name: \"net\" id: \"c1\" if: \"eth0\"";

fn rules(world: &World, family: IpFamily, chain: &str) -> Vec<String> {
    world.host().iptables_rules(family, "nat", chain).unwrap_or_default()
}

fn own_chains(world: &World, family: IpFamily) -> Vec<String> {
    world.host().iptables_chains(family, "nat").into_iter().filter(|chain| chain.starts_with("CNI-DN-")).collect()
}

fn restore(commands: &[Command]) {
    Netns::host().unwrap().iptables_restore(IpFamily::Ipv4, "nat", commands).unwrap();
}

fn with(more: &Value) -> Value {
    let mut all = json!({"backend": "iptables"});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

#[test]
fn the_layout_is_that_of_the_reference_plugin() {
    let world = world();
    let mappings = [mapping(8080, 80, "TCP"), mapping(8081, 81, "tcp"), mapping(53, 5353, "udp")];
    world.add::<Portmap>(&config("net", &mappings, &with(&json!({})))).unwrap();
    let ipv4 = IpFamily::Ipv4;
    for hook in ["PREROUTING", "OUTPUT"] {
        assert_eq!(rules(&world, ipv4, hook), ["-m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT"]);
    }
    assert_eq!(
        rules(&world, ipv4, "POSTROUTING"),
        ["-m comment --comment CNI portfwd requiring masquerade -j CNI-HOSTPORT-MASQ"]
    );
    assert_eq!(rules(&world, ipv4, "CNI-HOSTPORT-MASQ"), ["-m mark --mark 0x2000/0x2000 -j MASQUERADE"]);
    assert_eq!(
        rules(&world, ipv4, "CNI-HOSTPORT-SETMARK"),
        ["-m comment --comment CNI portfwd masquerade mark -j MARK --set-xmark 0x2000/0x2000"]
    );
    let own = own_chains(&world, ipv4).remove(0);
    assert_eq!(own.len(), 28);
    assert_eq!(
        rules(&world, ipv4, "CNI-HOSTPORT-DNAT"),
        [
            format!("-p tcp {COMMENT} -m multiport --dports 8080,8081 -j {own}"),
            format!("-p udp {COMMENT} -m multiport --dports 53 -j {own}"),
        ]
    );
    assert_eq!(
        rules(&world, ipv4, &own)[..3],
        [
            "-s 10.1.0.0/24 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK",
            "-s 127.0.0.1/32 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK",
            "-p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80",
        ]
    );
    assert_eq!(
        rules(&world, IpFamily::Ipv6, &own)[..2],
        [
            "-s fd00::/64 -p tcp -m tcp --dport 8080 -j CNI-HOSTPORT-SETMARK",
            "-p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd00::2]:80",
        ]
    );
}

#[test]
fn an_add_is_one_listing_and_one_transaction_for_each_family() {
    let world = world();
    world.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &with(&json!({})))).unwrap();
    let calls = world.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("iptables.save")).count(), 2, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| call.starts_with("iptables.restore")).count(), 2, "{calls:?}");
    assert!(!calls.iter().any(|call| call.starts_with("iptables.available")), "{calls:?}");
}

#[test]
fn more_than_15_ports_are_split() {
    let world = world();
    let mappings: Vec<_> = (1..=31).map(|port| mapping(port, port, "tcp")).collect();
    world.add::<Portmap>(&config("net", &mappings, &with(&json!({})))).unwrap();
    let entries = rules(&world, IpFamily::Ipv4, "CNI-HOSTPORT-DNAT");
    let counts: Vec<_> = entries.iter().map(|rule| rule.matches(',').count()).collect();
    assert_eq!(counts, [14, 14, 0]);
}

#[test]
fn keys_change_the_rules() {
    let one = |more: Value| {
        let world = world();
        let at = json!({"hostPort": 1, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.1"});
        if more.get("externalSetMarkChain").is_some() {
            restore(&[Command::CreateChain("KUBE-MARK-MASQ".into())]);
        }
        world.add::<Portmap>(&config("net", &[at], &with(&more))).unwrap();
        let own = own_chains(&world, IpFamily::Ipv4).remove(0);
        assert_eq!(own_chains(&world, IpFamily::Ipv6), Vec::<String>::new());
        (rules(&world, IpFamily::Ipv4, &own), world)
    };
    let dnat = "-d 192.0.2.1/32 -p tcp -m tcp --dport 1 -j DNAT --to-destination 10.1.0.2:80";
    let (without, world) = one(json!({"snat": false}));
    assert_eq!(without, [dnat]);
    assert_eq!(rules(&world, IpFamily::Ipv4, "POSTROUTING"), Vec::<String>::new());
    let (all, _) = one(json!({"masqAll": true}));
    assert_eq!(all, ["-d 192.0.2.1/32 -p tcp -m tcp --dport 1 -j CNI-HOSTPORT-SETMARK", dnat]);
    let (external, world) = one(json!({"externalSetMarkChain": "KUBE-MARK-MASQ"}));
    assert!(external[0].ends_with("-j KUBE-MARK-MASQ"));
    assert_eq!(rules(&world, IpFamily::Ipv4, "POSTROUTING"), Vec::<String>::new());
    let (_, world) = one(json!({"markMasqBit": 31}));
    assert_eq!(
        rules(&world, IpFamily::Ipv4, "CNI-HOSTPORT-MASQ"),
        ["-m mark --mark 0x80000000/0x80000000 -j MASQUERADE"]
    );
    let (_, world) = one(json!({"conditionsV4": ["!", "-s", "192.0.2.0/24"]}));
    assert!(rules(&world, IpFamily::Ipv4, "CNI-HOSTPORT-DNAT")[0].contains("--dports 1 ! -s 192.0.2.0/24 -j CNI-DN-"));
}

#[test]
fn a_chain_of_somebody_else_that_is_missing_is_an_error() {
    let world = world();
    let text = config("net", &[mapping(8080, 80, "tcp")], &with(&json!({"externalSetMarkChain": "NOT-THERE"})));
    assert!(world.add::<Portmap>(&text).unwrap_err().msg.contains("NOT-THERE"));
    assert_eq!(own_chains(&world, IpFamily::Ipv4), Vec::<String>::new());
}

#[test]
fn shared_chains_are_made_once_and_the_newest_attachment_stands_first() {
    let world = world();
    let text = config("net", &[mapping(8080, 80, "tcp")], &with(&json!({})));
    world.add::<Portmap>(&text).unwrap();
    let first = rules(&world, IpFamily::Ipv4, "CNI-HOSTPORT-DNAT");
    world.attachment("c2", "eth0").add::<Portmap>(&text).unwrap();
    let both = rules(&world, IpFamily::Ipv4, "CNI-HOSTPORT-DNAT");
    assert_eq!(both.len(), 2);
    assert_eq!(both[1], first[0]);
    for chain in ["PREROUTING", "OUTPUT", "POSTROUTING", "CNI-HOSTPORT-MASQ", "CNI-HOSTPORT-SETMARK"] {
        assert_eq!(rules(&world, IpFamily::Ipv4, chain).len(), 1, "{chain}");
    }
}

#[test]
fn an_add_without_del_before_replaces_the_rules() {
    let world = world();
    world.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &with(&json!({})))).unwrap();
    world.add::<Portmap>(&config("net", &[mapping(9090, 90, "tcp")], &with(&json!({})))).unwrap();
    let entries = rules(&world, IpFamily::Ipv4, "CNI-HOSTPORT-DNAT");
    assert_eq!(entries.len(), 1);
    assert!(entries[0].contains("9090"));
}

#[test]
fn a_transaction_that_loses_to_another_command_is_done_again() {
    for kind in [FailureKind::AlreadyExists, FailureKind::NotFound, FailureKind::Busy] {
        let world = world();
        world.fail_call("iptables.restore", 1, kind);
        let text = config("net", &[mapping(8080, 80, "tcp")], &with(&json!({})));
        world.add::<Portmap>(&text).unwrap();
        assert_eq!(world.check::<Portmap>(&text), Ok(()));
    }
}

#[test]
fn chains_of_the_reference_plugin_pass_check_and_go_with_del_and_gc() {
    let text = config("net", &[mapping(8080, 80, "tcp")], &with(&json!({"snat": false})));
    let old = |container: &str| {
        let name = chain_name("DN-", "net", container);
        let mut entry =
            Rule::new("CNI-HOSTPORT-DNAT", "-p tcp").comment(&format!("dnat name: \"net\" id: \"{container}\""));
        entry.words.extend(["-m", "multiport", "--dports", "8080", "-j", &name].map(str::to_owned));
        let dnat = Rule::new(&name, "-p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.1.0.2:80");
        restore(&[Command::CreateChain(name), Command::Append(entry), Command::Append(dnat)]);
    };
    let world = world();
    restore(&[Command::CreateChain("CNI-HOSTPORT-DNAT".into())]);
    old("c1");
    old("c2");
    let mut ipv4_only: Value = serde_json::from_str(&text).unwrap();
    ipv4_only["prevResult"]["ips"].as_array_mut().unwrap().pop();
    assert_eq!(world.check::<Portmap>(&ipv4_only.to_string()), Ok(()));
    world.gc::<Portmap>(&text, &[("c1", "eth0")]).unwrap();
    assert_eq!(own_chains(&world, IpFamily::Ipv4), [chain_name("DN-", "net", "c1")]);
    world.del::<Portmap>(&text).unwrap();
    assert_eq!(own_chains(&world, IpFamily::Ipv4), Vec::<String>::new());
    assert_eq!(rules(&world, IpFamily::Ipv4, "CNI-HOSTPORT-DNAT"), Vec::<String>::new());
}

#[test]
fn del_without_mappings_finds_the_rules_of_iptables_legacy_beside_a_table_that_somebody_wrote_in_nftables() {
    for (chain, found) in [("postrouting", true), ("POSTROUTING", false)] {
        let world = world();
        world.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &json!({"backend": "iptables"}))).unwrap();
        let host = Netns::host().unwrap();
        for table in [Table::ip("nat"), Table::ip6("nat")] {
            Batch::new(table).ensure_table().ensure_chain(Chain::regular(chain)).apply(&host).unwrap();
        }
        let bare = json!({"cniVersion": "1.1.0", "name": "net", "type": "portmap"}).to_string();
        world.clear_calls().del::<Portmap>(&bare).unwrap();
        // iptables that keeps its rules in nftables would have shown them there, so its programs are not started.
        assert_eq!(world.calls().iter().any(|call| call.starts_with("iptables.")), found, "{:#?}", world.calls());
        assert_eq!(own_chains(&world, IpFamily::Ipv4).is_empty(), found, "{chain}");
    }
}
