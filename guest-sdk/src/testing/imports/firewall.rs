//! The packet filters of the contract, on the in-memory model.

use super::namespaces;
use crate::bindings::weir::cni as contract;
use crate::failure::Failure;
use crate::testing::state::with;

pub(crate) mod nftables {
    use super::namespaces::Netns;
    use super::*;
    use contract::nftables::{Command, Element, RuleInfo, Table};

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
