//! Whatever host call fails, nothing stays behind.

use weir_sdk::net::BridgeOptions;
use weir_sdk::{Context, FailureKind, Netns, Plugin, Request, Result};

use super::*;
use crate::config::Config;
use crate::port::Pair;
use crate::switch::Switch;

/// Run ADD with each host call failing in turn. Returns how many there are.
fn fail_each(keys: &str, result: &str) -> usize {
    for nth in 1.. {
        let (world, ipam) = world_with_ipam(result);
        world.fail_nth(nth, FailureKind::Io);
        let outcome = world.add::<Bridge>(&with_ipam(keys));
        let failed = world.calls().get(nth - 1).cloned();
        let Err(error) = outcome else {
            if failed.is_none() {
                return nth - 1;
            }
            continue;
        };
        let what = format!("call {nth} ({}): {}", failed.unwrap_or_default(), error.msg);
        assert!(ipam.is_balanced(), "{what}");
        assert!(error.msg.contains("asked for by the test"), "{what}");
        assert_nothing_left(&world, &what);
        assert_eq!(world.host().link("cni0"), None, "{what}");
    }
    0
}

#[test]
fn a_failed_add_leaves_nothing_with_nftables() {
    let keys = r#""isDefaultGateway": true, "ipMasq": true, "ipMasqBackend": "nftables", "macspoofchk": true,
        "enabledad": true"#;
    assert!(fail_each(keys, DUAL) > 30);
}

#[test]
fn a_failed_add_leaves_nothing_with_iptables() {
    let keys = r#""isGateway": true, "forceAddress": true, "ipMasq": true, "ipMasqBackend": "iptables""#;
    assert!(fail_each(keys, DUAL) > 20);
}

#[test]
fn a_failed_add_leaves_nothing_with_vlans() {
    assert!(fail_each(r#""vlanTrunk": [{"id": 5}], "preserveDefaultVlan": false"#, IPV4) > 15);
    assert!(fail_each(r#""vlan": 5, "isGateway": true, "ipMasq": true, "ipMasqBackend": "nftables""#, IPV4) > 30);
}

#[test]
fn a_result_of_ipam_without_addresses_leaves_nothing() {
    let (world, ipam) = world_with_ipam(r#"{"ips": []}"#);
    assert!(world.add::<Bridge>(&with_ipam("")).unwrap_err().msg.contains("no address"));
    assert_nothing_left(&world, "no address");
    assert!(ipam.is_balanced());
}

#[test]
fn an_ipam_plugin_that_fails_is_told_to_clean_up_and_its_error_is_passed_on() {
    let (world, _) = world_with_ipam(IPV4);
    let calls = Ipam::default();
    let log = calls.clone();
    world.delegate("test-ipam", move |call| {
        log.0.borrow_mut().push(call.command);
        Err(weir_sdk::Error::new(123, "no").with_details("really"))
    });
    let error = world.add::<Bridge>(&with_ipam("")).unwrap_err();
    assert_eq!(error, weir_sdk::Error::new(123, "no").with_details("really"));
    assert_eq!(calls.calls(), [Command::Add, Command::Del]);
    assert_nothing_left(&world, "IPAM failed");
}

#[test]
fn an_address_that_somebody_owns_already_leaves_nothing() {
    let (world, ipam) = world_with_ipam(DUAL);
    world.duplicate_address("fd00:1::3".parse().unwrap());
    let keys = r#""enabledad": true, "ipMasq": true, "ipMasqBackend": "nftables""#;
    assert!(world.add::<Bridge>(&with_ipam(keys)).unwrap_err().msg.contains("another owner"));
    assert_nothing_left(&world, "duplicate");
    assert!(ipam.is_balanced());
}

#[test]
fn a_failed_add_leaves_a_bridge_that_others_made_or_use() {
    let (world, _) = world_with_ipam(r#"{"ips": []}"#);
    world.host().add_bridge("cni0", BridgeOptions::default());
    assert!(world.add::<Bridge>(&with_ipam("")).is_err());
    assert!(world.host().link("cni0").is_some());

    for nth in 1.. {
        let (world, _) = world_with_ipam(DUAL);
        let index = |world: &World| world.host().link("cni0").map(|link| link.index);
        world.host().add_bridge("cni0", BridgeOptions::default());
        let before = index(&world);
        world.fail_nth(nth, FailureKind::Io);
        let outcome = world.add::<Bridge>(&with_ipam(""));
        let failed = world.calls().get(nth - 1).cloned();
        assert_eq!(index(&world), before, "call {nth}: {failed:?}");
        if failed.is_none() {
            assert!(outcome.is_ok());
            break;
        }
    }

    // Another ADD attaches its container to the new bridge while this one asks for addresses.
    let world = Rc::new(World::new());
    let other = Rc::clone(&world);
    world.delegate("test-ipam", move |call| {
        if call.command == Command::Add {
            other.attachment("c1", "eth1");
            other.add::<Bridge>(&config(""))?;
            return Err(weir_sdk::Error::new(123, "no"));
        }
        Ok(String::new())
    });
    assert!(world.add::<Bridge>(&with_ipam("")).is_err());
    let bridge = world.host().link("cni0").unwrap().index;
    assert_eq!(world.container().link_names(), ["eth1"]);
    assert_eq!(world.host().links().iter().filter(|link| link.controller == Some(bridge)).count(), 1);
}

/// Loses its bridge to another ADD before it attaches.
struct Loser;

impl Plugin for Loser {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::load(request)?;
        let host = Netns::host().context("open")?;
        let mut switch = Switch::ensure(&host, &config)?;
        let pair = Pair::create(&request.netns()?, "eth0", None, None, &host)?;
        host.link("cni0").context("find")?.unwrap().delete().context("delete")?;
        crate::add::attach(&host, &config, &mut switch, &pair)?;
        Ok(AddResult::default())
    }

    fn del(_: &Request) -> Result<()> {
        Ok(())
    }

    fn check(_: &Request) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_bridge_that_another_add_took_away_is_made_again() {
    let world = World::new();
    world.add::<Loser>(&config("")).unwrap();
    let (bridge, links) = (world.host().link("cni0").unwrap(), world.host().links());
    assert!(bridge.up);
    assert_eq!(links.iter().filter(|link| link.controller == Some(bridge.index)).count(), 1);
}
