//! IP addresses of links.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// An address to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAddress {
    /// Address (host bits kept) and prefix length.
    pub network: IpNet,
    /// Skip duplicate address detection (IPv6).
    pub no_dad: bool,
    /// Do not add the route to the prefix.
    pub no_prefix_route: bool,
}

/// An address that a link has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkAddress {
    /// Address (host bits kept) and prefix length.
    pub network: IpNet,
    /// Scope as in rtnetlink(7): 0 global, 253 link, 254 host.
    pub scope: u8,
    /// Duplicate address detection is under way (IPv6).
    pub tentative: bool,
    /// Duplicate address detection found another owner (IPv6).
    pub dad_failed: bool,
}

fn unbuilt<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "addresses are not built yet"))
}

/// Addresses of a link, both families.
pub fn list(_namespace: &Netns, _link: u32) -> Result<Vec<LinkAddress>> {
    unbuilt()
}

/// Add addresses, in order. `AlreadyExists` where the link has one already; those before it stay.
pub fn add(_namespace: &Netns, _link: u32, _addresses: &[NewAddress]) -> Result<()> {
    unbuilt()
}

/// Remove addresses. One that is not there is no failure.
pub fn remove(_namespace: &Netns, _link: u32, _addresses: &[IpNet]) -> Result<()> {
    unbuilt()
}

/// Wait until no address of the link is tentative. False: not within the time.
/// `AlreadyExists` where detection found another owner.
pub fn wait_settled(_namespace: &Netns, _link: u32, _timeout: Duration) -> Result<bool> {
    unbuilt()
}

/// Tell the neighbours who owns these addresses: gratuitous ARP (RFC 5227), unsolicited neighbour advertisement
/// (RFC 4861, 7.2.6).
pub fn announce(_namespace: &Netns, _link: u32, _addresses: &[IpAddr]) -> Result<()> {
    unbuilt()
}
