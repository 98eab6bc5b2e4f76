//! The bridge itself: found or made, up, with what the configuration asks of it.

use weir_sdk::net::{BridgeOptions, LinkChanges, LinkInfo};
use weir_sdk::{Context, Error, Failure, FailureKind, Link, Netns, Result};

use crate::config::Config;
use crate::gateway;

/// How often the bridge is looked for anew where other ADDs make it and take it away.
pub(crate) const ATTEMPTS: usize = 10;

/// The bridge.
pub(crate) struct Switch {
    pub(crate) link: Link,
    /// As it was before a port was attached.
    pub(crate) info: LinkInfo,
    /// This ADD made it.
    is_new: bool,
}

impl Switch {
    /// Find or make the bridge and set it up.
    pub(crate) fn ensure(host: &Netns, config: &Config) -> Result<Self> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (link, is_new) = find_or_make(host, config)?;
            let error = match set_up(host, config, &link, is_new) {
                Ok(info) => return Ok(Self { link, info, is_new }),
                Err(error) => error,
            };
            // Another ADD made it, failed, and took it away again.
            if attempt < ATTEMPTS && is_gone(&link) {
                continue;
            }
            if is_new && let Err(failure) = delete_unused(&link) {
                weir_sdk::error!("remove {} again: {}", config.bridge, failure.message);
            }
            return Err(error);
        }
    }

    /// Whether somebody has deleted the bridge since.
    pub(crate) fn is_gone(&self) -> bool {
        is_gone(&self.link)
    }

    /// Delete the bridge where this ADD, which has failed, made it and nobody else uses it. An ADD that runs beside this one
    /// and has found it makes it again (see `add::attach`).
    pub(crate) fn undo(&self, host: &Netns, config: &Config) -> Result<()> {
        if !self.is_new {
            return Ok(());
        }
        let name = &self.info.name;
        let doing = || format!("delete the bridge {name}");
        let links = host.links().with_context(doing)?;
        let ports: Vec<u32> =
            links.iter().filter(|link| link.controller == Some(self.info.index)).map(|port| port.index).collect();
        // The gateway's own interface in a VLAN is of no use without the bridge.
        let own = config.vlans.access.map(|vlan| gateway::vlan_name(name, vlan));
        let is_own = |link: &&LinkInfo| own.as_ref() == Some(&link.name) && link.is("veth");
        let own = links.iter().filter(is_own).find(|link| link.lower.is_some_and(|peer| ports.contains(&peer)));
        let own_port = own.and_then(|link| link.lower);
        if ports.iter().any(|port| Some(*port) != own_port) {
            return Ok(());
        }
        if let Some(own) = own
            && let Some(link) = host.link_by_index(own.index).with_context(doing)?
        {
            link.delete_if_exists().with_context(doing)?;
        }
        // A port may have come since.
        Ok(delete_unused(&self.link).with_context(doing)?)
    }

    /// Keep the hardware address that the bridge has. Otherwise it takes the lowest of its ports, and its neighbours lose it
    /// as ports come and go.
    pub(crate) fn fix_mac(&self) -> Result<()> {
        if self.is_new {
            return Ok(()); // Done when it was made.
        }
        let doing = || format!("fix the hardware address of {}", self.info.name);
        let before = &self.info.mac;
        // A bridge that lost its last port has none; the new port has given it one since.
        let is_none = before.as_bytes().iter().all(|byte| *byte == 0);
        let mac = if is_none { self.link.info().with_context(doing)?.mac } else { before.clone() };
        let changes = LinkChanges { mac: Some(mac.into()), ..LinkChanges::default() };
        Ok(self.link.update(&changes).with_context(doing)?)
    }
}

fn is_gone(link: &Link) -> bool {
    matches!(link.info(), Err(failure) if failure.is_not_found())
}

/// Delete a bridge unless it has ports or is gone.
fn delete_unused(link: &Link) -> Result<(), Failure> {
    match link.delete_unused_bridge() {
        Err(failure) if !failure.is_not_found() => Err(failure),
        _ => Ok(()),
    }
}

/// The bridge, and whether it was made.
fn find_or_make(host: &Netns, config: &Config) -> Result<(Link, bool)> {
    let name = &config.bridge;
    let filters = config.vlans.is_some();
    let doing = || format!("make the bridge {name}");
    if let Some(link) = host.link(name).with_context(doing)? {
        return Ok((link, false));
    }
    // From the start: ADDs that run side by side must all find the same hardware address.
    let keep_mac = config.gateway && config.vlans.access.is_none();
    match host.create_bridge(name, BridgeOptions { mtu: config.mtu, vlan_filtering: filters, keep_mac }) {
        Ok(link) => Ok((link, true)),
        // Another ADD was faster.
        Err(failure) if failure.kind == FailureKind::AlreadyExists => Ok((find(host, name)?, false)),
        Err(failure) if filters && failure.kind == FailureKind::Unsupported => {
            let hint = "does the kernel filter bridges by VLAN (BRIDGE_VLAN_FILTERING)?";
            Err(Error::from(failure.within(&doing())).with_details(hint))
        }
        Err(failure) => Err(failure.within(&doing()).into()),
    }
}

/// Set the bridge up. Returns what it was before.
fn set_up(host: &Netns, config: &Config, link: &Link, is_new: bool) -> Result<LinkInfo> {
    let name = &config.bridge;
    let doing = || format!("set the bridge {name} up");
    let info = link.info().with_context(doing)?;
    require_bridge(&info)?;
    if config.vlans.is_some() && !is_new && !link.vlan_filtering().with_context(doing)? {
        link.set_vlan_filtering(true).with_context(|| format!("turn on VLAN filtering of {name}"))?;
    }
    ignore_router_advertisements(host, name);
    let changes = LinkChanges {
        up: (!info.up).then_some(true),
        promiscuous: (config.promiscuous && !info.promiscuous).then_some(true),
        ..LinkChanges::default()
    };
    if changes != LinkChanges::default() {
        link.update(&changes).with_context(doing)?;
    }
    Ok(info)
}

/// The bridge of this name, which must exist.
pub(crate) fn find(host: &Netns, name: &str) -> Result<Link> {
    let found = host.link(name).with_context(|| format!("find the bridge {name}"))?;
    found.ok_or_else(|| Error::internal(format!("the bridge {name} does not exist")))
}

/// Error 7 where a link is no bridge.
pub(crate) fn require_bridge(info: &LinkInfo) -> Result<()> {
    if info.is("bridge") {
        return Ok(());
    }
    let kind = info.kind.as_deref().unwrap_or("a device");
    let name = &info.name;
    Err(Error::invalid_config(format!("{name} exists, but is {kind}, not a bridge; set another name as bridge")))
}

/// The routes of our links are ours. Kernels without IPv6 have no such setting.
pub(crate) fn ignore_router_advertisements(netns: &Netns, name: &str) {
    if let Err(failure) = netns.set_sysctl(&format!("net/ipv6/conf/{name}/accept_ra"), "0") {
        weir_sdk::debug!("{name} accepts router advertisements: {}", failure.message);
    }
}
