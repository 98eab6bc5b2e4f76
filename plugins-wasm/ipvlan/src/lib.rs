//! The CNI plugin `ipvlan`: gives the container a link with IP addresses of its own on a link of the host, which shares the
//! hardware address of that link.

mod config;

use weir_sdk::attach::{self, Settings, lower};
use weir_sdk::interface::DuplicateDetection;
use weir_sdk::net::{LinkKind, LinkOptions};
use weir_sdk::{AddResult, Context, Error, GcRequest, Link, Netns, Plugin, Request, Result, StatusRequest};

use crate::config::Config;

weir_sdk::manifest! {
    name: "ipvlan",
    description: "Gives the container a link with IP addresses of its own on a link of the host.",
    needs: {
        container_namespace: "the link is made in the container",
        host_namespace: "the link below it (master) is on the host",
        links: "find the master, set the link up, delete it",
        virtual_links: "make the ipvlan link",
        addresses: "give the link its addresses",
        routes: "give the container its routes; the default master is the link of the default route",
        sysctls: "enable IPv6, let neighbours know of the new addresses",
        delegate: "ask the IPAM plugin for addresses",
        log: "tell what went wrong where the command goes on",
    },
    asks: {
        link_kinds: ["ipvlan"] => "the container's link",
        lower_links: ["${master}"] => "the link below it",
        lower_links: ["${defaultInterface}", "${hostInterface}"] =>
            "without master it is the link of the default route, or of the plugin before",
        container_links: ["${master}"] => "the link below it, with linkInContainer",
        container_sysctls: ["net/ipv6/conf/lo/disable_ipv6"] => "IPv6 addresses need IPv6 on lo too",
        delegates: ["${ipam.type}"] => "the IPAM plugin that the configuration names",
    },
}

weir_sdk::export_plugin!(Ipvlan);

/// The plugin.
#[derive(Debug)]
pub struct Ipvlan;

impl Plugin for Ipvlan {
    fn add(request: &Request) -> Result<AddResult> {
        let mut config = Config::load(request.config()?)?;
        config.take_master_of(request.prev_result())?;
        let ipam = config.ipam.plugin();
        // In a chain, the addresses may be those of the plugin before.
        let inherited = request.prev_result().filter(|previous| ipam.is_none() && !previous.ips.is_empty());
        if inherited.is_none() {
            config.ipam.require()?;
        }
        let settings = Settings { ipam, dns: &config.dns, detection: DuplicateDetection::Wait };
        let make = |container: &Netns| make(request, &config, container);
        let Some(previous) = inherited else { return attach::add(request, &settings, make) };
        let mut result = attach::with_link(request, make, |target, info| {
            attach::apply(request, target, info, settings.detection, previous.clone())
        })?;
        attach::prefer_dns(&mut result, settings.dns);
        Ok(result)
    }

    fn del(request: &Request) -> Result<()> {
        attach::del(request)
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request.config()?)?;
        attach::check(request, config.ipam.plugin(), |target, info| {
            let name = target.name;
            match target.link.kind().with_context(|| format!("look at {name}"))? {
                Some(LinkKind::Ipvlan(mode)) if mode == config.mode => {}
                Some(LinkKind::Ipvlan(mode)) => {
                    let wanted = config.mode;
                    return Err(Error::internal(format!("{name} is in mode {mode}, but should be in mode {wanted}")));
                }
                _ => return Err(Error::internal(format!("{name} in the container is no ipvlan link"))),
            }
            if config.master.is_empty() {
                // The default route may lead elsewhere by now; the kernel keeps the link on the master that it has.
                return Ok(());
            }
            let netns = lower::namespace(request, config.link_in_container)?;
            lower::require(&netns, &config.master, info)
        })
    }

    fn gc(request: &GcRequest) -> Result<()> {
        attach::collect_garbage(request)
    }

    fn status(request: &StatusRequest) -> Result<()> {
        let config = Config::load(request.config()?)?;
        if !config.master.is_empty() {
            lower::require_present(&config.master, config.link_in_container)?;
        }
        attach::status(request)
    }
}

/// Make the link in the container, down.
fn make(request: &Request, config: &Config, container: &Netns) -> Result<Link> {
    let netns = lower::namespace(request, config.link_in_container)?;
    let (master, info) = lower::find(&netns, &config.master)?;
    let options = LinkOptions { mtu: lower::require_mtu(config.mtu, &info)?, ..LinkOptions::default() };
    let name = &request.interface_name;
    let made = container.create_virtual_link(name, &LinkKind::Ipvlan(config.mode), &options, Some(&master));
    Ok(made.with_context(|| format!("make the ipvlan link {name} on {}", info.name))?)
}

#[cfg(test)]
mod tests;
