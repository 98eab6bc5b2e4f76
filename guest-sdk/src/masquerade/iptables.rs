//! Masquerade by iptables: one chain for each container in a network, entered from POSTROUTING by source address.

use ipnet::IpNet;

use crate::convert::family_of;
use crate::failure::{Context, Failure};
use crate::masquerade::{Backend, Masquerade};
use crate::naming;
use crate::net::iptables::{Chain, Command, Rule};
use crate::net::nftables::Table;
use crate::net::{IpFamily, Netns};
use crate::plugin::{GcRequest, Result};

const NAT: &str = "nat";
const POSTROUTING: &str = "POSTROUTING";
const FAMILIES: [IpFamily; 2] = [IpFamily::Ipv4, IpFamily::Ipv6];

fn multicast(family: IpFamily) -> &'static str {
    match family {
        IpFamily::Ipv4 => "224.0.0.0/4",
        IpFamily::Ipv6 => "ff00::/8",
    }
}

/// The chains that iptables keeps in nftables, asked for without starting a program. Not those of iptables-legacy.
fn chains_in_nftables(host: &Netns, family: IpFamily) -> Vec<String> {
    let table = match family {
        IpFamily::Ipv4 => Table::ip(NAT),
        IpFamily::Ipv6 => Table::ip6(NAT),
    };
    host.nft_chains(&table).unwrap_or_default()
}

pub(super) fn add(of: &Masquerade<'_>, host: &Netns, addresses: &[IpNet]) -> Result<()> {
    let name = naming::chain_name("", of.network, of.container_id);
    let comment = naming::comment(of.network, of.container_id);
    for family in FAMILIES {
        let mut own: Vec<_> = addresses.iter().filter(|network| family_of(network.addr()) == family).collect();
        if own.is_empty() {
            continue;
        }
        let doing = "masquerade by iptables";
        let new = [Command::CreateChain(name.clone())];
        let fill = |subnets: &[&IpNet]| {
            let accept = |network: &&IpNet| {
                Command::Append(Rule::new(&name, &format!("-d {} -j ACCEPT", network.trunc())).comment(&comment))
            };
            subnets.iter().map(accept).collect::<Vec<_>>()
        };
        let others = format!("! -d {} -j MASQUERADE", multicast(family));
        let others = [Command::Append(Rule::new(&name, &others).comment(&comment))];
        let jump = |network: &&IpNet| {
            Command::Append(Rule::new(POSTROUTING, &format!("-s {} -j {name}", network.addr())).comment(&comment))
        };
        let jumps: Vec<_> = own.iter().map(jump).collect();
        match host.iptables_restore(family, NAT, &[&new, &*fill(&own), &others, &jumps].concat()) {
            // The key has no interface name: another interface of the container has filled the chain.
            Err(failure) if failure.is_already_exists() => {
                let chains = host.iptables_save(family, NAT).context(doing)?;
                let has = |network: &IpNet| {
                    let subnet = network.trunc().to_string();
                    let rules = chains.iter().filter(|chain| chain.name == name).flat_map(|chain| &chain.rules);
                    rules.into_iter().any(|rule| rule.jumps_to("ACCEPT") && rule.value_of("-d") == Some(&subnet))
                };
                own.retain(|network| !has(network));
                let accept = fill(&own).into_iter().map(|command| match command {
                    // Before the rule that masquerades the rest.
                    Command::Append(rule) => Command::Prepend(rule),
                    other => other,
                });
                host.iptables_restore(family, NAT, &accept.chain(jumps).collect::<Vec<_>>()).context(doing)?;
            }
            other => other.context(doing)?,
        }
    }
    Ok(())
}

pub(super) fn remove(
    of: &Masquerade<'_>,
    host: &Netns,
    configured: Option<Backend>,
    addresses: &[IpNet],
) -> Result<()> {
    let name = naming::chain_name("", of.network, of.container_id);
    let mut outcome = Ok(());
    for family in FAMILIES {
        let own: Vec<_> = addresses.iter().filter(|network| family_of(network.addr()) == family).collect();
        let unused = own.is_empty() && !addresses.is_empty();
        if unused || !may_hold(host, family, configured, |chains| chains.contains(&name)) {
            continue;
        }
        let is_own = |rule: &Rule| {
            let source = rule.value_of("-s").unwrap_or_default();
            own.is_empty() || own.iter().any(|network| is_host(source, network))
        };
        let removed = host.iptables_save(family, NAT).and_then(|chains| delete(host, family, &chains, &name, is_own));
        outcome = outcome.and(removed);
    }
    Ok(outcome.context("take away masquerade by iptables")?)
}

pub(super) fn collect_garbage(host: &Netns, request: &GcRequest, configured: Option<Backend>) -> Result<()> {
    let mut outcome = Ok(());
    for family in FAMILIES {
        if !may_hold(host, family, configured, |chains| chains.iter().any(|name| name.starts_with("CNI-"))) {
            continue;
        }
        let chains = match host.iptables_save(family, NAT) {
            Ok(chains) => chains,
            Err(failure) => {
                outcome = outcome.and(Err(failure));
                continue;
            }
        };
        for chain in &chains {
            let comment = chain.rules.iter().find_map(|rule| rule.value_of("--comment")).unwrap_or_default();
            let Some(container) = naming::container_of_comment(comment, &request.network) else { continue };
            let in_use = request.valid_attachments.iter().any(|valid| valid.container_id == container);
            if in_use || chain.name != naming::chain_name("", &request.network, container) {
                continue;
            }
            outcome = outcome.and(delete(host, family, &chains, &chain.name, |_| true));
        }
    }
    Ok(outcome.context("collect garbage of masquerade by iptables")?)
}

/// Whether iptables can hold rules of ours. Starting its programs is slow, so where the configuration does not say that
/// they were used, the kernel is asked first.
fn may_hold(
    host: &Netns,
    family: IpFamily,
    configured: Option<Backend>,
    in_nftables: impl Fn(&[String]) -> bool,
) -> bool {
    (configured != Some(Backend::Nftables) || in_nftables(&chains_in_nftables(host, family)))
        && host.iptables_available(family)
}

fn is_host(source: &str, network: &IpNet) -> bool {
    let address = network.addr().to_string();
    let (host, length) = source.split_once('/').unwrap_or((source, ""));
    host == address && (length.is_empty() || length == network.max_prefix_len().to_string())
}

/// Delete the jumps to a chain that are to go, and the chain where no other jump is left.
fn delete(
    host: &Netns,
    family: IpFamily,
    chains: &[Chain],
    name: &str,
    goes: impl Fn(&Rule) -> bool,
) -> Result<(), Failure> {
    let jumps = chains.iter().flat_map(|chain| &chain.rules).filter(|rule| rule.jumps_to(name));
    let (old, kept): (Vec<&Rule>, Vec<&Rule>) = jumps.partition(|rule| goes(rule));
    let mut commands: Vec<_> = old.into_iter().cloned().map(Command::Delete).collect();
    if kept.is_empty() && chains.iter().any(|chain| chain.name == name) {
        commands.push(Command::CreateOrFlushChain(name.to_owned()));
        commands.push(Command::DeleteChain(name.to_owned()));
    }
    if commands.is_empty() { Ok(()) } else { host.iptables_restore(family, NAT, &commands) }
}
