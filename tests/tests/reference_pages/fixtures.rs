//! What the examples of the pages need around them.

use std::any::Any;

use anyhow::Result;
use serde_json::Value;
use weir_tests::{Chain, Container, Host};

/// Whether a plugin stands in `ipam`, and its page may show that part alone.
pub(crate) fn is_ipam(plugin: &str) -> bool {
    matches!(plugin, "host-local" | "static" | "dhcp")
}

/// Whether a plugin works on what another has made, so that a bridge comes before it where its page shows it alone.
pub(crate) fn is_chained(plugin: &str) -> bool {
    matches!(plugin, "portmap" | "tuning" | "bandwidth" | "firewall" | "sbr" | "vrf" | "weir-debug")
}

/// The type of link that a plugin makes and not every kernel has.
fn link_kind(plugin: &str) -> Option<(&'static str, &'static [&'static str])> {
    match plugin {
        "dummy" => Some(("dummy", &[])),
        "tap" => Some(("tap", &[])),
        "vrf" => Some(("vrf", &["table", "10"])),
        "vlan" => Some(("vlan", &["link", "uplink", "id", "5"])),
        "ipvlan" => Some(("ipvlan", &["link", "uplink"])),
        _ => None,
    }
}

/// Prepare the host for a plugin's example; what is returned is kept until the end.
pub(crate) fn prepare(host: &Host, plugin: &str, network: &Chain) -> Result<Box<dyn Any>> {
    // The network beyond the host, and the way there: the default for plugins that want a lower link.
    let outside = host.outside()?;
    host.run("ip", ["route", "add", "default", "via", "192.0.2.2"])?;
    host.run("ip", ["route", "add", "default", "via", "2001:db8:ff::2"])?;
    if let Some((kind, arguments)) = link_kind(plugin) {
        host.require_link(kind, arguments)?;
    }
    // Links of the host that the example names.
    for name in network.plugins.iter().flat_map(|plugin| ["master", "device"].map(|key| plugin.get(key))).flatten() {
        let Some(name) = name.as_str().filter(|name| !host.has_link(name)) else { continue };
        let peer = format!("{name}-peer");
        host.run("ip", ["link", "add", name, "type", "veth", "peer", "name", &peer])?;
        for end in [name, &peer] {
            host.run("ip", ["link", "set", end, "up"])?;
        }
    }
    if plugin == "flannel" {
        let file = network.plugins[0].get("subnetFile").and_then(Value::as_str).unwrap_or("/run/flannel/subnet.env");
        std::fs::create_dir_all(std::path::Path::new(file).parent().unwrap_or(std::path::Path::new("/")))?;
        let text =
            "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
        std::fs::write(file, text)?;
    }
    if plugin == "dhcp" {
        weir_tests::dhcp::bridge(host)?;
        let server = weir_tests::dhcp::dnsmasq("10.60.0.10,10.60.0.99", &[])?;
        return Ok(Box::new((outside, server, weir_tests::dhcp::daemon(&[])?)));
    }
    Ok(Box::new(outside))
}

/// Prepare the container: what a runtime or an earlier plugin leaves there.
pub(crate) fn prepare_container(_plugin: &str, _container: &Container) -> Result<()> {
    Ok(())
}
