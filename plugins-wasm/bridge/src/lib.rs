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
