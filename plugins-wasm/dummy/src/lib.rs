//! The CNI plugin `dummy`: gives the container an interface that holds addresses and drops packets.

use serde::Deserialize;
use weir_sdk::attach::{self, Ipam, Settings};
use weir_sdk::cni_spec::result::Dns;
use weir_sdk::interface::DuplicateDetection;
use weir_sdk::net::{LinkKind, LinkOptions};
use weir_sdk::{AddResult, Context, Error, GcRequest, Plugin, Request, Result, StatusRequest};

weir_sdk::manifest! {
    name: "dummy",
    description: "Gives the container an interface that holds addresses and drops packets.",
    needs: {
        container_namespace: "the interface is made in the container",
        links: "look at the interface, set it up, delete it",
        virtual_links: "make the interface",
        addresses: "give the interface its addresses",
        routes: "add routes through the interface",
        sysctls: "enable IPv6 where it is off",
        delegate: "ask the IPAM plugin for addresses",
        log: "tell what went wrong where the command goes on",
    },
    asks: {
        link_kinds: ["dummy"] => "the container's interface",
        container_sysctls: ["net/ipv6/conf/lo/disable_ipv6"] => "IPv6 addresses need IPv6 on lo too",
        delegates: ["${ipam.type}"] => "the IPAM plugin that the configuration names",
    },
}

weir_sdk::export_plugin!(Dummy);

/// The plugin.
#[derive(Debug)]
pub struct Dummy;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    ipam: Ipam,
    dns: Dns,
}

impl Plugin for Dummy {
    fn add(request: &Request) -> Result<AddResult> {
        let config: Config = request.config()?;
        // Nobody is on the wire who could have the same address.
        let detection = DuplicateDetection::Skip;
        let settings = Settings { ipam: Some(config.ipam.require()?), dns: &config.dns, detection };
        attach::add(request, &settings, |container| {
            let name = &request.interface_name;
            let link = container.create_virtual_link(name, &LinkKind::Dummy, &LinkOptions::default(), None);
            Ok(link.context("make the interface")?)
        })
    }

    fn del(request: &Request) -> Result<()> {
        attach::del(request)
    }

    fn check(request: &Request) -> Result<()> {
        let config: Config = request.config()?;
        attach::check(request, Some(config.ipam.require()?), |_, info| {
            if !info.is("dummy") {
                return Err(Error::internal(format!("{} is no dummy interface", info.name)));
            }
            if !info.up {
                return Err(Error::internal(format!("{} is down", info.name)));
            }
            Ok(())
        })
    }

    fn gc(request: &GcRequest) -> Result<()> {
        attach::collect_garbage(request)
    }

    fn status(request: &StatusRequest) -> Result<()> {
        request.config::<Config>()?.ipam.require()?;
        attach::status(request)
    }
}

#[cfg(test)]
mod tests;
