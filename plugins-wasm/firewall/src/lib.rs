//! The CNI plugin `firewall`: lets a container's packets through the host's firewall, and keeps bridges apart.
//!
//! A packet passes only if every chain that looks at it lets it through, so accept rules are put where packets are dropped:
//! in the table `filter` of iptables where that is in use, in chains of nftables that drop by default, in a zone of
//! firewalld. The table `inet cni_firewall` holds who owns which address, and what drops: the ingress policies.

mod addresses;
mod config;
mod foreign_chains;
mod iptables;
mod isolation;
mod owner;

use std::net::IpAddr;

use weir_sdk::net::{IpFamily, firewalld};
use weir_sdk::{
    AddResult, Context, Error, FailureKind, GcRequest, IpNet, Link, Netns, Plugin, Request, Result, StatusRequest, warn,
};

use config::{Backend, Config, Raw};
use foreign_chains::Whose;
use isolation::Place;
use owner::{Entry, Owners};

weir_sdk::manifest! {
    name: "firewall",
    description: "Lets a container's packets through the host's firewall, and keeps bridges apart.",
    cni_versions: &["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    needs: {
        host_namespace: "packets pass through the host",
        nftables: "ingress policies and owners of addresses in the tables inet and bridge cni_firewall; accept rules in chains that drop by default",
        iptables: "accept rules in the table filter where it is in use, and the backend iptables",
        firewalld: "addresses as sources of a zone, where firewalld runs",
        links: "see whether a bridge with an ingress policy is still there",
        log: "say what was not done, where that is no reason to fail",
    },
    asks: {
        nftables: ["inet cni_firewall", "bridge cni_firewall"] => "ingress policies, and who owns which address",
        nftables: ["ip *:accept", "ip6 *:accept", "inet *:accept"] =>
            "accept rules in all chains that drop forwarded packets by default, whoever made them",
        iptables: [
            "filter CNI-FORWARD",
            "filter CNI-ADMIN",
            "filter ${iptablesAdminChainName}",
            "filter CNI-ISOLATION-STAGE-1",
            "filter CNI-ISOLATION-STAGE-2",
        ] => "accept rules and ingress policies, where iptables is in use",
        iptables: ["filter FORWARD:jump"] => "so that forwarded packets come to these chains",
        firewalld_zones: ["trusted", "${firewalldZone}"] =>
            "the zone that addresses come under; trusted where the configuration names none",
    },
}

weir_sdk::export_plugin!(Firewall);

/// The plugin.
#[derive(Debug)]
pub struct Firewall;

/// Both families, in the order in which they are worked on.
const FAMILIES: [IpFamily; 2] = [IpFamily::Ipv4, IpFamily::Ipv6];

