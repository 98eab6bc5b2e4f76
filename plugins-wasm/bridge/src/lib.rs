//! The CNI plugin `bridge`: connects the container to a Linux bridge of the host by a veth pair.

mod add;
mod check;
mod config;
mod del;
mod gateway;
mod gc;
mod port;
mod spoof_check;
mod switch;
mod vlan;

use weir_sdk::{AddResult, GcRequest, Plugin, Request, Result, StatusRequest};

weir_sdk::manifest! {
    name: "bridge",
    description: "Connects the container to a Linux bridge of the host.",
    needs: {
        container_namespace: "the container's end of the veth pair is made in the container",
        host_namespace: "the bridge and the host's end of the veth pair are on the host",
        links: "make the veth pair, set links up, delete the pair",
        bridges: "make the bridge, attach ports to it, set their VLANs",
        addresses: "give the container its addresses and the bridge that of the gateway",
        routes: "give the container its routes",
        sysctls: "enable forwarding and IPv6, set duplicate address detection",
        nftables: "masquerade, and the check of hardware addresses (macspoofchk)",
        iptables: "masquerade, where the configuration asks for iptables",
        delegate: "ask the IPAM plugin for addresses",
        log: "tell what went wrong where the command goes on",
    },
    asks: {
        link_kinds: ["bridge", "veth"] => "the bridge, and the pair that leads to the container",
        host_links: ["${bridge}", "cni0"] =>
            "the bridge, which containers share; cni0 where the configuration names none",
        host_links: ["${bridge}.*", "cni0.*"] => "the gateway's interface in a VLAN: its number is part of the name",
        host_links: ["${hostInterface}"] =>
            "the host's end of the pair where a native plugin made it and the container's namespace is gone",
        host_sysctls: ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] =>
            "the host forwards what containers send to their gateway",
        host_sysctls: ["net/ipv6/conf/${bridge}/accept_ra", "net/ipv6/conf/cni0/accept_ra"] =>
            "routes of the bridge are set here, not by router advertisements",
        container_sysctls: ["net/ipv6/conf/lo/disable_ipv6"] => "IPv6 addresses need IPv6 on lo too",
        nftables: ["inet cni_plugins_masquerade"] => "masquerade (ipMasq)",
        nftables: ["bridge nat"] => "the check of hardware addresses (macspoofchk)",
        iptables: ["nat CNI-*", "nat POSTROUTING:jump"] =>
            "masquerade by iptables (ipMasqBackend), and what native plugins left",
        delegates: ["${ipam.type}"] => "the IPAM plugin that the configuration names",
    },
}

weir_sdk::export_plugin!(Bridge);

/// The plugin.
#[derive(Debug)]
pub struct Bridge;

impl Plugin for Bridge {
    fn add(request: &Request) -> Result<AddResult> {
        add::add(request)
    }

    fn del(request: &Request) -> Result<()> {
        del::del(request)
    }

    fn check(request: &Request) -> Result<()> {
        check::check(request)
    }

    fn gc(request: &GcRequest) -> Result<()> {
        gc::gc(request)
    }

    fn status(request: &StatusRequest) -> Result<()> {
        check::status(request)
    }
}

#[cfg(test)]
mod tests;
