//! The CNI plugin `ptp`: connects the container to the host by a veth pair and routes, without a bridge.

mod add;
mod config;
mod del;

use weir_sdk::attach::{self, veth};
use weir_sdk::{AddResult, Context, GcRequest, Netns, Plugin, Request, Result, StatusRequest, masquerade};

use crate::config::{Config, Teardown};

weir_sdk::manifest! {
    name: "ptp",
    description: "Connects the container to the host by a veth pair and routes.",
    needs: {
        container_namespace: "the container's end of the veth pair is made in the container",
        host_namespace: "the other end of the veth pair, and the routes to the container, are on the host",
        links: "make the veth pair, set its ends up, delete it",
        addresses: "give the container its addresses and the host's end those of the gateways",
        routes: "give the container its routes and the host those to the container",
        sysctls: "enable forwarding and IPv6, ignore router advertisements of containers",
        nftables: "masquerade",
        iptables: "masquerade, where the configuration asks for iptables",
        delegate: "ask the IPAM plugin for addresses",
        log: "tell what went wrong where the command goes on",
    },
    asks: {
        link_kinds: ["veth"] => "the pair that connects host and container",
        host_links: ["${hostInterface}"] =>
            "the host's end of the pair where a native plugin made it and the container's namespace is gone",
        host_sysctls: ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] =>
            "the host forwards what containers send to their gateway",
        container_sysctls: ["net/ipv6/conf/lo/disable_ipv6"] => "IPv6 addresses need IPv6 on lo too",
        nftables: ["inet cni_plugins_masquerade"] => "masquerade (ipMasq)",
        iptables: ["nat CNI-*", "nat POSTROUTING:jump"] =>
            "masquerade by iptables (ipMasqBackend), and what native plugins left",
        delegates: ["${ipam.type}"] => "the IPAM plugin that the configuration names",
    },
}

weir_sdk::export_plugin!(PointToPoint);

/// The plugin.
#[derive(Debug)]
pub struct PointToPoint;

impl Plugin for PointToPoint {
    fn add(request: &Request) -> Result<AddResult> {
        add::add(request)
    }

    fn del(request: &Request) -> Result<()> {
        del::del(request)
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request.config()?)?;
        attach::check(request, config.ipam.plugin(), |_, inner| {
            let host = Netns::host().context("open the host's network namespace")?;
            veth::require_told(&veth::host_end(&host, inner)?, &request.require_prev_result()?.interfaces)
        })
    }

    fn gc(request: &GcRequest) -> Result<()> {
        let addresses = attach::collect_garbage(request);
        let config: Teardown = request.config()?;
        if !config.masquerade {
            return addresses;
        }
        let host = Netns::host().context("open the host's network namespace").map_err(Into::into);
        let rules = host.and_then(|host| masquerade::collect_garbage(&host, request, config.masquerade_backend()));
        addresses.and(rules)
    }

    fn status(request: &StatusRequest) -> Result<()> {
        Config::load(request.config()?)?;
        attach::status(request)
    }
}

#[cfg(test)]
mod tests;