impl Plugin for Firewall {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::load(request.config()?)?;
        let result = request.require_prev_result()?;
        let place = Place::of(&config, result)?;
        let host = open_host()?;
        let addresses = addresses::of(result);
        if let Err(error) = let_through(&host, request, &config, &addresses, place.as_ref()) {
            let _ = take_back(&host, request, Some(&config), result);
            return Err(error);
        }
        Ok(result.clone())
    }

    fn del(request: &Request) -> Result<()> {
        // A configuration that ADD would refuse must not keep DEL from cleaning up.
        let config = request.config::<Raw>().ok().and_then(|raw| Config::load(raw).ok());
        let nothing = AddResult::default();
        let result = request.prev_result().unwrap_or(&nothing);
        take_back(&open_host()?, request, config.as_ref(), result)
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request.config()?)?;
        let result = request.require_prev_result()?;
        let place = Place::of(&config, result)?;
        let host = open_host()?;
        let backend = config.backend(&host)?;
        let addresses = addresses::of(result);
        let owners = Owners::load(&host)?;
        let recorded = addresses.iter().all(|address| owners.owns(request, *address));
        match backend {
            Backend::Iptables => iptables::check(&host, &config, &addresses, recorded)?,
            Backend::Nftables | Backend::Firewalld if recorded => {
                let seen = iptables::seen(&host, &addresses)?;
                let whose = if iptables::is_readable(&host, &seen) {
                    iptables::check(&host, &config, &seen, true)?;
                    Whose::NotOfIptables
                } else {
                    Whose::Anybodys
                };
                foreign_chains::check(&host, request, &addresses, whose)?;
            }
            // What the reference plugin made is not recorded. Then its rules must be there.
            Backend::Nftables => iptables::check(&host, &config, &addresses, false)?,
            Backend::Firewalld => {}
        }
        if backend == Backend::Firewalld {
            check_zone(&config.zone, &addresses)?;
        }
        place.map_or(Ok(()), |place| match backend {
            Backend::Iptables => iptables::check_policy(&host, &place, &addresses),
            Backend::Nftables | Backend::Firewalld => isolation::check(&host, request, &place),
        })
    }

    fn gc(request: &GcRequest) -> Result<()> {
        let host = open_host()?;
        let owners = Owners::load(&host)?;
        let garbage = owner::Garbage::of(request);
        let (gone, left) = owners.split(|comment| garbage.is(comment));
        let addresses = only_of(gone.iter().map(|entry| entry.address).collect(), &left);
        let outcome = iptables::remove(&host, &addresses)
            .and(foreign_chains::remove(&host, |comment| garbage.is(comment)))
            .and(leave_zones(&gone, &left))
            .and(isolation::remove_ports(&host, |comment| garbage.is(comment)))
            .and(forget_lost_bridges(&host));
        // Last, so that what failed is tried again.
        outcome.and_then(|()| Ok(owner::forget(&host, &gone).context("forget who owns addresses")?))
    }

    fn status(request: &StatusRequest) -> Result<()> {
        let config = Config::load(request.config()?)?;
        let host = open_host()?;
        match config.backend(&host)? {
            Backend::Iptables if !host.iptables_available(IpFamily::Ipv4) => Err(Error::not_available(
                "the firewall needs iptables, which does not work on this host: install it, or set backend to nftables",
            )),
            Backend::Firewalld if !firewalld::available() => Err(Error::not_available(
                "the configuration asks for firewalld, which does not run: start it, or set another backend",
            )),
            Backend::Nftables if !config::has_nftables(&host)? => Err(Error::not_available(
                "the configuration asks for nftables, which this kernel does not have: set backend to iptables",
            )),
            _ => Ok(()),
        }
    }
}

fn open_host() -> Result<Netns> {
    Ok(Netns::host().context("open the host's namespace")?)
}

fn let_through(
    host: &Netns,
    request: &Request,
    config: &Config,
    addresses: &[IpAddr],
    place: Option<&Place<'_>>,
) -> Result<()> {
    let backend = config.likely_backend();
    let zone = (backend == Backend::Firewalld).then_some(config.zone.as_str());
    // First, so that whatever happens to this command, DEL and GC know the addresses.
    let backend = match owner::record(host, request, addresses, zone) {
        Err(failure) if failure.kind == FailureKind::Unsupported => config.backend_without_nftables(backend)?,
        other => other.context("write down who owns the addresses").map(|()| backend)?,
    };
    if backend == Backend::Iptables {
        iptables::add(host, config, addresses, place)?;
        return place.map_or(Ok(()), |place| isolation::close_ports(host, request, place, true));
    }
    let whose = match iptables::add(host, config, &iptables::seen(host, addresses)?, None) {
        Err(failure) if failure.kind == FailureKind::Unsupported => {
            warn!("firewall: rules of iptables may drop packets, and are left as they are: {}", failure.message);
            Whose::Anybodys
        }
        other => other.map(|()| Whose::NotOfIptables)?,
    };
    foreign_chains::add(host, request, addresses, whose)?;
    if let Some(zone) = zone {
        for address in addresses {
            let doing = || format!("let {address} through firewalld");
            firewalld::add_source(zone, IpNet::from(*address)).with_context(doing)?;
        }
    }
    place.map_or(Ok(()), |place| isolation::add(host, request, place))
}

