//! Routes. See rtnetlink(7), RTM_NEWROUTE.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHop, RouteNextHopFlags,
    RouteProtocol, RouteScope, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::family::IpFamily;
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// Number of the table that ordinary routes are in.
const MAIN: u32 = 254;

/// What stands for all tables in a filter (RT_TABLE_UNSPEC).
const ALL: u32 = 0;

/// A unicast route, as it is or as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RouteFilter {
    /// Only this family; none: both.
    pub family: Option<IpFamily>,
    /// Only routes that leave by this link.
    pub link: Option<u32>,
    /// Only this table; none: main; 0: all tables.
    pub table: Option<u32>,
}

/// Add routes, in order. A failure names the route; those before it stay.
pub fn add(namespace: &Netns, routes: &[Route], conflict: Conflict) -> Result<()> {
    let flags = match conflict {
        Conflict::Refuse => NLM_F_CREATE | NLM_F_EXCL,
        Conflict::Append => NLM_F_CREATE | NLM_F_APPEND,
        Conflict::Replace => NLM_F_CREATE | NLM_F_REPLACE,
    };
    for route in routes {
        let mut message = message_for(route)?;
        message.header.protocol = RouteProtocol::Boot;
        message.header.kind = RouteType::Unicast;
        message.header.scope = match route.scope {
            Some(scope) => scope.into(),
            None if route.gateway.is_none() => RouteScope::Link,
            None => RouteScope::Universe,
        };
        // One by one: what follows a refused route must not be added.
        namespace
            .rtnetlink(|connection| connection.act(RouteNetlinkMessage::NewRoute(message), flags))?
            .map_err(|fault| fault.during(format_args!("add route {}", Written(route))))?;
    }
    Ok(())
}

/// Remove routes that match in all given fields. One that is not there is no failure.
pub fn remove(namespace: &Netns, routes: &[Route]) -> Result<()> {
    let mut requests = Vec::with_capacity(routes.len());
    for route in routes {
        let mut message = message_for(route)?;
        message.header.kind = RouteType::Unicast;
        // "Nowhere" stands for any scope here.
        message.header.scope = route.scope.map_or(RouteScope::NoWhere, RouteScope::from);
        requests.push(RouteNetlinkMessage::DelRoute(message));
    }
    let refused = namespace
        .rtnetlink(|connection| connection.act_all(requests, 0))?
        .map_err(|fault| fault.during("remove routes"))?;
    for (place, fault) in refused {
        // No such route, no such table, or no such link any more.
        if !matches!(fault.errno, libc::ESRCH | libc::ENOENT | libc::ENODEV)
            && let Some(route) = routes.get(place)
        {
            return Err(fault.during(format_args!("remove route {}", Written(route))));
        }
    }
    Ok(())
}

/// List unicast routes. A route with several next hops is listed once for each.
pub fn list(namespace: &Netns, filter: &RouteFilter) -> Result<Vec<Route>> {
    let families: &[AddressFamily] = match filter.family {
        Some(IpFamily::Ipv4) => &[AddressFamily::Inet],
        Some(IpFamily::Ipv6) => &[AddressFamily::Inet6],
        None => &[AddressFamily::Inet, AddressFamily::Inet6],
    };
    let table = filter.table.unwrap_or(MAIN);
    let mut routes = Vec::new();
    for family in families {
        let mut message = RouteMessage::default();
        message.header.address_family = *family;
        message.header.kind = RouteType::Unicast;
        message.attributes.push(RouteAttribute::Table(table));
        message.attributes.extend(filter.link.map(RouteAttribute::Oif));
        let answers = namespace.rtnetlink(|connection| connection.dump(&RouteNetlinkMessage::GetRoute(message)))?;
        let answers = match answers {
            Ok(answers) => answers,
            // The kernel has no such table, thus no routes in it; or no such link; or no such family.
            Err(fault) if matches!(fault.errno, libc::ENOENT | libc::ENODEV | libc::EAFNOSUPPORT) => continue,
            Err(fault) => return Err(fault.during("list routes")),
        };
        for answer in answers {
            if let RouteNetlinkMessage::NewRoute(message) = answer
                && message.header.kind == RouteType::Unicast
            {
                routes.extend(describe(&message).into_iter().filter(|route| {
                    (table == ALL || route.table == Some(table)) && (filter.link.is_none() || route.link == filter.link)
                }));
            }
        }
    }
    Ok(routes)
}

/// The route that a packet to this address would take; none where it is unreachable.
pub fn lookup(namespace: &Netns, destination: IpAddr) -> Result<Option<Route>> {
    let mut message = RouteMessage::default();
    message.header.address_family = family_of(&destination);
    message.header.destination_prefix_length = if destination.is_ipv4() { 32 } else { 128 };
    if destination.is_ipv4() {
        // Say which table it came from. For IPv6 the kernel says so anyway, and refuses to be asked.
        message.header.flags = RouteFlags::LookupTable;
    }
    message.attributes.push(RouteAttribute::Destination(destination.into()));
    let answer = namespace.rtnetlink(|connection| connection.get(RouteNetlinkMessage::GetRoute(message)))?;
    match answer {
        Ok(RouteNetlinkMessage::NewRoute(message)) => Ok(match message.header.kind {
            RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw => None,
            _ => describe(&message).into_iter().next(),
        }),
        Ok(_) => Ok(None),
        // No route; or one of the types unreachable, prohibit and blackhole (which is EINVAL without an explanation).
        Err(fault) if matches!(fault.errno, libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES) => Ok(None),
        Err(fault) if fault.errno == libc::EINVAL && fault.explanation.is_empty() => Ok(None),
        Err(fault) => Err(fault.during(format_args!("look up the route to {destination}"))),
    }
}

