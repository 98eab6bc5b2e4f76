//! The backend nftables: the tables `ip cni_hostport` and `ip6 cni_hostport`, with the chains of the reference plugin.
//!
//! ADD only creates: base chains with fixed rules where they are missing, then one rule for each mapping. Updating or
//! rebuilding what exists would make the kernel wait for all processors. Conditions are part of each mapping's rule, so
//! every attachment has its own.
//!
//! Rules are found again by their comment: hashes of the network and of the attachment, one of what the rule says, then
//! words for people. Rules of the reference plugin have the container ID alone as comment; they are taken for those of
//! the container's attachment that is deleted.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use weir_sdk::convert::family_of;
use weir_sdk::naming::hash;
use weir_sdk::net::IpFamily;
use weir_sdk::net::nftables::{
    Batch, Chain, ChainType, Comparison, Field, FieldMatch, Hook, Rule, RuleInfo, Statement, Table, Value,
};
use weir_sdk::{Context, Error, Failure, FailureKind, GcRequest, IpNet, Netns, Request, Result};

use crate::FAMILIES;
use crate::config::{Config, Mapping};

/// Mappings of one address of the host; looked at first.
const ONE_ADDRESS: &str = "hostip_hostports";
/// Mappings of all addresses of the host.
const ALL_ADDRESSES: &str = "hostports";
/// Jumps to both.
const BOTH: &str = "hostports_all";
const PREROUTING: &str = "prerouting";
const OUTPUT: &str = "output";
const MASQUERADING: &str = "masquerading";
/// Priorities of nft(8).
const DSTNAT: i32 = -100;
const SRCNAT: i32 = 100;
/// Address type of the routing table.
const LOCAL: u32 = 2;
/// Connection status: the destination was translated.
const DESTINATION_TRANSLATED: u32 = 32;
/// Digits of the hashes in comments.
const WHO_DIGITS: usize = 16;
const WHAT_DIGITS: usize = 8;
/// How often a deletion is tried while others delete too.
const ATTEMPTS: usize = 8;

fn table(family: IpFamily) -> Table {
    match family {
        IpFamily::Ipv4 => Table::ip("cni_hostport"),
        IpFamily::Ipv6 => Table::ip6("cni_hostport"),
    }
}

/// What the comments of all rules of a network begin with.
fn network_mark(network: &str) -> String {
    format!("{}-", hash(network, WHO_DIGITS))
}

/// What the comments of an attachment begin with.
fn attachment_mark(network: &str, container_id: &str, interface_name: &str) -> String {
    format!("{}{}", network_mark(network), hash(&format!("{interface_name}:{container_id}"), WHO_DIGITS))
}

/// A rule that an attachment needs.
struct Wanted {
    chain: &'static str,
    rule: Rule,
    /// What its comment begins with: unlike that of any other rule.
    mark: String,
}

/// Writes the rules of one attachment.
struct Writer<'a> {
    request: &'a Request,
    wanted: Vec<Wanted>,
}

impl Writer<'_> {
    /// `says`: what the rule does, in words that differ where rules differ.
    fn push(&mut self, chain: &'static str, rule: Rule, says: &str, conditions: &[String]) {
        let Request { network, container_id, interface_name, .. } = self.request;
        let who = attachment_mark(network, container_id, interface_name);
        let what = hash(&format!("{chain} {says} {}", conditions.join(" ")), WHAT_DIGITS);
        let mark = format!("{who} {what}");
        let rule = rule.comment(&format!("{mark} {says}, net: {network}, if: {interface_name}, id: {container_id}"));
        self.wanted.push(Wanted { chain, rule, mark });
    }
}

fn any_bit(rule: Rule, field: Field, bits: u32) -> Rule {
    let values = vec![Value::AnyBit(bits)];
    rule.statement(Statement::MatchField(FieldMatch { field, comparison: Comparison::Equal, values }))
}

