//! Network namespaces as handles.

use crate::failure::Failure;
use crate::imports::{bridges, container_namespace, host_namespace, links, namespaces};
use crate::net::{BridgeOptions, Link, LinkInfo, VethEnd};

/// An open network namespace. Handles cannot be made from a name or a path.
#[derive(Debug)]
pub struct Netns {
    pub(crate) raw: namespaces::Netns,
}

impl Netns {
    /// The namespace of the container; none where the runtime gave none or where it is gone, which is legal for DEL.
    /// Needs the interface `container-namespace`.
    pub fn container() -> Option<Self> {
        container_namespace::open().map(|raw| Self { raw })
    }

    /// The namespace of the host. Needs the interface `host-namespace`.
    pub fn host() -> Result<Self, Failure> {
        Ok(Self { raw: host_namespace::open()? })
    }

    /// Find a link by name. Needs the interface `links`, as all functions on links do.
    pub fn link(&self, name: &str) -> Result<Option<Link>, Failure> {
        Ok(links::find(&self.raw, name)?.map(Link::from_raw))
    }

    /// Find a link by interface index.
    pub fn link_by_index(&self, index: u32) -> Result<Option<Link>, Failure> {
        Ok(links::find_by_index(&self.raw, index)?.map(Link::from_raw))
    }

    /// All links. A lookup by name or index is faster.
    pub fn links(&self) -> Result<Vec<LinkInfo>, Failure> {
        Ok(links::list(&self.raw)?.into_iter().map(LinkInfo::from).collect())
    }

    /// Make a veth pair, both ends down: the first here, its peer in the other namespace.
    pub fn create_veth(&self, end: &VethEnd, peer_netns: &Self, peer: &VethEnd) -> Result<(Link, Link), Failure> {
        let (end, peer) = links::create_veth(&self.raw, end, &peer_netns.raw, peer)?;
        Ok((Link::from_raw(end), Link::from_raw(peer)))
    }

    /// Make a bridge, down. Needs the interface `bridges`.
    pub fn create_bridge(&self, name: &str, options: BridgeOptions) -> Result<Link, Failure> {
        Ok(Link::from_raw(bridges::create(&self.raw, name, options)?))
    }
}