/// The parts of a message that adding and removing have in common.
fn message_for(route: &Route) -> Result<RouteMessage> {
    let mut message = RouteMessage::default();
    // A destination of the kernel has no host bits.
    let destination = route.destination.trunc();
    message.header.address_family = family_of(&destination.addr());
    message.header.destination_prefix_length = destination.prefix_len();
    if route.onlink {
        message.header.flags = RouteFlags::Onlink;
    }
    let attributes = &mut message.attributes;
    if destination.prefix_len() > 0 {
        attributes.push(RouteAttribute::Destination(destination.addr().into()));
    }
    let table = route.table.unwrap_or(MAIN);
    match u8::try_from(table) {
        Ok(table) => message.header.table = table,
        Err(_) => attributes.push(RouteAttribute::Table(table)),
    }
    match (destination.addr(), route.gateway) {
        (_, None) => {}
        (IpAddr::V4(_), Some(IpAddr::V6(gateway))) => attributes.push(RouteAttribute::Via(RouteVia::Inet6(gateway))),
        (IpAddr::V6(_), Some(IpAddr::V4(_))) => return Err(mixed(route)),
        (_, Some(gateway)) => attributes.push(RouteAttribute::Gateway(gateway.into())),
    }
    if let Some(source) = route.source {
        if source.is_ipv4() != destination.addr().is_ipv4() {
            return Err(mixed(route));
        }
        attributes.push(RouteAttribute::PrefSource(source.into()));
    }
    attributes.extend(route.link.map(RouteAttribute::Oif));
    attributes.extend(route.priority.map(RouteAttribute::Priority));
    let mut metrics = Vec::new();
    metrics.extend(route.mtu.map(RouteMetric::Mtu));
    metrics.extend(route.advmss.map(RouteMetric::Advmss));
    if !metrics.is_empty() {
        attributes.push(RouteAttribute::Metrics(metrics));
    }
    Ok(message)
}

fn mixed(route: &Route) -> Error {
    Error::new(ErrorKind::Invalid, format!("route {}: IPv4 and IPv6 do not go together here", Written(route)))
}

fn family_of(address: &IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// Read what the kernel says of a route: one entry for each next hop.
pub(crate) fn describe(message: &RouteMessage) -> Vec<Route> {
    let any = match message.header.address_family {
        AddressFamily::Inet => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        AddressFamily::Inet6 => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
        _ => return Vec::new(),
    };
    let mut target = any;
    let mut hops: &[RouteNextHop] = &[];
    let Ok(placeholder) = IpNet::new(any, 0) else { return Vec::new() };
    let mut route = Route {
        table: Some(message.header.table.into()),
        scope: Some(message.header.scope.into()),
        onlink: message.header.flags.contains(RouteFlags::Onlink),
        ..Route::to(placeholder)
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => target = plain(address).unwrap_or(any),
            RouteAttribute::PrefSource(address) => route.source = plain(address),
            RouteAttribute::Oif(index) => route.link = Some(*index),
            RouteAttribute::Priority(priority) => route.priority = Some(*priority),
            RouteAttribute::Table(table) => route.table = Some(*table),
            RouteAttribute::MultiPath(all) => hops = all,
            RouteAttribute::Metrics(metrics) => {
                for metric in metrics {
                    match metric {
                        RouteMetric::Mtu(mtu) => route.mtu = Some(*mtu),
                        RouteMetric::Advmss(advmss) => route.advmss = Some(*advmss),
                        _ => {}
                    }
                }
            }
            other => route.gateway = gateway(other).or(route.gateway),
        }
    }
    let Ok(destination) = IpNet::new(target, message.header.destination_prefix_length) else { return Vec::new() };
    route.destination = destination;
    if hops.is_empty() {
        return vec![route];
    }
    hops.iter()
        .map(|hop| Route {
            link: Some(hop.interface_index),
            gateway: hop.attributes.iter().find_map(gateway),
            onlink: hop.flags.contains(RouteNextHopFlags::Onlink),
            ..route.clone()
        })
        .collect()
}

fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(address) => plain(address),
        RouteAttribute::Via(RouteVia::Inet(address)) => Some((*address).into()),
        RouteAttribute::Via(RouteVia::Inet6(address)) => Some((*address).into()),
        _ => None,
    }
}

fn plain(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

/// A route as people write it.
struct Written<'a>(&'a Route);

impl std::fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.destination)?;
        if let Some(gateway) = self.0.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(link) = self.0.link {
            write!(f, " on link with index {link}")?;
        }
        if let Some(source) = self.0.source {
            write!(f, " from {source}")?;
        }
        if let Some(priority) = self.0.priority {
            write!(f, " metric {priority}")?;
        }
        if let Some(table) = self.0.table {
            write!(f, " in table {table}")?;
        }
        Ok(())
    }
}