/// The rules that an address of the container needs.
fn rules(request: &Request, config: &Config, container: IpNet) -> Result<Vec<Wanted>> {
    let family = family_of(container.addr());
    let statements = config.statements(family)?;
    let mut writer = Writer { request, wanted: Vec::new() };
    for mapping in config.mappings_of(family) {
        map(&mut writer, mapping, container.addr(), &statements, config.conditions(family));
    }
    if config.snat && !writer.wanted.is_empty() {
        masquerade(&mut writer, config, container);
    }
    Ok(writer.wanted)
}

fn map(writer: &mut Writer<'_>, mapping: &Mapping, to: IpAddr, statements: &[Statement], conditions: &[String]) {
    let mut rule = Rule::new();
    if let Some(address) = mapping.host_address() {
        rule = rule.matches(Field::destination_of(address), address);
    }
    rule = rule
        .matches(Field::TransportProtocol, u32::from(mapping.protocol.number()))
        .matches(Field::DestinationPort, mapping.host_port);
    rule = statements.iter().cloned().fold(rule, Rule::statement);
    rule = rule.dnat(to, Some(mapping.container_port));
    let from = mapping.host_address().map(|address| address.to_string()).unwrap_or_default();
    let protocol = mapping.protocol.name();
    let says = format!("{protocol} {from}:{} to {to}:{}", mapping.host_port, mapping.container_port);
    let chain = if mapping.host_address().is_some() { ONE_ADDRESS } else { ALL_ADDRESSES };
    writer.push(chain, rule, &says, conditions);
}

/// Connections whose answers would go past the host otherwise: from the container itself, from its neighbours in the
/// subnet, and from the host's 127.0.0.1. Only those that were sent on.
fn masquerade(writer: &mut Writer<'_>, config: &Config, container: IpNet) {
    let to = container.addr();
    let (source, destination) = (Field::source_of(to), Field::destination_of(to));
    let translated =
        |rule: Rule| any_bit(rule.matches(destination, to), Field::ConnectionStatus, DESTINATION_TRANSLATED);
    if config.masq_all {
        let rule = translated(Rule::new()).masquerade();
        writer.push(MASQUERADING, rule, &format!("masquerade any to {to}"), &[]);
        return;
    }
    let subnet = container.trunc();
    let rule = translated(Rule::new().matches(source, subnet)).masquerade();
    writer.push(MASQUERADING, rule, &format!("masquerade {subnet} to {to}"), &[]);
    if to.is_ipv4() {
        let rule = translated(Rule::new().matches(source, IpAddr::V4(Ipv4Addr::LOCALHOST))).masquerade();
        writer.push(MASQUERADING, rule, &format!("masquerade localhost to {to}"), &[]);
    }
}

/// The table and the chains that all attachments share.
fn shared(family: IpFamily, snat: bool) -> Batch {
    let base = |name, hook, priority| Chain::base(name, ChainType::Nat, hook, priority);
    let to_this_host = || Rule::new().matches(Field::DestinationAddressType, LOCAL).jump(BOTH);
    let both = Chain::regular(BOTH).rule(Rule::new().jump(ONE_ADDRESS)).rule(Rule::new().jump(ALL_ADDRESSES));
    let batch = Batch::new(table(family))
        .ensure_table()
        .ensure_chain(Chain::regular(ALL_ADDRESSES))
        .ensure_chain(Chain::regular(ONE_ADDRESS))
        .ensure_chain(both)
        .ensure_chain(base(PREROUTING, Hook::Prerouting, DSTNAT).rule(to_this_host()))
        .ensure_chain(base(OUTPUT, Hook::Output, DSTNAT).rule(to_this_host()));
    if snat { batch.ensure_chain(base(MASQUERADING, Hook::Postrouting, SRCNAT)) } else { batch }
}

/// Make the rules of an attachment. Newer rules stand before older ones; those of one attachment are in order.
pub(crate) fn add(host: &Netns, request: &Request, config: &Config, addresses: &[IpNet]) -> Result<()> {
    for container in addresses {
        let wanted = rules(request, config, *container)?;
        if wanted.is_empty() {
            continue;
        }
        let batch = shared(family_of(container.addr()), config.snat);
        let batch = wanted.into_iter().rev().fold(batch, |batch, wanted| batch.insert_rule(wanted.chain, wanted.rule));
        batch.apply(host).with_context(|| format!("map ports to {}", container.addr()))?;
    }
    Ok(())
}

