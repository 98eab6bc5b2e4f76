//! Accept rules in chains of others: base chains of nftables that look at forwarded packets and drop what no rule of
//! theirs decided on. The rules stand at the end, so that everything that their owner says comes first.

use std::net::IpAddr;

use weir_sdk::net::nftables::{
    BaseChainInfo, Batch, ChainType, Comparison, Family, Field, FieldMatch, Hook, Policy, Rule, RuleInfo, Statement,
    Value,
};
use weir_sdk::{Context, Error, Failure, FailureKind, Netns, Request, Result};

use crate::owner;

/// Connection state: established, related.
const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
/// Connection status: the destination was translated.
const DESTINATION_TRANSLATED: u32 = 32;
/// How often a deletion is tried while others delete too.
const ATTEMPTS: usize = 8;

/// Whether iptables keeps its own chain so.
fn is_of_iptables(chain: &BaseChainInfo) -> bool {
    matches!(chain.table.family, Family::Ip | Family::Ip6) && chain.table.name == "filter" && chain.name == "FORWARD"
}

/// Which chains are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those that iptables does not keep. Its own are left to its programs, which do not read rules of another make.
    NotOfIptables,
    /// All: the programs of iptables are missing, or cannot read the table as it is.
    Anybodys,
}

/// The chains of others that look at forwarded packets.
fn all(host: &Netns, whose: Whose) -> Result<Vec<BaseChainInfo>> {
    let mut chains = match host.nft_base_chains(Hook::Forward) {
        Ok(chains) => chains,
        Err(failure) if failure.kind == FailureKind::Unsupported => Vec::new(),
        Err(failure) => {
            return Err(failure).context("look for chains that drop forwarded packets").map_err(Error::from);
        }
    };
    chains.retain(|chain| {
        chain.base.type_ == ChainType::Filter
            && chain.table.family != Family::Bridge
            && chain.table.name != owner::table().name
            && (whose == Whose::Anybodys || !is_of_iptables(chain))
    });
    Ok(chains)
}

fn drops(chain: &BaseChainInfo) -> bool {
    chain.base.policy == Policy::Drop
}

fn sees(chain: &BaseChainInfo, address: IpAddr) -> bool {
    match chain.table.family {
        Family::Ip => address.is_ipv4(),
        Family::Ip6 => address.is_ipv6(),
        Family::Inet => true,
        Family::Bridge => false,
    }
}

fn any_bit(rule: Rule, field: Field, bits: u32) -> Rule {
    let values = vec![Value::AnyBit(bits)];
    rule.statement(Statement::MatchField(FieldMatch { field, comparison: Comparison::Equal, values }))
}

/// From the address: everything. To it: answers, and what port mappings send there.
fn rules(address: IpAddr) -> [Rule; 3] {
    let to = || Rule::new().matches(Field::destination_of(address), address);
    [
        any_bit(to(), Field::ConnectionState, ESTABLISHED_OR_RELATED).accept(),
        any_bit(to(), Field::ConnectionStatus, DESTINATION_TRANSLATED).accept(),
        Rule::new().matches(Field::source_of(address), address).accept(),
    ]
}

/// Comments of the rules of an address: all begin with the attachment's mark.
fn comment(request: &Request, address: IpAddr) -> String {
    owner::comment(request).replacen(',', &format!(" {address},"), 1)
}

/// Let addresses through wherever packets are dropped by default.
pub(crate) fn add(host: &Netns, request: &Request, addresses: &[IpAddr], whose: Whose) -> Result<()> {
    for chain in all(host, whose)?.iter().filter(|chain| drops(chain)) {
        let mut batch = Batch::new(chain.table.clone());
        for address in addresses.iter().filter(|address| sees(chain, **address)) {
            for rule in rules(*address) {
                batch = batch.add_rule(&chain.name, rule.comment(&comment(request, *address)));
            }
        }
        match batch.apply(host) {
            // Taken away meanwhile.
            Err(failure) if failure.is_not_found() => {}
            other => other.with_context(|| format!("let the container through chain {}", chain.name))?,
        }
    }
    Ok(())
}

/// See whether the rules are there.
pub(crate) fn check(host: &Netns, request: &Request, addresses: &[IpAddr], whose: Whose) -> Result<()> {
    for chain in all(host, whose)?.iter().filter(|chain| drops(chain)) {
        let there = host.nft_rules(&chain.table, Some(&chain.name)).context("list accept rules")?;
        for address in addresses.iter().filter(|address| sees(chain, **address)) {
            let start = format!("{} {address},", owner::mark(request));
            if there.iter().filter(|rule| rule.comment.starts_with(&start)).count() < rules(*address).len() {
                return Err(Error::internal(format!(
                    "an accept rule for {address} is missing in chain {} of nftables table {}, which drops packets: it was \
                     removed, or the chain was made after the container",
                    chain.name, chain.table.name
                )));
            }
        }
    }
    Ok(())
}

/// Take away the rules with such comments. Also of chains that do not drop any more.
pub(crate) fn remove(host: &Netns, goes: impl Fn(&str) -> bool) -> Result<()> {
    let mut outcome = Ok(());
    for chain in all(host, Whose::Anybodys)? {
        outcome = outcome.and(remove_from(host, &chain, &goes));
    }
    Ok(outcome.context("take accept rules away")?)
}

fn remove_from(host: &Netns, chain: &BaseChainInfo, goes: impl Fn(&str) -> bool) -> std::result::Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let there = host.nft_rules(&chain.table, Some(&chain.name))?;
        let is_own = |rule: &&RuleInfo| goes(&rule.comment);
        let handles: Vec<u64> = there.iter().filter(is_own).map(|rule| rule.handle).collect();
        if handles.is_empty() {
            return Ok(());
        }
        match Batch::new(chain.table.clone()).delete_rules(&chain.name, handles).apply(host) {
            // Another command deleted some of them meanwhile: look again.
            Err(failure) if failure.is_not_found() => {}
            other => return other,
        }
    }
    Err(Failure::new(FailureKind::Busy, format!("the rules of chain {} kept changing: try again", chain.name)))
}
