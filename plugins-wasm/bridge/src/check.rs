//! CHECK and STATUS.

use weir_sdk::attach::{self, require_mac, veth};
use weir_sdk::cni_spec::result::Interface;
use weir_sdk::delegate::Delegate;
use weir_sdk::net::LinkInfo;
use weir_sdk::{Context, Error, Link, Netns, Request, Result, StatusRequest};

use crate::config::Config;
use crate::switch;

pub(crate) fn check(request: &Request) -> Result<()> {
    let config = Config::load(request)?;
    let ipam = config.ipam.as_deref().map(Delegate::ipam);
    attach::check(request, ipam, |_, inner| {
        let interfaces = &request.require_prev_result()?.interfaces;
        let told = interfaces.iter().find(|told| told.sandbox.is_empty() && told.name == config.bridge);
        let told = told.ok_or_else(|| Error::invalid_config("prevResult has no interface for the bridge"))?;
        let host = Netns::host().context("open the host's network namespace")?;
        let bridge = check_bridge(&host, &config, told)?;
        let port = veth::host_end(&host, inner)?;
        if port.controller != Some(bridge.index) {
            return Err(Error::internal(format!("{} is no port of the bridge {}", port.name, bridge.name)));
        }
        veth::require_told(&port, interfaces)
    })
}

fn look(link: &Link, name: &str) -> Result<LinkInfo> {
    Ok(link.info().with_context(|| format!("look at {name}"))?)
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
