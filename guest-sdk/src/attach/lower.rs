//! The link below the container's: "master" in configurations of macvlan, ipvlan and vlan.

use cni_spec::error::Error;
use cni_spec::quoted::Quoted;

use crate::failure::Context;
use crate::net::{Link, LinkInfo, Netns, RouteFilter};
use crate::plugin::{Request, Result};

/// The namespace in which the lower link is: the host's, or with `linkInContainer` the container's.
pub fn namespace(request: &Request, in_container: bool) -> Result<Netns> {
    if in_container { request.netns() } else { Ok(Netns::host().context("open the host's network namespace")?) }
}

/// Find the lower link: the one of this name, or where it is empty the one that the default route leaves by.
pub fn find(netns: &Netns, name: &str) -> Result<(Link, LinkInfo)> {
    let link = if name.is_empty() { of_default_route(netns)? } else { named(netns, name)? };
    let info = link.info().with_context(|| format!("look at the master {}", Quoted(name)))?;
    Ok((link, info))
}

fn named(netns: &Netns, name: &str) -> Result<Link> {
    let doing = || format!("find the master {}", Quoted(name));
    netns.link(name).with_context(doing)?.ok_or_else(|| {
        Error::invalid_config(format!("the master {} does not exist; linkInContainer says where it is", Quoted(name)))
    })
}

/// IPv4 before IPv6; among several default routes the one that the kernel prefers.
fn of_default_route(netns: &Netns) -> Result<Link> {
    let routes = netns.routes(RouteFilter::default()).context("look for a default route")?;
    let defaults = routes.iter().filter(|route| route.destination.prefix_len() == 0);
    let best = defaults.min_by_key(|route| (route.destination.addr().is_ipv6(), route.priority.unwrap_or(0)));
    let none = || Error::invalid_config("there is no default route to take the master from; name it by the key master");
    let index = best.and_then(|route| route.link).ok_or_else(none)?;
    netns.link_by_index(index).context("find the link of the default route")?.ok_or_else(none)
}

/// The MTU that the configuration asks for: 0 for the kernel's choice, and not more than the lower link has.
pub fn require_mtu(mtu: i64, lower: &LinkInfo) -> Result<Option<u32>> {
    match u32::try_from(mtu) {
        Ok(0) => Ok(None),
        Ok(mtu) if mtu <= lower.mtu => Ok(Some(mtu)),
        _ => Err(Error::invalid_config(format!(
            "mtu {mtu} is out of range: 0 for the default, at most {}, which {} has",
            lower.mtu, lower.name
        ))),
    }
}

/// CHECK: the lower link of this name is there, and the upper one stands on it.
pub fn require(netns: &Netns, name: &str, upper: &LinkInfo) -> Result<()> {
    let (_, info) = find(netns, name).map_err(|error| Error::internal(error.msg))?;
    // The kernel puts a link on a link of its own kind on the one below that.
    if upper.lower.is_some() && (upper.lower == Some(info.index) || upper.lower == info.lower) {
        return Ok(());
    }
    Err(Error::internal(format!("{} does not stand on the master {}", upper.name, Quoted(name))))
}

/// STATUS: the lower link is there. Error 50 where it is not. A container's cannot be known beforehand.
pub fn require_present(name: &str, in_container: bool) -> Result<()> {
    if in_container {
        return Ok(());
    }
    let host = Netns::host().context("open the host's network namespace")?;
    match find(&host, name) {
        Err(error) if error.code == 7 => Err(Error::not_available(error.msg)),
        other => other.map(drop),
    }
}
