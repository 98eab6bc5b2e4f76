//! Tests on the in-memory host: what both backends share.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod iptables;
mod nftables;

use serde_json::{Value, json};
use weir_sdk::FailureKind;
use weir_sdk::net::{BridgeOptions, IpFamily};
use weir_sdk::testing::World;

use super::Portmap;

/// A host with a bridge to a container that has an address of each family.
fn world() -> World {
    let world = World::new();
    world.host().add_bridge("cni0", BridgeOptions::default());
    world.host().add_address("cni0", "10.1.0.1/24".parse().unwrap());
    world.host().set_sysctl("net/ipv4/conf/cni0/route_localnet", "0");
    world
}

fn prev_result() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "cni0"}, {"name": "eth0", "sandbox": "/run/netns/c1"}],
        "ips": [
            {"interface": 0, "address": "10.1.0.1/24"},
            {"interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1"},
            {"interface": 1, "address": "10.1.0.3/24"},
            {"interface": 1, "address": "fd00::2/64"},
        ],
    })
}

fn mapping(host: u16, container: u16, protocol: &str) -> Value {
    json!({"hostPort": host, "containerPort": container, "protocol": protocol})
}

/// A configuration of a network, with more keys.
fn config(network: &str, mappings: &[Value], more: &Value) -> String {
    let mut config = json!({
        "cniVersion": "1.1.0", "name": network, "type": "portmap",
        "prevResult": prev_result(),
        "runtimeConfig": {"portMappings": mappings},
    });
    let object = config.as_object_mut().unwrap();
    object.extend(more.as_object().unwrap().clone());
    config.to_string()
}

fn both_backends() -> [Value; 2] {
    [json!({"backend": "nftables"}), json!({"backend": "iptables"})]
}

/// All rules that mention the container, of both backends and families.
fn rules(world: &World) -> Vec<String> {
    let host = world.host();
    let mut rules = Vec::new();
    for family in ["ip", "ip6"] {
        for chain in ["hostports", "hostip_hostports", "masquerading"] {
            rules.extend(host.nft_rules(family, "cni_hostport", chain));
        }
    }
    for family in [IpFamily::Ipv4, IpFamily::Ipv6] {
        for chain in host.iptables_chains(family, "nat") {
            if chain.starts_with("CNI-DN-") {
                rules.extend(host.iptables_rules(family, "nat", &chain).unwrap());
                rules.push(chain);
            }
        }
        rules.extend(host.iptables_rules(family, "nat", "CNI-HOSTPORT-DNAT").unwrap_or_default());
    }
    rules
}

#[test]
fn add_passes_the_previous_result_on() {
    for backend in both_backends() {
        let world = world();
        let result = world.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &backend)).unwrap();
        assert_eq!(result.ips.len(), 4);
        assert_eq!(result.interfaces[1].name, "eth0");
    }
}

#[test]
fn without_mappings_nothing_is_done() {
    let world = world();
    world.add::<Portmap>(&config("net", &[], &json!({}))).unwrap();
    assert_eq!(world.calls(), Vec::<String>::new());
    assert_eq!(world.check::<Portmap>(&config("net", &[], &json!({}))), Ok(()));
}

#[test]
fn a_previous_result_is_needed_for_add_and_check_only() {
    let world = world();
    let alone = json!({"cniVersion": "1.1.0", "name": "net", "type": "portmap"}).to_string();
    assert_eq!(world.add::<Portmap>(&alone).unwrap_err().code, 7);
    assert_eq!(world.check::<Portmap>(&alone).unwrap_err().code, 7);
    assert_eq!(world.del::<Portmap>(&alone), Ok(()));
}

#[test]
fn without_a_backend_in_the_configuration_iptables_is_taken_unless_there_is_none() {
    let world_with = world();
    let text = config("net", &[mapping(8080, 80, "tcp")], &json!({}));
    world_with.add::<Portmap>(&text).unwrap();
    assert!(world_with.host().iptables_rules(IpFamily::Ipv4, "nat", "CNI-HOSTPORT-DNAT").is_some());
    assert_eq!(world_with.host().nft_chains("ip", "cni_hostport"), Vec::<String>::new());
    let world_without = world();
    world_without.without_iptables();
    world_without.add::<Portmap>(&text).unwrap();
    assert_eq!(world_without.host().nft_rules("ip", "cni_hostport", "hostports").len(), 1);
    assert_eq!(world_without.check::<Portmap>(&text), Ok(()));
    world_without.del::<Portmap>(&text).unwrap();
    assert_eq!(world_without.host().nft_rules("ip", "cni_hostport", "hostports").len(), 0);
}

