//! Routes. See rtnetlink(7), RTM_NEWROUTE.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::family::IpFamily;
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// A unicast route, as it is or as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination; prefix length 0 is the default route.
    pub destination: IpNet,
    /// Next hop; none: directly connected.
    pub gateway: Option<IpAddr>,
    /// Index of the link that packets leave by.
    pub link: Option<u32>,
    /// Preferred source address.
    pub source: Option<IpAddr>,
    /// Routing table; none: main (254).
    pub table: Option<u32>,
    /// Metric; smaller wins.
    pub priority: Option<u32>,
    /// 0 global, 253 link, 254 host; none: link where there is no gateway, else global.
    pub scope: Option<u8>,
    /// Path MTU in bytes (RTAX_MTU).
    pub mtu: Option<u32>,
    /// TCP maximum segment size to advertise (RTAX_ADVMSS).
    pub advmss: Option<u32>,
    /// The gateway is reachable on the link although no prefix covers it.
    pub onlink: bool,
}

impl Route {
    /// A route to a destination with nothing else set.
    pub fn to(destination: IpNet) -> Self {
        Self {
            destination,
            gateway: None,
            link: None,
            source: None,
            table: None,
            priority: None,
            scope: None,
            mtu: None,
            advmss: None,
            onlink: false,
        }
    }
}

/// What to do where a route to the same destination with the same metric exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Conflict {
    /// Fail with `AlreadyExists`.
    #[default]
    Refuse,
    /// Keep both. For IPv6 they become one multipath route.
    Append,
    /// Take its place.
    Replace,
}

/// Which routes to list: all conditions hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteFilter {
    /// Only this family; none: both.
    pub family: Option<IpFamily>,
    /// Only routes that leave by this link.
    pub link: Option<u32>,
    /// Only this table; none: main.
    pub table: Option<u32>,
}

fn unbuilt<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "routes are not built yet"))
}

/// Add routes, in order. A failure names the route; those before it stay.
pub fn add(_namespace: &Netns, _routes: &[Route], _conflict: Conflict) -> Result<()> {
    unbuilt()
}

/// Remove routes that match in all given fields. One that is not there is no failure.
pub fn remove(_namespace: &Netns, _routes: &[Route]) -> Result<()> {
    unbuilt()
}

/// List unicast routes.
pub fn list(_namespace: &Netns, _filter: &RouteFilter) -> Result<Vec<Route>> {
    unbuilt()
}

/// The route that a packet to this address would take; none where it is unreachable.
pub fn lookup(_namespace: &Netns, _destination: IpAddr) -> Result<Option<Route>> {
    unbuilt()
}
