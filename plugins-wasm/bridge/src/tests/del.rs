//! DEL in all circumstances.

use weir_sdk::FailureKind;
use weir_sdk::testing::World;

use super::*;

const ALL: &str = r#""isGateway": true, "ipMasq": true, "ipMasqBackend": "nftables", "macspoofchk": true"#;

#[test]
fn del_removes_everything_but_the_bridge() {
    let (world, ipam) = world_with_ipam(DUAL);
    let (_, prev) = added(&world, &with_ipam(ALL));
    world.del::<Bridge>(&prev).unwrap();
    assert_nothing_left(&world, "DEL");
    assert_eq!(world.host().link_names(), ["cni0"]);
    assert_eq!(ipam.calls(), [Command::Add, Command::Del]);
    world.del::<Bridge>(&prev).unwrap();
    assert_eq!(ipam.calls().last(), Some(&Command::Del));
}

#[test]
fn del_without_a_namespace_removes_rules_and_the_pair() {
    let (world, ipam) = world_with_ipam(DUAL);
    let (_, prev) = added(&world, &with_ipam(ALL));
    world.without_netns();
    world.del::<Bridge>(&prev).unwrap();
    assert_nothing_left(&world, "DEL without CNI_NETNS");
    assert!(ipam.is_balanced());
}

#[test]
fn del_after_the_namespace_vanished_removes_rules() {
    let (world, ipam) = world_with_ipam(DUAL);
    let (_, prev) = added(&world, &with_ipam(ALL));
    world.destroy_container();
    world.del::<Bridge>(&prev).unwrap();
    assert_nothing_left(&world, "DEL after the container");
    assert!(ipam.is_balanced());
}

#[test]
fn del_without_a_previous_result_removes_rules_of_both_backends() {
    for backend in ["nftables", "iptables"] {
        let (world, _) = world_with_ipam(DUAL);
        let keys = with_ipam(&ALL.replace("nftables", backend));
        added(&world, &keys);
        world.destroy_container();
        world.del::<Bridge>(&keys).unwrap();
        assert_nothing_left(&world, backend);
    }
}

#[test]
fn del_touches_no_link_that_only_has_the_name_of_the_port() {
    let world = World::new();
    let (result, prev) = added(&world, &config(""));
    world.destroy_container();
    world.host().add_link(port(&result), "veth");
    world.del::<Bridge>(&prev).unwrap();
    assert!(world.host().link(port(&result)).is_some());
}

#[test]
fn del_before_any_add_succeeds() {
    let (world, _) = world_with_ipam(IPV4);
    world.del::<Bridge>(&with_ipam(ALL)).unwrap();
    world.without_netns();
    world.del::<Bridge>(&with_ipam(ALL)).unwrap();
    assert_eq!(world.host().link_names(), Vec::<String>::new());
}

#[test]
fn del_works_with_a_configuration_that_became_invalid() {
    let (world, ipam) = world_with_ipam(IPV4);
    added(&world, &with_ipam(ALL));
    let broken = with_ipam(&format!(
        r#"{}, "vlan": 9999, "mtu": "x", "hairpinMode": true, "promiscMode": true"#,
        ALL.replace("nftables", "unknown")
    ));
    world.del::<Bridge>(&broken).unwrap();
    assert_nothing_left(&world, "invalid configuration");
    assert!(ipam.is_balanced());
}

#[test]
fn one_failure_keeps_nothing_else_from_being_removed() {
    let (world, ipam) = world_with_ipam(DUAL);
    let (_, prev) = added(&world, &with_ipam(ALL));
    world.fail_call("link.delete", 1, FailureKind::Io);
    assert_eq!(world.del::<Bridge>(&prev).unwrap_err().code, 5);
    assert!(ipam.is_balanced());
    assert!(world.host().nft_rules("inet", "cni_plugins_masquerade", "masq_checks").is_empty());
    assert!(world.host().nft_rules("bridge", "nat", "PREROUTING").is_empty());
    world.heal().del::<Bridge>(&prev).unwrap();
    assert_nothing_left(&world, "second try");
}

#[test]
fn an_ipam_plugin_that_fails_is_reported_after_everything_else_was_removed() {
    let (world, _) = world_with_ipam(DUAL);
    let (_, prev) = added(&world, &with_ipam(ALL));
    world.delegate("test-ipam", |_| Err(weir_sdk::Error::new(123, "no")));
    assert_eq!(world.del::<Bridge>(&prev).unwrap_err().code, 123);
    assert_nothing_left(&world, "IPAM failed");
}