/// Compare the rules that an attachment needs with those that are there.
pub(crate) fn check(host: &Netns, request: &Request, config: &Config, addresses: &[IpNet]) -> Result<()> {
    for container in addresses {
        let wanted = rules(request, config, *container)?;
        if wanted.is_empty() {
            continue;
        }
        let table = table(family_of(container.addr()));
        let there = host.nft_rules(&table, None).context("list the rules of port mappings")?;
        let is_there = |wanted: &Wanted| {
            there.iter().any(|rule| rule.chain == wanted.chain && rule.comment.starts_with(&wanted.mark))
        };
        let missing = wanted.iter().find(|wanted| !is_there(wanted));
        let Some(missing) = missing else { continue };
        // Of the reference plugin's rules no more can be said than how many there are.
        let old = |rule: &&RuleInfo| rule.comment == request.container_id && rule.chain != MASQUERADING;
        let mappings = wanted.iter().filter(|wanted| wanted.chain != MASQUERADING).count();
        if there.iter().filter(old).count() < mappings {
            return Err(Error::internal(format!(
                "a rule for {} is missing in chain {} of nftables table {}: the port mapping was changed by somebody else",
                container.addr(),
                missing.chain,
                table.name
            )));
        }
    }
    Ok(())
}

/// Take the rules of an attachment away.
pub(crate) fn remove(host: &Netns, request: &Request) -> Result<()> {
    let Request { network, container_id, interface_name, .. } = request;
    let mark = attachment_mark(network, container_id, interface_name);
    let is_own = |rule: &RuleInfo| rule.comment.starts_with(&mark) || rule.comment == *container_id;
    Ok(delete(host, is_own).context("take port mappings away")?)
}

/// Take away the rules of a network that belong to no valid attachment. Rules of the reference plugin do not say which
/// network they are of, so they stay until the container's DEL.
pub(crate) fn collect_garbage(host: &Netns, request: &GcRequest) -> Result<()> {
    let network = network_mark(&request.network);
    // Not collected: that would sort, and sorting is much code.
    let mut valid = BTreeSet::new();
    for attachment in &request.valid_attachments {
        valid.insert(attachment_mark(&request.network, &attachment.container_id, &attachment.interface_name));
    }
    let is_garbage = |rule: &RuleInfo| {
        let mark = rule.comment.get(..2 * WHO_DIGITS + 1).unwrap_or_default();
        rule.comment.starts_with(&network) && !valid.contains(mark)
    };
    Ok(delete(host, is_garbage).context("collect garbage of port mappings")?)
}

/// Delete rules in both families, however many of them. The second family is tried also where the first fails.
fn delete(host: &Netns, goes: impl Fn(&RuleInfo) -> bool) -> Result<(), Failure> {
    let mut outcome = Ok(());
    for family in FAMILIES {
        outcome = outcome.and(delete_in(host, &table(family), &goes));
    }
    outcome
}

fn delete_in(host: &Netns, table: &Table, goes: impl Fn(&RuleInfo) -> bool) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let rules = match host.nft_rules(table, None) {
            Ok(rules) => rules,
            // A kernel without nftables holds no rules of it.
            Err(failure) if failure.kind == FailureKind::Unsupported => return Ok(()),
            Err(failure) => return Err(failure),
        };
        let mut chains: Vec<(&str, Vec<u64>)> = Vec::new();
        for rule in rules.iter().filter(|rule| goes(rule)) {
            match chains.iter_mut().find(|(chain, _)| *chain == rule.chain) {
                Some((_, handles)) => handles.push(rule.handle),
                None => chains.push((&rule.chain, vec![rule.handle])),
            }
        }
        let batch = chains
            .into_iter()
            .fold(Batch::new(table.clone()), |batch, (chain, handles)| batch.delete_rules(chain, handles));
        match batch.apply(host) {
            // Another command deleted some of them meanwhile: look again.
            Err(failure) if failure.is_not_found() => {}
            other => return other,
        }
    }
    Err(Failure::new(FailureKind::Busy, format!("the rules of table {} kept changing: try again", table.name)))
}
