//! The neighbour table, to look at. Needs the interface `neighbors`.

use std::net::IpAddr;

use crate::bindings::weir::cni::neighbors as contract;
use crate::failure::Failure;
use crate::imports::neighbors;
use crate::mac::MacAddress;
use crate::net::Netns;

/// Which hardware address an IP address has.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbor {
    /// Index of the link that the neighbour is on.
    pub link: u32,
    /// Its IP address.
    pub address: IpAddr,
    /// Its hardware address; empty where it is not known, or for a proxy entry.
    pub mac: MacAddress,
    /// The entry never expires.
    pub permanent: bool,
    /// The link answers for this address.
    pub proxy: bool,
}

impl Netns {
    /// Entries of the link with this index, proxy entries last; none: of all links.
    pub fn neighbors(&self, link: Option<u32>) -> Result<Vec<Neighbor>, Failure> {
        Ok(neighbors::list(&self.raw, link)?.into_iter().map(Neighbor::from).collect())
    }
}

impl From<contract::Neighbor> for Neighbor {
    fn from(entry: contract::Neighbor) -> Self {
        Self {
            link: entry.link,
            address: entry.address.into(),
            mac: entry.mac.into(),
            permanent: entry.permanent,
            proxy: entry.proxy,
        }
    }
}
