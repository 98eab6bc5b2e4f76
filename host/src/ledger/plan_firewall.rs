//! Deeds of calls to the firewalls.

use std::net::IpAddr;

use weir_native::attachment::Attachment;
use weir_native::family::IpFamily;
use weir_native::{Result, iptables, nftables};

use super::plan::Facts;
use super::record::{Deed, Ensured, MarkedRule, Space};
use crate::broker::objects::NamespaceHandle;

/// What marks of ours begin with.
const MARK: &str = "weir-";

/// A comment that nobody else has.
pub fn mark() -> String {
    format!("{MARK}{:016x}", weir_native::process::random_number())
}

/// Whether a comment names this attachment alone.
pub(super) fn names_owner(comment: &str, owner: &Attachment) -> bool {
    comment.starts_with(MARK) || comment.contains(&owner.container_id)
}

pub(super) fn nftables(
    namespace: &NamespaceHandle,
    table: &nftables::Table,
    commands: &[nftables::Command],
    facts: &Facts<'_>,
) -> Result<Option<Deed>> {
    let (mut rules, mut elements, mut ensured) = (Vec::new(), Vec::new(), Vec::new());
    for (place, command) in commands.iter().enumerate() {
        match command {
            nftables::Command::EnsureTable => ensured.push((place, Ensured::Table)),
            nftables::Command::EnsureChain(chain) => {
                let (name, base) = (chain.name.clone(), chain.base.is_some());
                ensured.push((place, Ensured::Chain { name, base, rules: chain.rules.len() }));
            }
            nftables::Command::EnsureSet(set) => ensured.push((place, Ensured::Set { name: set.name.clone() })),
            nftables::Command::AddRule(new) => {
                let (chain, comment) = (new.chain.clone(), new.rule.comment.clone());
                let except = if names_owner(&comment, facts.owner) {
                    Vec::new()
                } else {
                    let there = nftables::list_rules(&namespace.netns, table, Some(&chain))?;
                    there.into_iter().filter(|rule| rule.comment == comment).map(|rule| rule.handle).collect()
                };
                rules.push(MarkedRule { chain, comment, except });
            }
            nftables::Command::AddElements(set, new) => {
                let mut new = new.clone();
                if !new.iter().all(|element| names_owner(&element.comment, facts.owner)) {
                    // The kernel leaves an element that is there as it is.
                    let there = nftables::list_elements(&namespace.netns, table, set)?;
                    new.retain(|element| !there.iter().any(|old| old.key == element.key));
                }
                if !new.is_empty() {
                    elements.push((set.clone(), new));
                }
            }
            nftables::Command::DeleteRules(..)
            | nftables::Command::DeleteElements(..)
            | nftables::Command::FlushChain(_)
            | nftables::Command::DeleteChain(_)
            | nftables::Command::DeleteSet(_)
            | nftables::Command::DeleteTable => {}
        }
    }
    if rules.is_empty() && elements.is_empty() && ensured.is_empty() {
        return Ok(None);
    }
    Ok(Some(Deed::Nftables { space: Space::of(namespace), table: table.clone(), rules, elements, ensured }))
}

/// The address in a word of a rule: `10.0.0.2`, `10.0.0.2/32`, `fd00::2/128`, `10.0.0.2:80`, `[fd00::2]:80`.
pub(super) fn address_in(word: &str) -> Option<IpAddr> {
    let word = word.split(['/', ',']).next()?;
    word.parse().ok().or_else(|| word.rsplit_once(':')?.0.trim_matches(['[', ']']).parse().ok())
}

/// The plugins that use iptables share chains, as the native ones do: a rule is the attachment's where it names its
/// container or one of its addresses.
pub(super) fn iptables(
    namespace: &NamespaceHandle,
    family: IpFamily,
    table: &str,
    commands: &[iptables::Command],
    facts: &Facts<'_>,
) -> Result<Option<Deed>> {
    let is_own = |rule: &iptables::Rule| {
        rule.words.iter().any(|word| {
            let is_address = address_in(word).is_some_and(|address| facts.addresses.contains(&address));
            is_address || word.contains(&facts.owner.container_id)
        })
    };
    // Chains that only the attachment's own rules lead to are its own, with all that is in them.
    let leads_to = |rule: &iptables::Rule, chain: &str| {
        rule.words.windows(2).any(|pair| matches!(pair, [option, target] if option == "-j" && target == chain))
    };
    let is_own_chain = |chain: &str| {
        let mut entrances = commands.iter().filter_map(|command| match command {
            iptables::Command::Append(rule) | iptables::Command::Prepend(rule) => leads_to(rule, chain).then_some(rule),
            _ => None,
        });
        entrances.next().is_some_and(is_own) && entrances.all(is_own)
    };
    let mut undo = Vec::new();
    for command in commands {
        match command {
            iptables::Command::Append(rule) | iptables::Command::Prepend(rule) if is_own(rule) => {
                undo.push(iptables::Command::Delete(rule.clone()));
            }
            iptables::Command::CreateChain(chain) | iptables::Command::CreateOrFlushChain(chain) => {
                if !iptables::may_hold(&namespace.netns, family, table, chain)? {
                    undo.push(iptables::Command::DeleteChain(chain.clone()));
                    if is_own_chain(chain) {
                        undo.push(iptables::Command::CreateOrFlushChain(chain.clone()));
                    }
                }
            }
            iptables::Command::Append(_)
            | iptables::Command::Prepend(_)
            | iptables::Command::Delete(_)
            | iptables::Command::DeleteChain(_) => {}
        }
    }
    undo.reverse();
    let space = Space::of(namespace);
    Ok((!undo.is_empty()).then(|| Deed::Iptables { space, family, table: table.to_owned(), undo }))
}
