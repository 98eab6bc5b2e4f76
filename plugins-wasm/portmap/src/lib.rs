//! The CNI plugin `portmap`: sends connections to ports of the host on to ports of the container.
//!
//! No port is reserved: where two containers ask for the same port, the connections go to the one that came last, with
//! both backends, and to the other again after the last one is gone.

mod addresses;
mod conditions;
mod config;
mod iptables;
mod nftables;

use weir_sdk::net::IpFamily;
use weir_sdk::net::conntrack::FlowFilter;
use weir_sdk::{AddResult, Context, Error, GcRequest, Netns, Plugin, Request, Result, StatusRequest, warn};

use addresses::container_addresses;
use config::{Backend, Config, Protocol, Raw};

weir_sdk::manifest! {
    name: "portmap",
    description: "Sends connections to ports of the host on to ports of the container.",
    needs: {
        host_namespace: "the ports and the rules are the host's",
        nftables: "rules of the backend nftables, in the tables ip and ip6 cni_hostport",
        iptables: "rules of the backend iptables, in the table nat",
        conntrack: "forget UDP connections to a port that is mapped anew",
        routes: "find the host's interface towards the container",
        links: "find the name of that interface",
        log: "say what was not done, where that is no reason to fail",
        sysctls: "set route_localnet on that interface, so that 127.0.0.1 of the host reaches the container",
    },
    asks: {
        nftables: ["ip cni_hostport", "ip6 cni_hostport"] => "port mappings (backend nftables)",
        iptables: ["nat CNI-*"] => "port mappings (backend iptables), and what native plugins left",
        iptables: ["nat PREROUTING:jump", "nat OUTPUT:jump", "nat POSTROUTING:jump"] =>
            "so that packets come to these chains",
        host_sysctls: ["net/ipv4/conf/${hostInterface}/route_localnet"] =>
            "the interface towards the container, which the plugin before made: 127.0.0.1 of the host reaches the container",
    },
}

weir_sdk::export_plugin!(Portmap);

/// The plugin.
#[derive(Debug)]
pub struct Portmap;

/// Both families, in the order in which they are worked on.
const FAMILIES: [IpFamily; 2] = [IpFamily::Ipv4, IpFamily::Ipv6];

impl Plugin for Portmap {
    fn add(request: &Request) -> Result<AddResult> {
        let config = Config::load(request.config()?)?;
        let result = request.require_prev_result()?;
        if config.mappings.is_empty() {
            return Ok(result.clone());
        }
        let host = Netns::host().context("open the host's namespace")?;
        let addresses = container_addresses(result, &request.interface_name);
        if addresses.is_empty() {
            warn!("portmap: prevResult has no address on {}, so no port is mapped", request.interface_name);
        }
        let outcome = match config.backend(&host) {
            Backend::Nftables => nftables::add(&host, request, &config, &addresses),
            Backend::Iptables => iptables::add(&host, request, &config, &addresses),
        };
        if let Err(error) = outcome.and_then(|()| let_localhost_in(&host, &config, &addresses)) {
            // One family may be mapped already.
            let _ = remove(&host, request, config.backend, true);
            return Err(error);
        }
        forget_udp(&host, &config, &addresses);
        Ok(result.clone())
    }

    fn del(request: &Request) -> Result<()> {
        // A configuration that ADD would refuse must not keep DEL from cleaning up.
        let config = request.config::<Raw>().ok();
        let mapped = config.as_ref().is_none_or(Raw::has_mappings);
        let host = Netns::host().context("open the host's namespace")?;
        remove(&host, request, config.and_then(|config| config.named_backend()), mapped)
    }

    fn check(request: &Request) -> Result<()> {
        let config = Config::load(request.config()?)?;
        let result = request.require_prev_result()?;
        if config.mappings.is_empty() {
            return Ok(());
        }
        let host = Netns::host().context("open the host's namespace")?;
        let addresses = container_addresses(result, &request.interface_name);
        match config.backend(&host) {
            Backend::Nftables => nftables::check(&host, request, &config, &addresses),
            Backend::Iptables => iptables::check(&host, request, &config, &addresses),
        }
    }

    fn gc(request: &GcRequest) -> Result<()> {
        let configured = request.config::<Raw>().ok().and_then(|config| config.named_backend());
        let host = Netns::host().context("open the host's namespace")?;
        let in_nftables = nftables::collect_garbage(&host, request);
        let in_iptables = iptables::collect_garbage(&host, request, configured);
        in_nftables.and(in_iptables)
    }

    fn status(request: &StatusRequest) -> Result<()> {
        let config = Config::load(request.config()?)?;
        let host = Netns::host().context("open the host's namespace")?;
        if config.backend(&host) == Backend::Iptables && !host.iptables_available(IpFamily::Ipv4) {
            return Err(Error::not_available(
                "the configuration asks for iptables, which does not work on this host: install it, or set backend to nftables",
            ));
        }
        Ok(())
    }
}

/// Take the rules of an attachment away, whichever backend made them: the configuration may have changed.
fn remove(host: &Netns, request: &Request, configured: Option<Backend>, mapped: bool) -> Result<()> {
    let in_nftables = nftables::remove(host, request);
    let in_iptables = iptables::remove(host, request, configured, mapped);
    in_nftables.and(in_iptables)
}

/// Let packets from 127.0.0.1 leave by the interface towards the container: without this the kernel drops them.
fn let_localhost_in(host: &Netns, config: &Config, addresses: &[weir_sdk::IpNet]) -> Result<()> {
    let Some(address) = addresses.iter().map(weir_sdk::IpNet::addr).find(std::net::IpAddr::is_ipv4) else {
        return Ok(());
    };
    if !config.snat || !config.maps(IpFamily::Ipv4) {
        return Ok(());
    }
    let doing = || format!("let connections from 127.0.0.1 reach {address}");
    let Some(index) = host.route_to(address).with_context(doing)?.and_then(|route| route.link) else { return Ok(()) };
    let Some(link) = host.link_by_index(index).with_context(doing)? else { return Ok(()) };
    let name = link.info().with_context(doing)?.name;
    host.ensure_sysctl(&format!("net/ipv4/conf/{name}/route_localnet"), "1").with_context(doing)?;
    Ok(())
}

/// Connections that were tracked before the rules came would keep their old way. No reason to fail.
fn forget_udp(host: &Netns, config: &Config, addresses: &[weir_sdk::IpNet]) {
    let families: Vec<_> = addresses.iter().map(|network| weir_sdk::convert::family_of(network.addr())).collect();
    let filters: Vec<_> = config
        .mappings
        .iter()
        .filter(|mapping| mapping.protocol == Protocol::Udp)
        .flat_map(|mapping| {
            families.iter().filter(|family| mapping.is_for(**family)).map(|family| FlowFilter {
                family: *family,
                protocol: Protocol::Udp.number(),
                destination_port: mapping.host_port,
            })
        })
        .collect();
    if filters.is_empty() {
        return;
    }
    if let Err(failure) = host.flush_conntrack(&filters) {
        warn!("portmap: old UDP connections were not forgotten: {}", failure.message);
    }
}

#[cfg(test)]
mod tests;
