//! Tests on the in-memory host.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod add;
mod check;
mod del;
mod failures;
mod gateway;
mod masquerade;
mod spoof_check;
mod vlan;

use std::cell::RefCell;
use std::rc::Rc;

use weir_sdk::cni_spec::version;
use weir_sdk::testing::{Command, World, with_prev_result};
use weir_sdk::{AddResult, IpNet};

use super::Bridge;

pub(crate) const NETNS: &str = "/run/netns/c1";

/// A configuration with further keys.
pub(crate) fn config(keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    format!(r#"{{"cniVersion": "1.1.0", "name": "net", "type": "bridge"{comma}{keys}}}"#)
}

/// A configuration with IPAM and further keys.
pub(crate) fn with_ipam(keys: &str) -> String {
    let comma = if keys.is_empty() { "" } else { ", " };
    config(&format!(r#""ipam": {{"type": "test-ipam"}}{comma}{keys}"#))
}

/// What the IPAM plugin was asked.
#[derive(Clone, Default)]
pub(crate) struct Ipam(Rc<RefCell<Vec<Command>>>);

impl Ipam {
    /// An IPAM plugin that answers ADD with this result (JSON).
    pub(crate) fn install(world: &World, result: &str) -> Self {
        let calls = Self::default();
        let log = calls.clone();
        let result = AddResult::from_slice(result.as_bytes(), version::LATEST).unwrap();
        world.delegate("test-ipam", move |call| {
            log.0.borrow_mut().push(call.command);
            match call.command {
                Command::Add => Ok(result.to_json(version::LATEST)?.to_string()),
                _ => Ok(String::new()),
            }
        });
        calls
    }

    pub(crate) fn calls(&self) -> Vec<Command> {
        self.0.borrow().clone()
    }

    /// Whether every address that was given out was taken back.
    pub(crate) fn is_balanced(&self) -> bool {
        let count = |wanted| self.calls().into_iter().filter(|command| *command == wanted).count();
        count(Command::Add) <= count(Command::Del)
    }
}

/// One IPv4 address, no gateway told.
pub(crate) const IPV4: &str = r#"{"ips": [{"address": "10.1.2.3/24"}], "routes": []}"#;
/// Both families.
pub(crate) const DUAL: &str = r#"{"ips": [{"address": "10.1.2.3/24", "gateway": "10.1.2.1"},
    {"address": "fd00:1::3/64", "gateway": "fd00:1::1"}], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}"#;

pub(crate) fn world_with_ipam(result: &str) -> (World, Ipam) {
    let world = World::new();
    let ipam = Ipam::install(&world, result);
    (world, ipam)
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// The port that a result names.
pub(crate) fn port(result: &AddResult) -> &str {
    &result.interfaces[1].name
}

/// ADD, and the configuration for CHECK and DEL.
pub(crate) fn added(world: &World, config: &str) -> (AddResult, String) {
    let result = world.add::<Bridge>(config).unwrap_or_else(|error| panic!("ADD: {error}"));
    let with_result = with_prev_result(config, &result).unwrap();
    (result, with_result)
}

/// Nothing of an attachment is left; a bridge that was there before may stay.
pub(crate) fn assert_nothing_left(world: &World, what: &str) {
    use weir_sdk::net::IpFamily::{Ipv4, Ipv6};
    assert_eq!(world.container().link_names(), Vec::<String>::new(), "{what}");
    let veths: Vec<_> = world.host().links().into_iter().filter(|link| link.is("veth")).map(|link| link.name).collect();
    assert_eq!(veths, Vec::<String>::new(), "{what}");
    let rules = |family, table, chain| world.host().nft_rules(family, table, chain);
    assert_eq!(rules("inet", "cni_plugins_masquerade", "masq_checks"), Vec::<String>::new(), "{what}");
    assert_eq!(rules("bridge", "nat", "PREROUTING"), Vec::<String>::new(), "{what}");
    let chains = world.host().nft_chains("bridge", "nat");
    assert!(!chains.iter().any(|chain| chain.starts_with("cni-br-iface-")), "{what}: {chains:?}");
    for family in [Ipv4, Ipv6] {
        assert_eq!(world.host().iptables_rules(family, "nat", "POSTROUTING").unwrap(), Vec::<String>::new(), "{what}");
        assert_eq!(world.host().iptables_chains(family, "nat").len(), 4, "{what}");
    }
}
