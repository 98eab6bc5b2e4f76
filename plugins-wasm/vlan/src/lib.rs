//! The CNI plugin `vlan`: gives the container the frames of an interface that carry a VLAN ID (802.1Q).

mod config;

use weir_sdk::attach::{self, Settings, lower};
use weir_sdk::interface::{DuplicateDetection, Target};
use weir_sdk::net::{LinkInfo, LinkKind, LinkOptions};
use weir_sdk::{AddResult, Context, Error, GcRequest, Netns, Plugin, Request, Result, StatusRequest};

use config::{Config, Document};

weir_sdk::manifest! {
    name: "vlan",
    description: "Gives the container the frames of an interface that carry a VLAN ID.",
    needs: {
        container_namespace: "the interface is made in the container",
        host_namespace: "the master is on the host, unless linkInContainer is set",
        links: "find the master, look at the interface, set it up, delete it",
        virtual_links: "make the interface",
        addresses: "give the interface its addresses",
        routes: "add routes through the interface",
        sysctls: "enable IPv6 where it is off, tell neighbours about the addresses",
        delegate: "ask the IPAM plugin for addresses",
        log: "tell what went wrong where the command goes on",
    },
    asks: {
        link_kinds: ["vlan"] => "the container's interface",
        lower_links: ["${master}"] => "the link whose frames are taken",
        container_links: ["${master}"] => "the same, with linkInContainer",
        container_sysctls: ["net/ipv6/conf/lo/disable_ipv6"] => "IPv6 addresses need IPv6 on lo too",
        delegates: ["${ipam.type}"] => "the IPAM plugin that the configuration names",
    },
}

weir_sdk::export_plugin!(Vlan);

/// The plugin.
#[derive(Debug)]
pub struct Vlan;

impl Plugin for Vlan {
    fn add(request: &Request) -> Result<AddResult> {
        let config = load(request)?;
        let detection = DuplicateDetection::Wait;
        let settings = Settings { ipam: Some(config.ipam.require()?), dns: &config.dns, detection };
        let place = lower::namespace(request, config.link_in_container)?;
        attach::add(request, &settings, |container| {
            let (master, info) = lower::find(&place, &config.master)?;
            let options = LinkOptions { mtu: lower::require_mtu(config.mtu, &info)?, ..LinkOptions::default() };
            let kind = LinkKind::Vlan(config.vlan_id);
            let link = container.create_virtual_link(&request.interface_name, &kind, &options, Some(&master));
            Ok(link.with_context(|| format!("make VLAN {} of {}", config.vlan_id, config.master))?)
        })
    }

    fn del(request: &Request) -> Result<()> {
        attach::del(request)
    }

    fn check(request: &Request) -> Result<()> {
        let config = load(request)?;
        let place = lower::namespace(request, config.link_in_container)?;
        attach::check(request, Some(config.ipam.require()?), |target, info| look(&config, &place, target, info))
    }

    fn gc(request: &GcRequest) -> Result<()> {
        attach::collect_garbage(request)
    }

    fn status(request: &StatusRequest) -> Result<()> {
        let config = Config::try_from(request.config::<Document>()?)?;
        lower::require_present(&config.master, config.link_in_container)?;
        attach::status(request)
    }
}

fn load(request: &Request) -> Result<Config> {
    request.config::<Document>()?.try_into()
}

/// Whether the link is what ADD made.
fn look(config: &Config, place: &Netns, target: &Target<'_>, info: &LinkInfo) -> Result<()> {
    let name = target.name;
    match target.link.kind().with_context(|| format!("look at {name}"))? {
        Some(LinkKind::Vlan(id)) if id == config.vlan_id => {}
        Some(LinkKind::Vlan(id)) => {
            return Err(Error::internal(format!("{name} has the VLAN ID {id}, but should have {}", config.vlan_id)));
        }
        _ => return Err(Error::internal(format!("{name} is no VLAN interface"))),
    }
    let (_, master) = lower::find(place, &config.master)?;
    if info.lower != Some(master.index) {
        return Err(Error::internal(format!("{name} does not stand on the master {}", config.master)));
    }
    match lower::require_mtu(config.mtu, &master)? {
        Some(mtu) if mtu != info.mtu => {
            Err(Error::internal(format!("{name} has the MTU {}, but should have {mtu}", info.mtu)))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
