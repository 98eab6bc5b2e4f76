//! The host's end of the container's veth pair.

use weir_sdk::net::LinkInfo;
use weir_sdk::{AddResult, Context, Error, Link, Netns, Request, Result};

/// The host's end.
#[derive(Debug)]
pub(crate) struct Veth {
    pub(crate) link: Link,
    pub(crate) name: String,
    pub(crate) mtu: u32,
}

impl Veth {
    /// The host's end, which the result of the plugins before must name: an index alone could be that of a link in a third
    /// namespace.
    pub(crate) fn of_container(request: &Request, host: &Netns, result: &AddResult) -> Result<Self> {
        let name = &request.interface_name;
        let netns = request.netns()?;
        let link = netns.link(name).with_context(|| format!("find interface {name}"))?;
        let link = link.ok_or_else(|| Error::internal(format!("the container has no interface {name}")))?;
        let inside = link.info().with_context(|| format!("look at interface {name}"))?;
        let veth = Self::peer(&inside, host)?.ok_or_else(|| {
            Error::invalid_config(format!("interface {name} of the container has no peer on the host"))
                .with_details("bandwidth works on veth pairs, as bridge and ptp make them")
        })?;
        let is_named = |name: &str| {
            result.interfaces.iter().any(|interface| interface.sandbox.is_empty() && interface.name == name)
        };
        if !is_named(&veth.name) {
            let message = format!("prevResult does not name {}, the peer of interface {name}", veth.name);
            return Err(Error::invalid_config(message));
        }
        Ok(veth)
    }

    /// The host's end for DEL; none where it is gone, or was never there.
    pub(crate) fn if_there(request: &Request, host: &Netns) -> Result<Option<Self>> {
        let Some(netns) = Netns::container() else { return Ok(None) };
        let name = &request.interface_name;
        let Some(link) = netns.link(name).with_context(|| format!("find interface {name}"))? else {
            return Ok(None);
        };
        match link.info() {
            Ok(inside) => Self::peer(&inside, host),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(failure).with_context(|| format!("look at interface {name}"))?,
        }
    }

    fn peer(inside: &LinkInfo, host: &Netns) -> Result<Option<Self>> {
        let Some(index) = inside.lower.filter(|_| inside.is("veth")) else { return Ok(None) };
        let find = || {
            let Some(link) = host.link_by_index(index)? else { return Ok(None) };
            Ok(Some((link.info()?, link)))
        };
        match find() {
            // Each end names the other.
            Ok(Some((info, link))) if info.is("veth") && info.lower == Some(inside.index) => {
                Ok(Some(Self { link, name: info.name, mtu: info.mtu }))
            }
            Ok(_) => Ok(None),
            Err(failure) if weir_sdk::Failure::is_not_found(&failure) => Ok(None),
            Err(failure) => Err(failure).with_context(|| format!("find the peer of {}", inside.name))?,
        }
    }
}
