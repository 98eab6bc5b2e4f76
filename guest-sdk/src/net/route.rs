//! Routes. Needs the interface `routes`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::bindings::weir::cni::routes as contract;
use crate::failure::Failure;
use crate::imports::routes;
use crate::net::{Conflict, IpFamily, Netns};

/// A unicast route, as it is or as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Path MTU in bytes.
    pub mtu: Option<u32>,
    /// TCP maximum segment size to advertise.
    pub advmss: Option<u32>,
    /// The gateway is reachable on the link although no prefix covers it.
    pub onlink: bool,
}

impl Route {
    /// A route to a destination; set what else it needs with struct update syntax.
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

    /// The default route of the gateway's family.
    pub fn default_via(gateway: IpAddr) -> Self {
        Self { gateway: Some(gateway), ..Self::to(default_destination(gateway)) }
    }
}

/// `0.0.0.0/0` or `::/0`, by the family of an address.
pub(crate) fn default_destination(address: IpAddr) -> IpNet {
    let unspecified: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    IpNet::new(unspecified, 0).unwrap_or_else(|_| unspecified.into())
}

/// Which routes to list: all conditions hold together.
#[derive(Debug, Clone, Copy, Default)]
pub struct RouteFilter {
    /// Only this family; none: both.
    pub family: Option<IpFamily>,
    /// Only routes that leave by this link.
    pub link: Option<u32>,
    /// Only this table; none: main; [`ALL_TABLES`](Self::ALL_TABLES): all.
    pub table: Option<u32>,
}

impl RouteFilter {
    /// Stands for all tables.
    pub const ALL_TABLES: u32 = 0;
}

impl Netns {
    /// Add routes, in order. A failure names the route; those before it stay.
    pub fn add_routes(&self, new: &[Route], conflict: Conflict) -> Result<(), Failure> {
        routes::add(&self.raw, &to_host(new), conflict)
    }

    /// Remove routes that match in all given fields. One that is not there is no failure.
    pub fn remove_routes(&self, old: &[Route]) -> Result<(), Failure> {
        routes::remove(&self.raw, &to_host(old))
    }

    /// List unicast routes.
    pub fn routes(&self, filter: RouteFilter) -> Result<Vec<Route>, Failure> {
        let filter = contract::RouteFilter { family: filter.family, link: filter.link, table: filter.table };
        Ok(routes::list(&self.raw, filter)?.into_iter().map(Route::from).collect())
    }

    /// The route that a packet to this address would take; none where it is unreachable.
    pub fn route_to(&self, destination: IpAddr) -> Result<Option<Route>, Failure> {
        Ok(routes::lookup(&self.raw, destination.into())?.map(Route::from))
    }
}

fn to_host(list: &[Route]) -> Vec<contract::Route> {
    list.iter().map(route_to_host).collect()
}

pub(crate) fn route_to_host(route: &Route) -> contract::Route {
    contract::Route {
        destination: route.destination.into(),
        gateway: route.gateway.map(Into::into),
        link: route.link,
        source: route.source.map(Into::into),
        table: route.table,
        priority: route.priority,
        scope: route.scope,
        mtu: route.mtu,
        advmss: route.advmss,
        onlink: route.onlink,
    }
}

impl From<contract::Route> for Route {
    fn from(route: contract::Route) -> Self {
        Self {
            destination: route.destination.into(),
            gateway: route.gateway.map(Into::into),
            link: route.link,
            source: route.source.map(Into::into),
            table: route.table,
            priority: route.priority,
            scope: route.scope,
            mtu: route.mtu,
            advmss: route.advmss,
            onlink: route.onlink,
        }
    }
}

impl Default for contract::RouteFilter {
    /// All routes of the main table.
    fn default() -> Self {
        Self { family: None, link: None, table: None }
    }
}
