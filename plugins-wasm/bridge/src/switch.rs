//! The bridge itself: found or made, up, with what the configuration asks of it.

use weir_sdk::net::{BridgeOptions, LinkChanges, LinkInfo};
use weir_sdk::{Context, Error, FailureKind, Link, Netns, Result};

use crate::config::Config;

/// The bridge.
pub(crate) struct Switch {
    pub(crate) link: Link,
    /// As it was before a port was attached.
    pub(crate) info: LinkInfo,
}

impl Switch {
    /// Find or make the bridge and set it up.
    pub(crate) fn ensure(host: &Netns, config: &Config) -> Result<Self> {
        let name = &config.bridge;
        let filters = config.vlans.is_some();
        let doing = || format!("make the bridge {name}");
        let (link, is_new) = match host.link(name).with_context(doing)? {
            Some(link) => (link, false),
            None => match host.create_bridge(name, BridgeOptions { mtu: config.mtu, vlan_filtering: filters }) {
                Ok(link) => (link, true),
                // Another ADD was faster.
                Err(failure) if failure.kind == FailureKind::AlreadyExists => (find(host, name)?, false),
                Err(failure) if filters && failure.kind == FailureKind::Unsupported => {
                    let hint = "does the kernel filter bridges by VLAN (BRIDGE_VLAN_FILTERING)?";
                    return Err(Error::from(failure.within(&doing())).with_details(hint));
                }
                Err(failure) => return Err(failure.within(&doing()).into()),
            },
        };
        let info = link.info().with_context(doing)?;
        require_bridge(&info)?;
        if filters && !is_new && !link.vlan_filtering().with_context(doing)? {
            link.set_vlan_filtering(true).with_context(|| format!("turn on VLAN filtering of {name}"))?;
        }
        ignore_router_advertisements(host, name);
        let changes = LinkChanges {
            up: (!info.up).then_some(true),
            promiscuous: (config.promiscuous && !info.promiscuous).then_some(true),
            ..LinkChanges::default()
        };
        if changes != LinkChanges::default() {
            link.update(&changes).with_context(|| format!("set the bridge {name} up"))?;
        }
        Ok(Self { link, info })
    }

    /// Keep the hardware address that the bridge has. Otherwise it takes the lowest of its ports, and its neighbours lose it
    /// as ports come and go.
    pub(crate) fn fix_mac(&self) -> Result<()> {
        let doing = || format!("fix the hardware address of {}", self.info.name);
        let before = &self.info.mac;
        // A bridge that lost its last port has none; the new port has given it one since.
        let is_none = before.as_bytes().iter().all(|byte| *byte == 0);
        let mac = if is_none { self.link.info().with_context(doing)?.mac } else { before.clone() };
        let changes = LinkChanges { mac: Some(mac.into()), ..LinkChanges::default() };
        Ok(self.link.update(&changes).with_context(doing)?)
    }
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