#[test]
fn connections_from_localhost_are_let_through_for_ipv4_with_snat() {
    let localnet = |world: &World| world.host().sysctl("net/ipv4/conf/cni0/route_localnet").unwrap();
    for backend in both_backends() {
        let world = world();
        world.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &backend)).unwrap();
        assert_eq!(localnet(&world), "1");
    }
    let world = world();
    world.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &json!({"snat": false}))).unwrap();
    assert_eq!(localnet(&world), "0");
}

#[test]
fn tracked_udp_connections_are_forgotten_after_the_rules_are_there() {
    for backend in both_backends() {
        let world = world();
        let udp = [mapping(53, 53, "UDP"), mapping(80, 80, "tcp")];
        world.add::<Portmap>(&config("net", &udp, &backend)).unwrap();
        let flows = world.flushed_flows();
        assert_eq!(flows.len(), 2);
        assert!(flows.iter().all(|flow| flow.protocol == 17 && flow.destination_port == 53));
        let calls = world.calls();
        assert!(calls.last().unwrap().starts_with("conntrack.flush"), "{calls:?}");
    }
}

#[test]
fn connections_that_cannot_be_forgotten_are_no_failure() {
    let world = world();
    world.fail_always("conntrack.flush", FailureKind::Denied);
    world.add::<Portmap>(&config("net", &[mapping(53, 53, "udp")], &json!({}))).unwrap();
    assert_eq!(world.log().len(), 1);
}

#[test]
fn whatever_host_call_fails_add_leaves_no_rules() {
    for backend in both_backends() {
        let text = config("net", &[mapping(8080, 80, "tcp"), mapping(53, 53, "udp")], &backend);
        for nth in 1.. {
            let world = world();
            world.fail_nth(nth, FailureKind::Io);
            if world.add::<Portmap>(&text).is_ok() {
                assert!(nth > 4, "faults were not met");
                break;
            }
            assert_eq!(rules(&world), Vec::<String>::new(), "call {nth} failed");
        }
    }
}

#[test]
fn del_takes_away_what_add_made_and_succeeds_again() {
    for backend in both_backends() {
        let world = world();
        let text = config("net", &[mapping(8080, 80, "tcp"), mapping(53, 53, "udp")], &backend);
        world.add::<Portmap>(&text).unwrap();
        assert_ne!(rules(&world), Vec::<String>::new());
        world.del::<Portmap>(&text).unwrap();
        assert_eq!(rules(&world), Vec::<String>::new());
        assert_eq!(world.del::<Portmap>(&text), Ok(()));
    }
}

#[test]
fn del_needs_neither_mappings_nor_result_nor_namespace_nor_a_valid_configuration() {
    for backend in both_backends() {
        for bare in [
            json!({"cniVersion": "1.1.0", "name": "net", "type": "portmap"}),
            json!({"cniVersion": "1.1.0", "name": "net", "type": "portmap", "backend": 7, "runtimeConfig": null}),
            json!({"name": "net", "markMasqBit": 99, "runtimeConfig": {"portMappings": [{"hostPort": 0}]}}),
        ] {
            let world = world();
            world.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &backend)).unwrap();
            world.destroy_container();
            world.del::<Portmap>(&bare.to_string()).unwrap();
            assert_eq!(rules(&world), Vec::<String>::new(), "{backend} {bare}");
        }
    }
}

#[test]
fn del_works_also_after_the_backend_of_the_configuration_changed() {
    let [nftables, iptables] = both_backends();
    let world = world();
    world.add::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &nftables)).unwrap();
    world.del::<Portmap>(&config("net", &[mapping(8080, 80, "tcp")], &iptables)).unwrap();
    assert_eq!(rules(&world), Vec::<String>::new());
}

#[test]
fn del_leaves_the_rules_of_all_other_attachments() {
    for backend in both_backends() {
        let world = world();
        let text = |network: &str| config(network, &[mapping(8080, 80, "tcp")], &backend);
        world.add::<Portmap>(&text("net")).unwrap();
        let alone = rules(&world);
        for (network, container, interface) in [("other", "c1", "eth0"), ("net", "c1", "eth1"), ("net", "c2", "eth0")] {
            world.attachment(container, interface);
            let more = text(network).replace("\"eth0\"", &format!("{interface:?}"));
            world.add::<Portmap>(&more).unwrap();
            assert_ne!(rules(&world), alone);
            world.del::<Portmap>(&more).unwrap();
            assert_eq!(rules(&world), alone, "{backend}: {network} {container} {interface}");
        }
    }
}

