//! DEL, GC and STATUS around the link of the container.

use serde::Deserialize;

use crate::attach::{Ipam, delete};
use crate::failure::Context;
use crate::net::Netns;
use crate::plugin::{GcRequest, Request, Result, StatusRequest};

/// Read on its own, so that other keys that became invalid keep nothing from being removed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct IpamOnly {
    ipam: Ipam,
}

/// DEL: the link goes, if namespace and link are there, and the addresses are given back in any case. The first error is
/// returned.
pub fn del(request: &Request) -> Result<()> {
    // Before the link goes: a DHCP lease can only be given back through it.
    let addresses = release(request);
    let link = delete_link(request).map(drop);
    link.and(addresses)
}

/// Delete the link of the attachment in the container. False: there is no such namespace or link.
pub fn delete_link(request: &Request) -> Result<bool> {
    let name = &request.interface_name;
    let Some(container) = Netns::container() else { return Ok(false) };
    match container.link(name).with_context(|| format!("find {name}"))? {
        Some(link) => delete(&link, name).map(|()| true),
        None => Ok(false),
    }
}

/// Give the addresses of the attachment back: DEL of the IPAM plugin, where there is one.
pub fn release(request: &Request) -> Result<()> {
    let config: IpamOnly = request.config()?;
    config.ipam.plugin().map_or(Ok(()), |ipam| ipam.del(&request.raw_config))
}

/// GC of the IPAM plugin, where there is one. Links need none: they vanish with the container's namespace.
pub fn collect_garbage(request: &GcRequest) -> Result<()> {
    let config: IpamOnly = request.config()?;
    config.ipam.plugin().map_or(Ok(()), |ipam| ipam.gc(&request.raw_config))
}

/// STATUS of the IPAM plugin, where there is one.
pub fn status(request: &StatusRequest) -> Result<()> {
    let config: IpamOnly = request.config()?;
    config.ipam.plugin().map_or(Ok(()), |ipam| ipam.status(&request.raw_config))
}
