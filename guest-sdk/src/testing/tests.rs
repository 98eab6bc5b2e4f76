//! The model does what kernels do, as far as plugins see it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::IpAddr;

use ipnet::IpNet;

use crate::failure::FailureKind;
use crate::ipam_store::{AddressRange, Store};
use crate::net::nftables::{Batch, Chain, Rule, Table};
use crate::net::{
    BridgeOptions, Conflict, IpFamily, Link, LinkChanges, Netns, PortOptions, Route, TokenBucket, VethEnd, iptables,
};
use crate::plugin::Attachment;
use crate::testing::World;

fn namespaces() -> (Netns, Netns) {
    (Netns::host().unwrap(), Netns::container().unwrap())
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn named(name: &str) -> VethEnd {
    VethEnd { name: Some(name.to_owned()), ..VethEnd::default() }
}

/// A pair between container and host, both ends up.
fn pair(host: &Netns, container: &Netns) -> (Link, Link) {
    let (inner, outer) = container.create_veth(&named("eth0"), host, &named("veth0")).unwrap();
    inner.set_up().unwrap();
    outer.set_up().unwrap();
    (inner, outer)
}

#[test]
fn the_ends_of_a_veth_pair_vanish_together_with_addresses_and_routes() {
    let world = World::new();
    let (host, container) = namespaces();
    let (inner, outer) = pair(&host, &container);
    inner.add_addresses(&[net("10.0.0.2/24").into()]).unwrap();
    assert!(container.route_to([10, 0, 0, 9].into()).unwrap().is_some());
    outer.delete().unwrap();
    assert_eq!(inner.info().unwrap_err().kind, FailureKind::NotFound);
    assert!(container.route_to([10, 0, 0, 9].into()).unwrap().is_none());
    assert!(!outer.delete_if_exists().unwrap());
    assert!(world.container().link_names().is_empty());
}

#[test]
fn a_name_that_is_taken_is_taken_for_either_end() {
    let world = World::new();
    let (host, container) = namespaces();
    pair(&host, &container);
    for (end, peer) in [("eth0", "other"), ("other", "veth0")] {
        let failure = container.create_veth(&named(end), &host, &named(peer)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::AlreadyExists);
    }
    assert_eq!(world.container().link_names(), ["eth0"]);
    assert_eq!(container.create_veth(&named("a/b"), &host, &named("x")).unwrap_err().kind, FailureKind::Invalid);
}

#[test]
fn a_gateway_must_be_reachable_and_a_link_up() {
    let _world = World::new();
    let (host, container) = namespaces();
    let (inner, _) = pair(&host, &container);
    let route = Route::default_via([10, 0, 0, 1].into());
    assert_eq!(container.add_routes(&[route], Conflict::Refuse).unwrap_err().kind, FailureKind::Io);
    inner.add_addresses(&[net("10.0.0.2/24").into()]).unwrap();
    container.add_routes(&[route], Conflict::Refuse).unwrap();
    assert_eq!(container.add_routes(&[route], Conflict::Refuse).unwrap_err().kind, FailureKind::AlreadyExists);
    assert_eq!(container.add_routes(&[route], Conflict::Append).unwrap_err().kind, FailureKind::AlreadyExists);
    let other = Route::default_via([10, 0, 0, 3].into());
    container.add_routes(&[other], Conflict::Append).unwrap();
    container.add_routes(&[other], Conflict::Replace).unwrap();
    let defaults = || container.routes(Default::default()).unwrap().into_iter().filter(|route| route.gateway.is_some());
    assert_eq!(defaults().count(), 1);
    inner.set_down().unwrap();
    assert_eq!(defaults().count(), 0);
    let route = Route { link: Some(inner.info().unwrap().index), ..Route::to(net("10.9.0.0/16")) };
    assert_eq!(container.add_routes(&[route], Conflict::Refuse).unwrap_err().kind, FailureKind::Io);
}

#[test]
fn a_bridge_takes_the_lowest_address_of_its_ports_until_one_is_set() {
    let _world = World::new();
    let (host, container) = namespaces();
    let (_, port) = pair(&host, &container);
    let bridge = host.create_bridge("br0", BridgeOptions::default()).unwrap();
    bridge.attach(&port, PortOptions::default()).unwrap();
    assert_eq!(bridge.info().unwrap().mac, port.info().unwrap().mac);
    let mac = vec![0x0e, 0, 0, 0, 0, 1];
    bridge.update(&LinkChanges { mac: Some(mac.clone()), ..LinkChanges::default() }).unwrap();
    bridge.attach(&port, PortOptions::default()).unwrap();
    assert_eq!(bridge.info().unwrap().mac.as_bytes(), mac);
    assert_eq!(port.info().unwrap().controller, Some(bridge.info().unwrap().index));
}

#[test]
fn a_batch_of_nftables_happens_as_a_whole() {
    let world = World::new();
    let (host, _) = namespaces();
    let batch = Batch::new(Table::ip("t")).ensure_table().ensure_chain(Chain::regular("a").rule(Rule::new().accept()));
    let failure = batch.clone().add_rule("missing", Rule::new().drop()).apply(&host).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
    assert!(world.host().nft_chains("ip", "t").is_empty());
    batch.apply(&host).unwrap();
    batch.apply(&host).unwrap();
    assert_eq!(world.host().nft_rules("ip", "t", "a"), ["accept"]);
    Batch::new(Table::ip("t")).ensure_chain(Chain::regular("b").rule(Rule::new().jump("a"))).apply(&host).unwrap();
    let busy = Batch::new(Table::ip("t")).delete_chain("a").apply(&host).unwrap_err();
    assert_eq!(busy.kind, FailureKind::Busy);
    Batch::new(Table::ip("t")).delete_chain("b").delete_chain("a").apply(&host).unwrap();
}

#[test]
fn a_transaction_of_iptables_happens_as_a_whole() {
    let world = World::new();
    let (host, _) = namespaces();
    let jump = iptables::Rule::new("POSTROUTING", "-s 10.0.0.2 -j OWN-1").comment("two words");
    let commands = [iptables::Command::CreateOrFlushChain("OWN-1".to_owned()), iptables::Command::Append(jump.clone())];
    let broken = [&commands[..], &[iptables::Command::DeleteChain("OWN-1".to_owned())]].concat();
    assert!(host.iptables_restore(IpFamily::Ipv4, "nat", &broken).is_err());
    assert_eq!(world.host().iptables_rules(IpFamily::Ipv4, "nat", "OWN-1"), None);
    host.iptables_restore(IpFamily::Ipv4, "nat", &commands).unwrap();
    let saved = host.iptables_save(IpFamily::Ipv4, "nat").unwrap();
    assert!(saved.iter().any(|chain| chain.rules.contains(&jump)));
    assert!(host.iptables_save(IpFamily::Ipv6, "nat").unwrap().iter().all(|chain| chain.rules.is_empty()));
}

#[test]
fn the_store_goes_round_once_and_never_gives_the_gateway() {
    let world = World::new();
    let range =
        AddressRange { first: [10, 0, 0, 1].into(), last: [10, 0, 0, 4].into(), except: Some([10, 0, 0, 1].into()) };
    let store = Store::open(None).unwrap();
    let mut given: Vec<IpAddr> = Vec::new();
    for container in ["a", "b", "c"] {
        world.attachment(container, "eth0");
        given.push(store.allocate(0, &[range]).unwrap());
        assert_eq!(store.allocate(0, &[range]).unwrap_err().kind, FailureKind::AlreadyExists);
    }
    assert_eq!(given, [[10, 0, 0, 2], [10, 0, 0, 3], [10, 0, 0, 4]].map(IpAddr::from));
    world.attachment("d", "eth0");
    assert_eq!(store.allocate(0, &[range]).unwrap_err().kind, FailureKind::Exhausted);
    assert_eq!(store.count_free(&[range]).unwrap(), 0);
    let a = Attachment { container_id: "a".to_owned(), interface_name: "eth0".to_owned() };
    assert_eq!(store.retain(&[a]).unwrap().len(), 2);
    assert_eq!(store.reserve(0, [10, 0, 0, 2].into()).unwrap_err().kind, FailureKind::Busy);
    assert_eq!(store.allocate(0, &[range]).unwrap(), IpAddr::from([10, 0, 0, 3]));
}

#[test]
fn faults_hit_the_call_that_was_meant() {
    let world = World::new();
    let (host, _) = namespaces();
    world.fail_call("links.find", 2, FailureKind::Busy);
    assert!(host.link("lo").is_ok());
    assert!(host.links().is_ok());
    assert_eq!(host.link("lo").unwrap_err().kind, FailureKind::Busy);
    assert!(host.link("lo").is_ok());
    world.fail_nth(1, FailureKind::Io);
    assert_eq!(host.links().unwrap_err().kind, FailureKind::Io);
    assert!(host.links().is_ok());
    world.fail_always("links.list", FailureKind::Denied);
    assert!(host.links().is_err() && host.links().is_err() && host.link("lo").is_ok());
    world.heal();
    assert!(host.links().is_ok());
}

#[test]
fn a_sysctl_of_an_interface_exists_as_long_as_the_interface() {
    let world = World::new();
    let (host, container) = namespaces();
    assert_eq!(container.sysctl("net/ipv4/conf/eth0/arp_notify").unwrap_err().kind, FailureKind::NotFound);
    pair(&host, &container);
    assert!(container.ensure_sysctl("net/ipv4/conf/eth0/arp_notify", "1").unwrap());
    assert!(!container.ensure_sysctl("net/ipv4/conf/eth0/arp_notify", "1").unwrap());
    assert_eq!(world.host().sysctl("net/ipv4/conf/eth0/arp_notify"), None);
}

#[test]
fn a_link_has_one_shaper_and_one_redirect_whose_target_may_vanish() {
    let world = World::new();
    world.host().add_link("veth0", "veth").add_link("ifb0", "ifb");
    let host = Netns::host().unwrap();
    let find = |name: &str| host.link(name).unwrap().unwrap();
    let (link, target) = (find("veth0"), find("ifb0"));
    let bucket = TokenBucket { rate: 1000, burst: 2000, limit: 3000 };
    link.shape(bucket).unwrap();
    assert_eq!(link.shaper(), Ok(Some(bucket)));
    assert!(link.shape(bucket).unwrap_err().is_already_exists());
    link.remove_shaper().unwrap();
    assert_eq!(link.shaper(), Ok(None));
    assert_eq!(link.shape(TokenBucket { rate: 0, ..bucket }).unwrap_err().kind, FailureKind::Invalid);

    link.redirect(&target).unwrap();
    assert_eq!(world.host().redirects("veth0"), ["ifb0"]);
    assert!(link.redirect(&target).unwrap_err().is_already_exists());
    target.delete().unwrap();
    assert_eq!(link.redirects(), Ok(vec![0]));
    link.remove_redirect().unwrap();
    assert_eq!(link.redirects(), Ok(Vec::new()));
}
