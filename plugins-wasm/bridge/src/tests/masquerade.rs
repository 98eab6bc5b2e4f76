//! `ipMasq` with both backends.

use weir_sdk::naming::hash;
use weir_sdk::net::IpFamily::{Ipv4, Ipv6};
use weir_sdk::testing::World;

use super::*;

const NFT: &str = r#""ipMasq": true, "ipMasqBackend": "nftables""#;
const IPTABLES: &str = r#""ipMasq": true, "ipMasqBackend": "iptables""#;

fn checks(world: &World) -> Vec<String> {
    world.host().nft_rules("inet", "cni_plugins_masquerade", "masq_checks")
}

fn other_interface(world: &World) {
    world.attachment("c1", "eth1");
    Ipam::install(world, r#"{"ips": [{"address": "10.1.2.4/24"}]}"#);
}

#[test]
fn nftables_rules_are_those_of_the_reference_plugin() {
    let (world, _) = world_with_ipam(DUAL);
    added(&world, &with_ipam(NFT));
    let comment = format!("{}-{}, net: net, if: eth0, id: c1", hash("net", 16), hash("eth0:c1", 16));
    assert_eq!(
        checks(&world),
        [
            format!("ip saddr 10.1.2.3 ip daddr != 10.1.2.0/24 masquerade comment \"{comment}\""),
            format!("ip6 saddr fd00:1::3 ip6 daddr != fd00:1::/64 masquerade comment \"{comment}\""),
        ]
    );
    assert_eq!(
        world.host().nft_rules("inet", "cni_plugins_masquerade", "postrouting"),
        ["ip daddr 224.0.0.0/4 return", "ip6 daddr ff00::/8 return", "goto masq_checks"]
    );
    let base = world.host().nft_base_chain("inet", "cni_plugins_masquerade", "postrouting").unwrap();
    assert_eq!(base.priority, 100);
}

#[test]
fn nftables_needs_one_transaction_on_add() {
    let (world, _) = world_with_ipam(DUAL);
    added(&world, &with_ipam(NFT));
    assert_eq!(world.calls().iter().filter(|call| call.starts_with("nftables")).count(), 1);
}

#[test]
fn nftables_del_removes_the_rules_of_the_attachment_alone() {
    let (world, _) = world_with_ipam(DUAL);
    let (_, first) = added(&world, &with_ipam(NFT));
    other_interface(&world);
    let (_, second) = added(&world, &with_ipam(NFT));
    assert_eq!(checks(&world).len(), 3);
    world.attachment("c1", "eth0").del::<Bridge>(&first).unwrap();
    assert_eq!(checks(&world).len(), 1);
    world.attachment("c1", "eth1").del::<Bridge>(&second).unwrap();
    assert_nothing_left(&world, "both deleted");
}

#[test]
fn iptables_rules_are_those_of_the_reference_plugin() {
    let (world, _) = world_with_ipam(DUAL);
    added(&world, &with_ipam(IPTABLES));
    let chain = format!("CNI-{}", hash("netc1", 24));
    let comment = r#"-m comment --comment name: "net" id: "c1""#;
    for (family, subnet, multicast, address) in
        [(Ipv4, "10.1.2.0/24", "224.0.0.0/4", "10.1.2.3"), (Ipv6, "fd00:1::/64", "ff00::/8", "fd00:1::3")]
    {
        let rules = |chain: &str| world.host().iptables_rules(family, "nat", chain).unwrap();
        assert_eq!(
            rules(&chain),
            [format!("-d {subnet} -j ACCEPT {comment}"), format!("! -d {multicast} -j MASQUERADE {comment}")]
        );
        assert_eq!(rules("POSTROUTING"), [format!("-s {address} -j {chain} {comment}")]);
    }
}

#[test]
fn iptables_needs_one_transaction_for_each_family_on_add() {
    let (world, _) = world_with_ipam(DUAL);
    added(&world, &with_ipam(IPTABLES));
    let calls: Vec<_> = world.calls().into_iter().filter(|call| call.starts_with("iptables")).collect();
    assert_eq!(calls, ["iptables.restore nat", "iptables.restore nat"]);
}

#[test]
fn two_interfaces_of_a_container_share_the_chain_of_iptables() {
    let (world, _) = world_with_ipam(IPV4);
    let (_, first) = added(&world, &with_ipam(IPTABLES));
    other_interface(&world);
    Ipam::install(&world, r#"{"ips": [{"address": "10.7.7.4/24"}]}"#);
    let (_, second) = added(&world, &with_ipam(IPTABLES));
    let chain = format!("CNI-{}", hash("netc1", 24));
    let rules = |chain: &str| world.host().iptables_rules(Ipv4, "nat", chain);
    assert_eq!(rules(&chain).unwrap().len(), 3);
    assert!(rules(&chain).unwrap()[2].contains("MASQUERADE"));
    world.attachment("c1", "eth0").del::<Bridge>(&first).unwrap();
    assert_eq!(rules("POSTROUTING").unwrap().len(), 1);
    assert!(rules(&chain).is_some());
    world.attachment("c1", "eth1").del::<Bridge>(&second).unwrap();
    assert_nothing_left(&world, "both deleted");
}

#[test]
fn iptables_is_the_default_where_it_is_installed() {
    for installed in [true, false] {
        let (world, _) = world_with_ipam(IPV4);
        if !installed {
            world.without_iptables();
        }
        added(&world, &with_ipam(r#""ipMasq": true"#));
        assert_eq!(checks(&world).is_empty(), installed);
    }
}

#[test]
fn del_finds_rules_of_the_other_backend() {
    for (made, removed) in [(NFT, IPTABLES), (NFT, r#""ipMasq": true"#), (IPTABLES, r#""ipMasq": true"#)] {
        let (world, _) = world_with_ipam(DUAL);
        added(&world, &with_ipam(made));
        world.del::<Bridge>(&with_ipam(removed)).unwrap();
        assert_nothing_left(&world, removed);
    }
}

#[test]
fn gc_removes_rules_of_attachments_that_are_no_more() {
    for keys in [NFT, IPTABLES] {
        let (world, ipam) = world_with_ipam(DUAL);
        added(&world, &with_ipam(keys));
        world.gc::<Bridge>(&with_ipam(keys), &[("c1", "eth0")]).unwrap();
        let jumps = || world.host().iptables_rules(Ipv4, "nat", "POSTROUTING").unwrap().len();
        assert_eq!(checks(&world).len() + jumps(), if keys == NFT { 2 } else { 1 });
        let other = with_ipam(keys).replace(r#""name": "net""#, r#""name": "other""#);
        world.gc::<Bridge>(&other, &[]).unwrap();
        assert!(checks(&world).len() + jumps() > 0, "another network's GC removed rules");
        // iptables' chains are those of a container, whatever its interfaces.
        let valid: &[(&str, &str)] = if keys == NFT { &[("c1", "eth1"), ("c2", "eth0")] } else { &[("c2", "eth0")] };
        world.gc::<Bridge>(&with_ipam(keys), valid).unwrap();
        world.container().delete_link("eth0");
        assert_nothing_left(&world, keys);
        assert!(ipam.calls().contains(&Command::Gc));
    }
}

#[test]
fn without_addresses_nothing_is_masqueraded() {
    let world = World::new();
    added(&world, &config(NFT));
    assert!(checks(&world).is_empty());
}
