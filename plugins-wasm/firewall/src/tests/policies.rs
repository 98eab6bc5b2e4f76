//! Ingress policies.

use super::*;

fn policies(world: &World) -> Vec<String> {
    world.host().nft_elements("inet", "cni_firewall", "policies")
}

#[test]
fn a_bridge_gets_its_policy_in_nftables() {
    let world = world();
    let text = config("net", &json!({"ingressPolicy": "same-bridge"}));
    world.add::<Firewall>(&text).unwrap();
    let own = policies(&world).remove(0);
    let (bridge, chain) = own.split_once(" : goto ").unwrap();
    assert_eq!(bridge, "\"cni0\"");
    assert_eq!(
        world.host().nft_rules("inet", "cni_firewall", chain),
        ["oifname \"cni0\" return", "oifname @bridges drop"]
    );
    assert_eq!(world.host().nft_rules("inet", "cni_firewall", "forward"), ["iifname vmap @policies"]);
    assert_eq!(world.host().nft_elements("bridge", "cni_firewall", "ports"), Vec::<String>::new());
    assert_eq!(world.check::<Firewall>(&text), Ok(()));
}

#[test]
fn isolated_ports_are_of_their_attachment() {
    for backend in ["nftables", "iptables"] {
        let world = world();
        let text = config("net", &json!({"ingressPolicy": "isolated", "backend": backend}));
        world.add::<Firewall>(&text).unwrap();
        let ports = || world.host().nft_elements("bridge", "cni_firewall", "ports");
        assert_eq!(ports(), ["\"veth1\""]);
        let rules = world.host().nft_rules("bridge", "cni_firewall", "forward");
        assert_eq!(rules, ["iifname @ports drop", "oifname @ports drop"]);
        assert_eq!(world.check::<Firewall>(&text), Ok(()));
        world.del::<Firewall>(&text).unwrap();
        assert_eq!(ports(), Vec::<String>::new());
    }
}

#[test]
fn the_last_policy_of_a_bridge_counts() {
    let world = world();
    let with = |policy: &str| config("net", &json!({"ingressPolicy": policy}));
    world.add::<Firewall>(&with("isolated")).unwrap();
    assert_eq!(policies(&world), ["\"cni0\" : goto isolated"]);
    world.add::<Firewall>(&with("same-bridge")).unwrap();
    assert_eq!(policies(&world).len(), 1);
    assert!(policies(&world)[0].contains("goto from-"));
    assert!(world.check::<Firewall>(&with("isolated")).is_err());
}

#[test]
fn isolation_comes_before_accept_rules_in_iptables() {
    let world = world();
    let text = config("net", &json!({"ingressPolicy": "isolated", "backend": "iptables"}));
    let order = |world: &World| {
        let rules = iptables(world, IpFamily::Ipv4, "FORWARD");
        rules.iter().map(|rule| rule.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    world.add::<Firewall>(&text).unwrap();
    assert_eq!(order(&world), ["CNI-ISOLATION-STAGE-1", "CNI-FORWARD"]);
    let stage_1 = iptables(&world, IpFamily::Ipv4, "CNI-ISOLATION-STAGE-1");
    assert!(stage_1[0].starts_with("-i cni0 -o cni0 ") && stage_1[0].ends_with("-j DROP"), "{stage_1:?}");
    assert!(stage_1[1].starts_with("-i cni0 ! -o cni0 ") && stage_1[1].ends_with("STAGE-2"), "{stage_1:?}");
    assert!(stage_1[2].ends_with("-j RETURN"), "{stage_1:?}");
    // Somebody took the jump to the accept rules away: it must not come back before isolation.
    let rules = iptables(&world, IpFamily::Ipv4, "FORWARD");
    let mut jump = Rule::new("FORWARD", "").comment("CNI firewall plugin rules");
    jump.words.extend(["-j", "CNI-FORWARD"].map(str::to_owned));
    assert_eq!(rules[1], jump.words.join(" "));
    restore(&[Command::Delete(jump.clone())]);
    world.add::<Firewall>(&config("net", &json!({"backend": "iptables"}))).unwrap();
    assert_eq!(order(&world), ["CNI-ISOLATION-STAGE-1", "CNI-FORWARD"]);
    // Or put it first.
    restore(&[Command::Delete(jump.clone()), Command::Prepend(jump)]);
    world.add::<Firewall>(&text).unwrap();
    assert_eq!(order(&world), ["CNI-ISOLATION-STAGE-1", "CNI-FORWARD"]);
    assert_eq!(world.check::<Firewall>(&text), Ok(()));
}

#[test]
fn policies_go_when_their_bridge_is_gone() {
    for backend in ["nftables", "iptables"] {
        let world = world();
        let text = config("net", &json!({"ingressPolicy": "same-bridge", "backend": backend}));
        let there = |world: &World| {
            let rules = iptables(world, IpFamily::Ipv6, "CNI-ISOLATION-STAGE-1");
            policies(world).len() + rules.iter().filter(|rule| rule.contains("cni0")).count()
        };
        world.add::<Firewall>(&text).unwrap();
        world.del::<Firewall>(&text).unwrap();
        world.gc::<Firewall>(&text, &[]).unwrap();
        assert_eq!(there(&world), 1, "{backend}");
        world.host().delete_link("cni0");
        world.gc::<Firewall>(&text, &[]).unwrap();
        assert_eq!(there(&world), 0, "{backend}");
        world.add::<Firewall>(&text).unwrap();
        world.del::<Firewall>(&text).unwrap();
        assert_eq!(there(&world), 0, "{backend}");
        let chains = world.host().nft_chains("inet", "cni_firewall");
        assert!(!chains.iter().any(|chain| chain.starts_with("from-")), "{chains:?}");
    }
}

#[test]
fn a_policy_needs_a_bridge() {
    let world = world();
    let text = config(
        "net",
        &json!({"ingressPolicy": "isolated", "prevResult": {
            "cniVersion": "1.1.0", "ips": [{"address": "10.1.0.2/24"}],
            "interfaces": [{"name": "eth0", "sandbox": "/run/netns/c1"}],
        }}),
    );
    let error = world.add::<Firewall>(&text).unwrap_err();
    assert!(error.code == 7 && error.msg.contains("bridge"), "{error:?}");
    assert_eq!(world.calls(), Vec::<String>::new());
}
