//! `macspoofchk`.

use weir_sdk::testing::World;

use super::*;

const KEYS: &str = r#""macspoofchk": true, "runtimeConfig": {"mac": "0a:00:00:00:00:07"}"#;
const CHAIN: &str = "cni-br-iface-c1-eth0";

fn rules(world: &World, chain: &str) -> Vec<String> {
    world.host().nft_rules("bridge", "nat", chain)
}

#[test]
fn only_the_own_hardware_address_passes() {
    let world = World::new();
    let (result, _) = added(&world, &config(KEYS));
    let comment = r#"comment "macspoofchk-c1-eth0""#;
    let port = port(&result);
    assert_eq!(rules(&world, "PREROUTING"), [format!("iifname \"{port}\" jump {CHAIN} {comment}")]);
    assert_eq!(rules(&world, CHAIN), [format!("jump {CHAIN}-mac {comment}")]);
    let checks = rules(&world, &format!("{CHAIN}-mac"));
    assert_eq!(checks[0], format!("ether saddr 0a:00:00:00:00:07 return {comment}"));
    assert!(checks[1].starts_with("drop "), "{checks:?}");
    let base = world.host().nft_base_chain("bridge", "nat", "PREROUTING").unwrap();
    assert_eq!(base.priority, -300);
}

#[test]
fn add_creates_in_one_transaction_and_lists_no_other_attachment() {
    let world = World::new();
    added(&world, &config(KEYS));
    let calls: Vec<_> = world.calls().into_iter().filter(|call| call.starts_with("nftables")).collect();
    assert_eq!(calls, ["nftables.list-rules nat", "nftables.apply nat"]);
}

#[test]
fn del_removes_the_own_rules_alone() {
    let world = World::new();
    let (_, first) = added(&world, &config(KEYS));
    world.attachment("c1", "eth1");
    added(&world, &config(KEYS));
    world.attachment("c1", "eth0");
    world.del::<Bridge>(&first).unwrap();
    assert_eq!(rules(&world, "PREROUTING").len(), 1);
    let chains = world.host().nft_chains("bridge", "nat");
    assert_eq!(chains, ["PREROUTING", "cni-br-iface-c1-eth1-mac", "cni-br-iface-c1-eth1"]);
    world.attachment("c1", "eth1");
    world.del::<Bridge>(&config(KEYS)).unwrap();
    world.del::<Bridge>(&config(KEYS)).unwrap();
    assert_nothing_left(&world, "second DEL");
}

#[test]
fn del_removes_what_is_left_of_a_removal_that_was_interrupted() {
    let world = World::new();
    added(&world, &config(KEYS));
    let host = weir_sdk::Netns::host().unwrap();
    let table = weir_sdk::net::nftables::Table::bridge("nat");
    let entry = host.nft_rules(&table, Some("PREROUTING")).unwrap()[0].handle;
    let batch = weir_sdk::net::nftables::Batch::new(table);
    batch.delete_rules("PREROUTING", vec![entry]).delete_chain(CHAIN).apply(&host).unwrap();
    world.del::<Bridge>(&config(KEYS)).unwrap();
    assert_nothing_left(&world, "half removed");
}

#[test]
fn rules_of_an_attachment_that_was_never_removed_are_replaced() {
    let world = World::new();
    added(&world, &config(KEYS));
    world.container().delete_link("eth0");
    added(&world, &config(&KEYS.replace(":07", ":08")));
    assert_eq!(rules(&world, "PREROUTING").len(), 1);
    assert!(rules(&world, &format!("{CHAIN}-mac"))[0].contains("0a:00:00:00:00:08"));
}

#[test]
fn gc_removes_the_rules_of_attachments_that_are_no_more_in_this_network_alone() {
    let world = World::new();
    added(&world, &config(KEYS));
    world.attachment("c1", "eth1");
    added(&world, &config(KEYS));
    world.attachment("c1", "eth2");
    added(&world, &config(KEYS).replace(r#""name": "net""#, r#""name": "other""#));
    world.gc::<Bridge>(&config(KEYS), &[("c1", "eth1")]).unwrap();
    let mut chains = world.host().nft_chains("bridge", "nat");
    chains.retain(|chain| chain.ends_with("-mac"));
    assert_eq!(chains, ["cni-br-iface-c1-eth1-mac", "cni-br-iface-c1-eth2-mac"]);
}

#[test]
fn a_long_container_id_makes_comments_that_fit() {
    let world = World::new();
    world.attachment(&"a".repeat(200), "eth0");
    let (_, prev) = added(&world, &config(KEYS));
    world.del::<Bridge>(&prev).unwrap();
    assert_nothing_left(&world, "long container ID");
}
