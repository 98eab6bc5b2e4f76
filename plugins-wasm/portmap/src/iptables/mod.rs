//! The backend iptables: table nat, with the chains of the reference plugin.
//!
//! Each command is one listing and one transaction for each family. Chains that attachments share are created only where
//! the listing lacks them, and the transaction fails where another command was faster; then both are done again.
//!
//! The chain of an attachment is named by network, container and interface. The reference plugin leaves the interface
//! out; its chains are taken away together with ours.

mod rules;

use std::collections::BTreeSet;

use weir_sdk::convert::family_of;
use weir_sdk::naming::{CHAIN_NAME_LENGTH, chain_name, hash};
use weir_sdk::net::IpFamily;
use weir_sdk::net::iptables::{Chain, Command, Rule};
use weir_sdk::net::nftables::Table;
use weir_sdk::{Context, Error, Failure, FailureKind, GcRequest, IpNet, Netns, Request, Result};

use crate::FAMILIES;
use crate::config::{Backend, Config};
use rules::{Attachment, comment_start, same};

const NAT: &str = "nat";
/// Looks at the ports of all attachments.
const TOP: &str = "CNI-HOSTPORT-DNAT";
/// Asks for masquerade by a bit of the packet mark.
const SET_MARK: &str = "CNI-HOSTPORT-SETMARK";
/// Masquerades what has the mark.
const MASQUERADE: &str = "CNI-HOSTPORT-MASQ";
/// What the chains of attachments begin with.
const OWN_PREFIX: &str = "CNI-DN-";

/// The chain of an attachment.
fn own_chain(network: &str, container_id: &str, interface_name: &str) -> String {
    // None of the three can hold a slash, so no two attachments make the same text, and none the reference plugin's.
    let key = format!("{network}/{container_id}/{interface_name}");
    format!("{OWN_PREFIX}{}", hash(&key, CHAIN_NAME_LENGTH - OWN_PREFIX.len()))
}

/// The chain of the reference plugin for a container in a network.
fn reference_chain(network: &str, container_id: &str) -> String {
    chain_name("DN-", network, container_id)
}

/// All chains that an attachment may have left: ours, the reference plugin's, and that of its old versions.
fn all_chains(network: &str, container_id: &str, interface_name: &str) -> [String; 3] {
    [
        own_chain(network, container_id, interface_name),
        reference_chain(network, container_id),
        chain_name("SN-", network, container_id),
    ]
}

/// Make the rules of an attachment.
pub(crate) fn add(host: &Netns, request: &Request, config: &Config, addresses: &[IpNet]) -> Result<()> {
    for container in addresses {
        let family = family_of(container.addr());
        if !config.maps(family) {
            continue;
        }
        let name = own_chain(&request.network, &request.container_id, &request.interface_name);
        let attachment = Attachment { request, config, container: *container, chain: &name };
        host.iptables_change(family, NAT, |chains| {
            let mut commands = rules::shared(chains, config);
            // Left over from an ADD before, which no DEL followed.
            commands.extend(entries(chains, &name).cloned().map(Command::Delete));
            commands.push(Command::CreateOrFlushChain(name.clone()));
            commands.extend(attachment.rules().into_iter().map(Command::Append));
            // The newest stands first.
            commands.extend(attachment.entries().into_iter().rev().map(Command::Prepend));
            commands
        })
        .with_context(|| format!("map ports to {}", container.addr()))?;
    }
    Ok(())
}

/// Rules that jump to a chain.
fn entries<'a>(chains: &'a [Chain], to: &str) -> impl Iterator<Item = &'a Rule> {
    chains.iter().flat_map(|chain| &chain.rules).filter(move |rule| rule.jumps_to(to))
}

/// The commands that take chains away with all jumps to them.
fn removal<'a>(chains: &[Chain], names: impl Iterator<Item = &'a str>) -> Vec<Command> {
    let mut commands = Vec::new();
    for name in names {
        commands.extend(entries(chains, name).cloned().map(Command::Delete));
        if chains.iter().any(|chain| chain.name == name) {
            commands.push(Command::CreateOrFlushChain(name.to_owned()));
            commands.push(Command::DeleteChain(name.to_owned()));
        }
    }
    commands
}

/// Whether iptables keeps its rules in nftables, and not in a place of its own as iptables-legacy does: who writes nftables
/// by hand may have a table of the same name, but seldom chains with these names.
fn keeps_in_nftables(chains: &[String]) -> bool {
    chains.iter().any(|name| ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].contains(&name.as_str()))
}

/// The chains that iptables keeps in nftables, asked for without starting a program. Not those of iptables-legacy.
fn chains_in_nftables(host: &Netns, family: IpFamily) -> Vec<String> {
    let table = match family {
        IpFamily::Ipv4 => Table::ip(NAT),
        IpFamily::Ipv6 => Table::ip6(NAT),
    };
    host.nft_chains(&table).unwrap_or_default()
}

