//! The packet filters of the contract, on the in-memory model.

use super::namespaces;
use crate::bindings::weir::cni as contract;
use crate::failure::Failure;
use crate::testing::state::with;

pub(crate) mod nftables {
    use super::namespaces::Netns;
    use super::*;
    use contract::nftables::{BaseChainInfo, Command, Element, Hook, RuleInfo, Table};

    pub(crate) fn apply(namespace: &Netns, table: &Table, commands: &[Command]) -> Result<(), Failure> {
        with(|state| {
            state.call("nftables.apply", &table.name)?;
            state.nft(namespace.number).apply(table, commands)
        })
    }
    pub(crate) fn list_rules(namespace: &Netns, table: &Table, chain: Option<&str>) -> Result<Vec<RuleInfo>, Failure> {
        with(|state| {
            state.call("nftables.list-rules", &table.name)?;
            Ok(state.nft(namespace.number).list_rules(table, chain))
        })
    }
    pub(crate) fn list_chains(namespace: &Netns, table: &Table) -> Result<Vec<String>, Failure> {
        with(|state| {
            state.call("nftables.list-chains", &table.name)?;
            Ok(state.nft(namespace.number).list_chains(table))
        })
    }
    pub(crate) fn list_base_chains(namespace: &Netns, hook: Hook) -> Result<Vec<BaseChainInfo>, Failure> {
        with(|state| {
            state.call("nftables.list-base-chains", "")?;
            Ok(state.nft(namespace.number).list_base_chains(hook))
        })
    }
    pub(crate) fn list_elements(namespace: &Netns, table: &Table, set: &str) -> Result<Vec<Element>, Failure> {
        with(|state| {
            state.call("nftables.list-elements", set)?;
            Ok(state.nft(namespace.number).list_elements(table, set))
        })
    }
}

pub(crate) mod iptables {
    use super::namespaces::Netns;
    use super::*;
    use contract::iptables::{Chain, Command};
    use contract::types::IpFamily;

    pub(crate) fn save(namespace: &Netns, family: IpFamily, table: &str) -> Result<Vec<Chain>, Failure> {
        with(|state| {
            state.call("iptables.save", table)?;
            state.iptables(namespace.number)?.save(family, table)
        })
    }
    pub(crate) fn restore(
        namespace: &Netns,
        family: IpFamily,
        table: &str,
        commands: &[Command],
    ) -> Result<(), Failure> {
        with(|state| {
            state.call("iptables.restore", table)?;
            state.iptables(namespace.number)?.restore(family, table, commands)
        })
    }
    pub(crate) fn may_hold(namespace: &Netns, family: IpFamily, table: &str, chain: &str) -> Result<bool, Failure> {
        with(|state| {
            state.call("iptables.may-hold", chain)?;
            Ok(state.namespace(namespace.number).iptables.holds(family, table, chain))
        })
    }
    pub(crate) fn available(namespace: &Netns, _family: IpFamily) -> bool {
        with(|state| {
            state.record("iptables.available", "");
            state.iptables(namespace.number).is_ok()
        })
    }
}

pub(crate) mod conntrack {
    use super::namespaces::Netns;
    use super::*;
    use contract::conntrack::FlowFilter;

    pub(crate) fn flush(_namespace: &Netns, filters: &[FlowFilter]) -> Result<u32, Failure> {
        with(|state| {
            state.call("conntrack.flush", filters.len())?;
            state.flushed_flows.extend_from_slice(filters);
            Ok(0)
        })
    }
}

pub(crate) mod firewalld {
    use super::*;
    use crate::failure::FailureKind;
    use crate::testing::state::State;
    use contract::types::IpNetwork;
    use ipnet::IpNet;

    /// The zones that the model knows, by firewalld's defaults.
    const ZONES: [&str; 3] = ["trusted", "public", "internal"];

    fn sources<'a>(state: &'a mut State, zone: &str) -> Result<&'a mut Vec<(String, IpNet)>, Failure> {
        if !ZONES.contains(&zone) {
            return Err(Failure::new(FailureKind::Invalid, format!("firewalld has no zone {zone:?}")));
        }
        let stopped = || Failure::new(FailureKind::Unsupported, "firewalld is not running");
        state.firewalld.as_mut().ok_or_else(stopped)
    }

    pub(crate) fn available() -> bool {
        with(|state| {
            state.record("firewalld.available", "");
            state.firewalld.is_some()
        })
    }
    pub(crate) fn add_source(zone: &str, source: IpNetwork) -> Result<(), Failure> {
        with(|state| {
            let source = IpNet::from(source);
            state.call("firewalld.add-source", source)?;
            let sources = sources(state, zone)?;
            match sources.iter().find(|(_, have)| *have == source) {
                Some((there, _)) if there == zone => {}
                Some((there, _)) => {
                    let message = format!("firewalld: {source} belongs to zone {there:?}");
                    return Err(Failure::new(FailureKind::AlreadyExists, message));
                }
                None => sources.push((zone.to_owned(), source)),
            }
            Ok(())
        })
    }
    pub(crate) fn remove_source(zone: &str, source: IpNetwork) -> Result<(), Failure> {
        with(|state| {
            let source = IpNet::from(source);
            state.call("firewalld.remove-source", source)?;
            sources(state, zone)?.retain(|(there, have)| there != zone || *have != source);
            Ok(())
        })
    }
    pub(crate) fn has_source(zone: &str, source: IpNetwork) -> Result<bool, Failure> {
        with(|state| {
            let source = IpNet::from(source);
            state.call("firewalld.has-source", source)?;
            Ok(sources(state, zone)?.iter().any(|(there, have)| there == zone && *have == source))
        })
    }
}
