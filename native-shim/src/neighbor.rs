//! Neighbours: which hardware address an IP address has (ARP, NDP). See ip-neighbour(8).

use std::net::IpAddr;

use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// An entry of the neighbour table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbor {
    /// Index of the link that the neighbour is on.
    pub link: u32,
    /// Its IP address.
    pub address: IpAddr,
    /// Its hardware address; empty where it is not known, or for a proxy entry.
    pub mac: Vec<u8>,
    /// The entry never expires (NUD_PERMANENT). An entry that is not permanent is added as reachable.
    pub permanent: bool,
    /// Answer for this address on the link (NTF_PROXY).
    pub proxy: bool,
}

fn unbuilt<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "neighbours are not built yet"))
}

/// Add an entry, or take the place of one for the same address.
pub fn add(_namespace: &Netns, _entry: &Neighbor) -> Result<()> {
    unbuilt()
}

/// Remove the entry for an address. One that is not there is no failure.
pub fn remove(_namespace: &Netns, _link: u32, _address: IpAddr) -> Result<()> {
    unbuilt()
}

/// List the entries of a link; none: of all links.
pub fn list(_namespace: &Netns, _link: Option<u32>) -> Result<Vec<Neighbor>> {
    unbuilt()
}