#[test]
fn gc_takes_away_what_belongs_to_no_valid_attachment_of_its_network() {
    for backend in both_backends() {
        let world = world();
        let text = |network: &str| config(network, &[mapping(8080, 80, "tcp")], &backend);
        world.add::<Portmap>(&text("net")).unwrap();
        world.add::<Portmap>(&text("net-2")).unwrap();
        let kept = rules(&world).len();
        world.attachment("c2", "eth0").add::<Portmap>(&text("net")).unwrap();
        assert!(rules(&world).len() > kept);
        let network = json!({"cniVersion": "1.1.0", "name": "net", "type": "portmap"}).to_string();
        world.gc::<Portmap>(&network, &[("c1", "eth0")]).unwrap();
        assert_eq!(rules(&world).len(), kept, "{backend}");
        assert_eq!(world.attachment("c1", "eth0").check::<Portmap>(&text("net")), Ok(()));
        world.gc::<Portmap>(&network, &[]).unwrap();
        assert!(world.check::<Portmap>(&text("net")).is_err());
        assert_eq!(world.check::<Portmap>(&text("net-2")), Ok(()));
    }
}

#[test]
fn check_fails_without_rules_and_with_those_of_other_mappings() {
    for backend in both_backends() {
        let world = world();
        let text = config("net", &[mapping(8080, 80, "tcp")], &backend);
        assert_eq!(world.check::<Portmap>(&text).unwrap_err().code, 999);
        world.add::<Portmap>(&text).unwrap();
        assert_eq!(world.check::<Portmap>(&text), Ok(()));
        for other in [mapping(8081, 80, "tcp"), mapping(8080, 81, "tcp"), mapping(8080, 80, "udp")] {
            let error = world.check::<Portmap>(&config("net", &[other], &backend)).unwrap_err();
            assert!(error.msg.contains("is missing"), "{error:?}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_the_word_that_is_wrong() {
    let world = world();
    for (mapping, word) in [
        (json!({"hostPort": 0, "containerPort": 80, "protocol": "tcp"}), "hostPort is 0"),
        (json!({"hostPort": 80, "containerPort": 65536, "protocol": "tcp"}), "containerPort is 65536"),
        (json!({"hostPort": -1, "containerPort": 80, "protocol": "tcp"}), "hostPort is -1"),
        (json!({"hostPort": 80, "containerPort": 80}), "protocol is \"\""),
        (json!({"hostPort": 80, "containerPort": 80, "protocol": "icmp"}), "\"icmp\""),
        (json!({"hostPort": 80, "containerPort": 80, "protocol": "tcp", "hostIP": "here"}), "\"here\""),
    ] {
        let error = world.add::<Portmap>(&config("net", &[mapping], &json!({}))).unwrap_err();
        assert!(error.code == 7 && error.msg.contains(word), "{word}: {error:?}");
    }
    for (key, word) in [
        (json!({"backend": "ipchains"}), "\"ipchains\""),
        (json!({"markMasqBit": 32}), "markMasqBit is 32"),
        (json!({"markMasqBit": -1}), "markMasqBit is -1"),
        (json!({"markMasqBit": 3, "externalSetMarkChain": "KUBE-MARK-MASQ"}), "exclude each other"),
        (json!({"backend": "nftables", "externalSetMarkChain": "KUBE-MARK-MASQ"}), "KUBE-MARK-MASQ"),
        (json!({"backend": "nftables", "conditionsV4": ["-s", "192.0.2.1"]}), "\"-s\""),
    ] {
        let error = world.add::<Portmap>(&config("net", &[mapping(80, 80, "tcp")], &key)).unwrap_err();
        assert!(error.code == 7 && error.msg.contains(word), "{word}: {error:?}");
    }
    let text = json!({"hostPort": "80", "containerPort": 80, "protocol": "tcp"});
    assert_eq!(world.add::<Portmap>(&config("net", &[text], &json!({}))).unwrap_err().code, 6);
    assert_eq!(rules(&world), Vec::<String>::new());
}

#[test]
fn status_says_when_the_configured_backend_cannot_work() {
    let world = world();
    let text = |backend: &str| json!({"cniVersion": "1.1.0", "name": "net", "backend": backend}).to_string();
    assert_eq!(world.status::<Portmap>(&text("iptables")), Ok(()));
    world.without_iptables();
    assert_eq!(world.status::<Portmap>(&text("iptables")).unwrap_err().code, 50);
    assert_eq!(world.status::<Portmap>(&text("nftables")), Ok(()));
    assert_eq!(world.status::<Portmap>(&text("")), Ok(()));
}
