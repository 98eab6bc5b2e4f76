//! The host's end of a veth pair whose other end is the container's link.

use cni_spec::error::Error;
use cni_spec::result::Interface;

use crate::attach::{delete_link, require_mac};
use crate::failure::Context;
use crate::net::{LinkInfo, Netns};
use crate::plugin::{Request, Result};

/// CHECK: the container's link is a veth, and its other end is on the host.
pub fn host_end(host: &Netns, inner: &LinkInfo) -> Result<LinkInfo> {
    if !inner.is("veth") {
        return Err(Error::internal(format!("{} in the container is no veth", inner.name)));
    }
    let missing = || Error::internal(format!("the other end of {} is not on the host", inner.name));
    let index = inner.lower.ok_or_else(missing)?;
    let doing = || format!("look at the other end of {}", inner.name);
    let link = host.link_by_index(index).with_context(doing)?.ok_or_else(missing)?;
    let info = link.info().with_context(doing)?;
    if !info.is("veth") || info.lower != Some(inner.index) {
        return Err(missing());
    }
    Ok(info)
}

/// CHECK: the result tells of this host's end, with its hardware address.
pub fn require_told(end: &LinkInfo, told: &[Interface]) -> Result<()> {
    let told = told.iter().find(|told| told.sandbox.is_empty() && told.name == end.name);
    let told = told.ok_or_else(|| Error::internal(format!("prevResult does not name the host's end {}", end.name)))?;
    require_mac(end, told)
}

/// DEL: delete the pair by its end in the container, or else by its end on the host; see [`delete_host_end`].
pub fn delete_pair(request: &Request, host: Option<&Netns>, is_other: impl Fn(&str) -> bool) -> Result<()> {
    match host {
        _ if delete_link(request)? => Ok(()),
        Some(host) => delete_host_end(request, host, is_other),
        None => Ok(()),
    }
}

/// DEL without the container's namespace: the pair may live, and the previous result knows its end on the host. A name alone
/// proves nothing, as names are given again, so kind and hardware address must fit too. `is_other` tells which names are of
/// other links of the plugin.
pub fn delete_host_end(request: &Request, host: &Netns, is_other: impl Fn(&str) -> bool) -> Result<()> {
    let Some(result) = request.prev_result() else { return Ok(()) };
    let ends = result.interfaces.iter().filter(|end| end.sandbox.is_empty() && !end.mac.is_empty());
    for end in ends.filter(|end| !is_other(&end.name)) {
        let doing = || format!("delete {}", end.name);
        let Some(link) = host.link(&end.name).with_context(doing)? else { continue };
        let info = match link.info() {
            Ok(info) => info,
            Err(failure) if failure.is_not_found() => continue,
            Err(failure) => return Err(failure.within(&doing()).into()),
        };
        if info.is("veth") && info.mac.to_string() == end.mac.to_ascii_lowercase() {
            link.delete_if_exists().with_context(doing)?;
        }
    }
    Ok(())
}