/// Take the rules of an attachment away. Starting the programs is slow, so where nothing says that they were used, the
/// kernel is asked first. `mapped`: the runtime says that the attachment has mappings.
pub(crate) fn remove(host: &Netns, request: &Request, configured: Option<Backend>, mapped: bool) -> Result<()> {
    let names = all_chains(&request.network, &request.container_id, &request.interface_name);
    let mut outcome = Ok(());
    for family in FAMILIES {
        let in_nftables = chains_in_nftables(host, family);
        let seen = names.iter().any(|name| in_nftables.contains(name));
        let possible = configured != Some(Backend::Nftables) && (mapped || !keeps_in_nftables(&in_nftables));
        if !seen && !possible {
            continue;
        }
        let removed = host.iptables_change(family, NAT, |chains| removal(chains, names.iter().map(String::as_str)));
        outcome = outcome.and(without_iptables(removed));
    }
    Ok(outcome.context("take port mappings away")?)
}

/// Where iptables is not installed, or has no such table, it holds no rules.
fn without_iptables(outcome: std::result::Result<(), Failure>) -> std::result::Result<(), Failure> {
    match outcome {
        Err(failure) if matches!(failure.kind, FailureKind::Unsupported | FailureKind::NotFound) => Ok(()),
        other => other,
    }
}

/// Take away the chains of a network that belong to no valid attachment.
pub(crate) fn collect_garbage(host: &Netns, request: &GcRequest, configured: Option<Backend>) -> Result<()> {
    let network = &request.network;
    // Not collected: that would sort, and sorting is much code. Below too.
    let mut valid = BTreeSet::new();
    for attachment in &request.valid_attachments {
        valid.extend(all_chains(network, &attachment.container_id, &attachment.interface_name));
    }
    let start = comment_start(network);
    let is_garbage = |rule: &&Rule| {
        let target = rule.value_of("-j").unwrap_or_default();
        let of_network = rule.value_of("--comment").is_some_and(|comment| comment.starts_with(&start));
        of_network && target.starts_with(OWN_PREFIX) && !valid.contains(target)
    };
    let mut outcome = Ok(());
    for family in FAMILIES {
        let in_nftables = chains_in_nftables(host, family);
        if configured == Some(Backend::Nftables) && !in_nftables.iter().any(|name| name == TOP) {
            continue;
        }
        let removed = host.iptables_change(family, NAT, |chains| {
            let top = chains.iter().filter(|chain| chain.name == TOP).flat_map(|chain| &chain.rules);
            let mut garbage = BTreeSet::new();
            garbage.extend(top.filter(is_garbage).filter_map(|rule| rule.value_of("-j")));
            removal(chains, garbage.into_iter())
        });
        outcome = outcome.and(without_iptables(removed));
    }
    Ok(outcome.context("collect garbage of port mappings")?)
}

/// Compare the rules that an attachment needs with those that are there.
pub(crate) fn check(host: &Netns, request: &Request, config: &Config, addresses: &[IpNet]) -> Result<()> {
    for container in addresses {
        let family = family_of(container.addr());
        if !config.maps(family) {
            continue;
        }
        let chains = host.iptables_save(family, NAT).context("list the rules of port mappings")?;
        let exists = |name: &String| chains.iter().any(|chain| chain.name == *name);
        let own = own_chain(&request.network, &request.container_id, &request.interface_name);
        let old = reference_chain(&request.network, &request.container_id);
        let name = if !exists(&own) && exists(&old) { old } else { own };
        let attachment = Attachment { request, config, container: *container, chain: &name };
        let has = |wanted: &Rule| {
            let rules = chains.iter().filter(|chain| chain.name == wanted.chain).flat_map(|chain| &chain.rules);
            rules.into_iter().any(|rule| same(rule, wanted))
        };
        let lost = |rule: &Rule| {
            Err(Error::internal(format!(
                "the rule {:?} for {} is missing in iptables chain {}: the port mapping was changed by somebody else",
                rule.words.join(" "),
                container.addr(),
                rule.chain
            )))
        };
        if let Some(missing) = attachment.rules().iter().find(|rule| !has(rule)) {
            return lost(missing);
        }
        // Conditions are in the words of the user, which iptables-save prints in its own.
        for wanted in attachment.entries() {
            let is_entry = |rule: &Rule| {
                rule.chain == wanted.chain
                    && ["-p", "--dports", "-j"].iter().all(|option| rule.value_of(option) == wanted.value_of(option))
            };
            if !entries(&chains, &name).any(is_entry) {
                return lost(&wanted);
            }
        }
    }
    Ok(())
}
