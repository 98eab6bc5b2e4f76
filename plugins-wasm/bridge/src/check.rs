//! CHECK and STATUS.

use weir_sdk::cni_spec::result::{Interface, IpConfig};
use weir_sdk::delegate::Delegate;
use weir_sdk::interface::{self, Target};
use weir_sdk::net::LinkInfo;
use weir_sdk::{Context, Error, Link, Netns, Request, Result, StatusRequest};

use crate::config::Config;
use crate::switch;

pub(crate) fn check(request: &Request) -> Result<()> {
    let config = Config::load(request)?;
    if let Some(ipam) = &config.ipam {
        Delegate::ipam(ipam).check(&request.raw_config)?;
    }
    let result = request.require_prev_result()?;
    let container = request.netns()?;
    let host = Netns::host().context("open the host's network namespace")?;

    let find = |fits: &dyn Fn(&Interface) -> bool, what: &str| {
        let position = result.interfaces.iter().position(fits);
        let found = position.and_then(|index| result.interfaces.get(index).map(|interface| (index, interface)));
        found.ok_or_else(|| Error::invalid_config(format!("prevResult has no interface for {what}")))
    };
    let name = &request.interface_name;
    let path = request.netns_path.as_deref().unwrap_or_default();
    let (_, told_bridge) = find(&|told| told.sandbox.is_empty() && told.name == config.bridge, "the bridge")?;
    let (index, told) = find(&|told| told.sandbox == path && told.name == *name, "the container")?;

    let bridge = check_bridge(&host, &config, told_bridge)?;
    let link = container.link(name).with_context(|| format!("find {name}"))?;
    let link = link.ok_or_else(|| Error::internal(format!("the container has no interface {name}")))?;
    let info = look(&link, name)?;
    if !info.is("veth") {
        return Err(Error::internal(format!("{name} in the container is no veth")));
    }
    require_mac(&info, told)?;
    check_port(&host, &bridge, &info, &result.interfaces)?;

    let own = |ip: &&IpConfig| ip.interface.is_none_or(|interface| interface == index);
    let ips: Vec<IpConfig> = result.ips.iter().filter(own).cloned().collect();
    interface::check_addresses(&Target { netns: &container, link: &link, index: info.index, name }, &ips)?;
    interface::check_routes(&container, &result.routes)
}

fn look(link: &Link, name: &str) -> Result<LinkInfo> {
    Ok(link.info().with_context(|| format!("look at {name}"))?)
}

fn require_mac(info: &LinkInfo, told: &Interface) -> Result<()> {
    if told.mac.is_empty() || told.mac.eq_ignore_ascii_case(&info.mac.to_string()) {
        return Ok(());
    }
    Err(Error::internal(format!("{} has the MAC {}, but should have {}", info.name, info.mac, told.mac)))
}

fn check_bridge(host: &Netns, config: &Config, told: &Interface) -> Result<LinkInfo> {
    let info = look(&switch::find(host, &config.bridge)?, &config.bridge)?;
    if !info.is("bridge") {
        return Err(Error::internal(format!("{} is no bridge", info.name)));
    }
    // Without a gateway's address the hardware address is not fixed, and follows the ports as they come and go.
    if config.gateway && config.vlans.access.is_none() {
        require_mac(&info, told)?;
    }
    if config.promiscuous && !info.promiscuous {
        return Err(Error::internal(format!("{} is not in promiscuous mode", info.name)));
    }
    Ok(info)
}

/// The other end of the pair must be a port of the bridge, and the one that the result names.
fn check_port(host: &Netns, bridge: &LinkInfo, inner: &LinkInfo, told: &[Interface]) -> Result<()> {
    let missing = || Error::internal(format!("the other end of {} is not on the host", inner.name));
    let index = inner.lower.ok_or_else(missing)?;
    let link = host.link_by_index(index).context("find the bridge port")?.ok_or_else(missing)?;
    let info = look(&link, "the bridge port")?;
    if !info.is("veth") || info.lower != Some(inner.index) {
        return Err(missing());
    }
    if info.controller != Some(bridge.index) {
        return Err(Error::internal(format!("{} is no port of the bridge {}", info.name, bridge.name)));
    }
    let told = told.iter().find(|told| told.sandbox.is_empty() && told.name == info.name);
    let told = told.ok_or_else(|| Error::internal(format!("prevResult does not name the port {}", info.name)))?;
    require_mac(&info, told)
}

/// STATUS: the configuration makes sense, the bridge's name is not taken by something else, and IPAM is ready.
pub(crate) fn status(request: &StatusRequest) -> Result<()> {
    let config = Config::load_for_status(request)?;
    let host = Netns::host().context("open the host's network namespace")?;
    if let Some(link) = host.link(&config.bridge).with_context(|| format!("find {}", config.bridge))? {
        let info = look(&link, &config.bridge)?;
        switch::require_bridge(&info).map_err(|error| Error::not_available(error.msg))?;
    }
    config.ipam.as_deref().map_or(Ok(()), |ipam| Delegate::ipam(ipam).status(&request.raw_config))
}
