//! Masquerade by nftables: one rule for each address in one chain, told apart by their comments.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::failure::{Context, Failure};
use crate::masquerade::Masquerade;
use crate::naming::hash;
use crate::net::Netns;
use crate::net::nftables::{Batch, Chain, ChainType, Field, Hook, Rule, RuleInfo, Table};
use crate::plugin::{GcRequest, Result};

const CHECKS: &str = "masq_checks";
const POSTROUTING: &str = "postrouting";
/// Priority `srcnat`.
const SOURCE_NAT: i32 = 100;
const DIGITS: usize = 16;

fn table() -> Table {
    Table::inet("cni_plugins_masquerade")
}

/// What the comments of all rules of a network begin with.
fn network_mark(network: &str) -> String {
    format!("{}-", hash(network, DIGITS))
}

/// What the comment of a rule begins with: unique to the attachment.
fn mark(network: &str, interface_name: &str, container_id: &str) -> String {
    format!("{}{}", network_mark(network), hash(&format!("{interface_name}:{container_id}"), DIGITS))
}

fn comment(of: &Masquerade<'_>) -> String {
    let readable = format!(", net: {}, if: {}, id: {}", of.network, of.interface_name, of.container_id);
    format!("{}{}", mark(of.network, of.interface_name, of.container_id), readable.replace('"', ""))
}

fn multicast(network: [u8; 4], prefix_length: u8) -> Option<IpNet> {
    IpNet::new(network.into(), prefix_length).ok()
}

pub(super) fn add(of: &Masquerade<'_>, host: &Netns, addresses: &[IpNet]) -> Result<()> {
    let multicast_ip6 = IpNet::new([0xff00, 0, 0, 0, 0, 0, 0, 0].into(), 8).ok();
    let mut postrouting = Chain::base(POSTROUTING, ChainType::Nat, Hook::Postrouting, SOURCE_NAT);
    for network in [multicast([224, 0, 0, 0], 4), multicast_ip6].into_iter().flatten() {
        postrouting = postrouting.rule(Rule::new().matches(Field::destination_of(network.addr()), network).ret());
    }
    // Nothing here updates or deletes what exists: that would make the kernel wait for all processors.
    let mut batch = Batch::new(table())
        .ensure_table()
        .ensure_chain(Chain::regular(CHECKS))
        .ensure_chain(postrouting.rule(Rule::new().goto(CHECKS)));
    let comment = comment(of);
    for network in addresses {
        let address = network.addr();
        let rule = Rule::new()
            .matches(Field::source_of(address), address)
            .matches_not(Field::destination_of(address), network.trunc())
            .masquerade()
            .comment(&comment);
        batch = batch.add_rule(CHECKS, rule);
    }
    Ok(batch.apply(host).context("masquerade by nftables")?)
}

pub(super) fn remove(of: &Masquerade<'_>, host: &Netns) -> Result<()> {
    let mark = mark(of.network, of.interface_name, of.container_id);
    Ok(delete(host, |rule| rule.comment.starts_with(&mark)).context("take away masquerade by nftables")?)
}

pub(super) fn collect_garbage(host: &Netns, request: &GcRequest) -> Result<()> {
    let network = network_mark(&request.network);
    // Not collected: that would sort, and sorting is much code.
    let mut valid = BTreeSet::new();
    for attachment in &request.valid_attachments {
        valid.insert(mark(&request.network, &attachment.interface_name, &attachment.container_id));
    }
    let is_valid = |rule: &RuleInfo| {
        let mark = rule.comment.get(..2 * DIGITS + 1).unwrap_or_default();
        valid.contains(mark)
    };
    let is_garbage = |rule: &RuleInfo| rule.comment.starts_with(&network) && !is_valid(rule);
    Ok(delete(host, is_garbage).context("collect garbage of masquerade by nftables")?)
}

fn delete(host: &Netns, goes: impl Fn(&RuleInfo) -> bool) -> Result<(), Failure> {
    let rules = host.nft_rules(&table(), Some(CHECKS))?;
    let handles: Vec<_> = rules.iter().filter(|rule| goes(rule)).map(|rule| rule.handle).collect();
    if handles.is_empty() {
        return Ok(());
    }
    match Batch::new(table()).delete_rules(CHECKS, handles).apply(host) {
        // Another command was faster.
        Err(failure) if failure.is_not_found() => Ok(()),
        other => other,
    }
}