/// Undo an ADD, of whichever backend. The configuration may have changed, or be missing.
fn take_back(host: &Netns, request: &Request, config: Option<&Config>, result: &AddResult) -> Result<()> {
    let owners = Owners::load(host)?;
    let mark = owner::mark(request);
    let (own, others) = owners.split(|comment| comment.starts_with(&mark));
    let mut addresses = addresses::of(result);
    let in_zone: Vec<IpAddr> = addresses.clone();
    for entry in &own {
        if !addresses.contains(&entry.address) {
            addresses.push(entry.address);
        }
    }
    // An address that somebody else has by now stays open for him.
    let addresses = only_of(addresses, &others);
    let outcome = iptables::remove(host, &addresses)
        .and(foreign_chains::remove(host, |comment| comment.starts_with(&mark)))
        .and(leave_zones(&own, &others))
        .and(isolation::remove_ports(host, |comment| comment.starts_with(&mark)));
    // Made by the reference plugin, which records nothing.
    let unrecorded = match config {
        Some(config) if own.is_empty() && config.may_use_firewalld() && !in_zone.is_empty() => {
            leave_zone(&config.zone, only_of(in_zone, &others))
        }
        _ => Ok(()),
    };
    let bridge = match isolation::bridge_of(result) {
        Some(bridge) if config.is_none_or(|config| config.policy != config::Policy::Open) => {
            forget_bridge(host, bridge)
        }
        _ => Ok(()),
    };
    // Last, so that what failed is tried again.
    outcome.and(unrecorded).and(bridge)?;
    Ok(owner::forget(host, &own).context("forget who owns addresses")?)
}

/// Addresses that nobody of these has.
fn only_of(mut addresses: Vec<IpAddr>, others: &[Entry]) -> Vec<IpAddr> {
    addresses.retain(|address| others.iter().all(|other| other.address != *address));
    addresses
}

/// Take addresses out of the zones in which they were put.
fn leave_zones(gone: &[Entry], left: &[Entry]) -> Result<()> {
    let mut outcome = Ok(());
    for entry in gone {
        if let Some(zone) = entry.zone() {
            outcome = outcome.and(leave_zone(zone, only_of(vec![entry.address], left)));
        }
    }
    outcome
}

fn leave_zone(zone: &str, addresses: Vec<IpAddr>) -> Result<()> {
    // Sources end with firewalld.
    if addresses.is_empty() || !firewalld::available() {
        return Ok(());
    }
    for address in addresses {
        let doing = || format!("take {address} out of firewalld");
        match firewalld::remove_source(zone, IpNet::from(address)) {
            // A zone that is no more has no sources.
            Err(failure) if failure.kind == FailureKind::Invalid => {}
            other => other.with_context(doing)?,
        }
    }
    Ok(())
}

fn check_zone(zone: &str, addresses: &[IpAddr]) -> Result<()> {
    for address in addresses {
        if !firewalld::has_source(zone, IpNet::from(*address)).context("ask firewalld for a source")? {
            return Err(Error::internal(format!(
                "{address} is no source of zone {zone:?} of firewalld: it was removed, or firewalld was reloaded"
            )));
        }
    }
    Ok(())
}

/// Take a bridge's ingress policy away where the bridge is no more.
fn forget_bridge(host: &Netns, bridge: &str) -> Result<()> {
    if exists(host, bridge)? { Ok(()) } else { forget_bridges(host, &[bridge.to_owned()]) }
}

/// Take away the ingress policies of all bridges that are no more.
fn forget_lost_bridges(host: &Netns) -> Result<()> {
    let mut bridges = isolation::bridges(host)?;
    for bridge in iptables::bridges(host)? {
        if !bridges.contains(&bridge) {
            bridges.push(bridge);
        }
    }
    let mut lost = Vec::new();
    for bridge in bridges {
        if !exists(host, &bridge)? {
            lost.push(bridge);
        }
    }
    forget_bridges(host, &lost)
}

fn forget_bridges(host: &Netns, lost: &[String]) -> Result<()> {
    if lost.is_empty() { Ok(()) } else { isolation::forget(host, lost).and(iptables::forget(host, lost)) }
}

fn exists(host: &Netns, link: &str) -> Result<bool> {
    let found: Option<Link> = host.link(link).with_context(|| format!("look for bridge {link}"))?;
    Ok(found.is_some())
}

#[cfg(test)]
mod tests;
