//! CHECK of the link of the container against the result of ADD.

use cni_spec::error::Error;
use cni_spec::result::{Interface, IpConfig};

use crate::delegate::Delegate;
use crate::failure::Context;
use crate::interface::{self, Target};
use crate::net::LinkInfo;
use crate::plugin::{Request, Result};

/// CHECK: the IPAM plugin's, then the link as the previous result tells it, with addresses and routes. `look` says whether
/// the link is what the plugin makes: its kind and its settings.
pub fn check(
    request: &Request,
    ipam: Option<Delegate<'_>>,
    look: impl FnOnce(&Target<'_>, &LinkInfo) -> Result<()>,
) -> Result<()> {
    if let Some(ipam) = ipam {
        ipam.check(&request.raw_config)?;
    }
    check_told(request, look)
}

/// The part of [`check`] without the IPAM plugin.
pub fn check_told(request: &Request, look: impl FnOnce(&Target<'_>, &LinkInfo) -> Result<()>) -> Result<()> {
    let result = request.require_prev_result()?;
    let (position, interface) = told(request)?;
    let container = request.netns()?;
    let name = &request.interface_name;
    let link = container.link(name).with_context(|| format!("find {name}"))?;
    let link = link.ok_or_else(|| Error::internal(format!("the container has no interface {name}")))?;
    let info = link.info().with_context(|| format!("look at {name}"))?;
    let target = Target { netns: &container, link: &link, index: info.index, name };
    look(&target, &info)?;
    require_mac(&info, interface)?;
    // An address without interface may be of this one.
    let own = |ip: &&IpConfig| ip.interface.is_none_or(|index| index == position);
    let ips: Vec<IpConfig> = result.ips.iter().filter(own).cloned().collect();
    interface::check_addresses(&target, &ips)?;
    interface::check_routes(&container, &result.routes)
}

/// The container's interface in the previous result, and its index there. Error 7 where there is none.
pub fn told(request: &Request) -> Result<(usize, &Interface)> {
    let path = request.netns_path.as_deref().unwrap_or_default();
    let name = &request.interface_name;
    let mut interfaces = request.require_prev_result()?.interfaces.iter().enumerate();
    interfaces
        .find(|(_, told)| told.sandbox == path && told.name == *name)
        .ok_or_else(|| Error::invalid_config(format!("prevResult has no interface {name} in the container")))
}

/// Fail where a link has another hardware address than the result tells.
pub fn require_mac(info: &LinkInfo, told: &Interface) -> Result<()> {
    if told.mac.is_empty() || told.mac.eq_ignore_ascii_case(&info.mac.to_string()) {
        return Ok(());
    }
    Err(Error::internal(format!("{} has the MAC {}, but should have {}", info.name, info.mac, told.mac)))
}
