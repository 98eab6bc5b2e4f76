//! The CNI plugin `macvlan`: gives the container a link with a hardware address of its own on a link of the host.

mod config;

use weir_sdk::attach::{self, Settings, lower};
use weir_sdk::interface::DuplicateDetection;
use weir_sdk::net::{LinkKind, LinkOptions, MacvlanOptions};
use weir_sdk::{AddResult, Context, Error, GcRequest, Plugin, Request, Result, StatusRequest};

use crate::config::Config;

weir_sdk::manifest! {
    name: "macvlan",
    description: "Gives the container a link with a hardware address of its own on a link of the host.",
    needs: {
        container_namespace: "the link is made in the container",
        host_namespace: "the link below it (master) is on the host",
        links: "find the master, set the link up, delete it",
        virtual_links: "make the macvlan link",
        addresses: "give the link its addresses",
        routes: "give the container its routes; the default master is the link of the default route",
        sysctls: "enable IPv6, let neighbours know of the new addresses",
        delegate: "ask the IPAM plugin for addresses",
        log: "tell what went wrong where the command goes on",
    },
    asks: {
        link_kinds: ["macvlan"] => "the container's link",
        lower_links: ["${master}"] => "the link below it",
        lower_links: ["${defaultInterface}"] => "without master it is the link of the default route",
        container_links: ["${master}"] => "the link below it, with linkInContainer",
        container_sysctls: ["net/ipv6/conf/lo/disable_ipv6"] => "IPv6 addresses need IPv6 on lo too",
        delegates: ["${ipam.type}"] => "the IPAM plugin that the configuration names",
    },
}

weir_sdk::export_plugin!(Macvlan);

/// The plugin.
#[derive(Debug)]
pub struct Macvlan;

impl Plugin for Macvlan {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::load(request)?;
        let settings = Settings { ipam: config.ipam.plugin(), dns: &config.dns, detection: DuplicateDetection::Wait };
        attach::add(request, &settings, |container| {
            let netns = lower::namespace(request, config.link_in_container)?;
            let (master, info) = lower::find(&netns, &config.master)?;
            let options = LinkOptions {
                mtu: lower::require_mtu(config.mtu, &info)?,
                mac: config.mac.clone().map(Into::into),
                ..LinkOptions::default()
            };
            let kind = LinkKind::Macvlan(MacvlanOptions {
                mode: config.mode,
                broadcast_queue_length: config.broadcast_queue_length,
            });
            let name = &request.interface_name;
            let made = container.create_virtual_link(name, &kind, &options, Some(&master));
            Ok(made.with_context(|| format!("make the macvlan link {name} on {}", info.name))?)
        })
    }

    fn del(request: &Request) -> Result<()> {
        attach::del(request)
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request)?;
        attach::check(request, config.ipam.plugin(), |target, info| {
            let name = target.name;
            let kind = target.link.kind().with_context(|| format!("look at {name}"))?;
            match kind {
                Some(LinkKind::Macvlan(options)) if options.mode == config.mode => {}
                Some(LinkKind::Macvlan(options)) => {
                    let (is, wanted) = (options.mode, config.mode);
                    return Err(Error::internal(format!("{name} is in mode {is}, but should be in mode {wanted}")));
                }
                _ => return Err(Error::internal(format!("{name} in the container is no macvlan link"))),
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
        let config = Config::load_for_status(request)?;
        lower::require_present(&config.master, config.link_in_container)?;
        attach::status(request)
    }
}

#[cfg(test)]
mod tests;
