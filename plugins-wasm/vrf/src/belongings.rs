//! What the kernel forgets of a link when it comes under a VRF, or out: IPv6 addresses and routes.

use std::net::IpAddr;

use weir_sdk::net::{Conflict, LinkAddress, NewAddress, Route, RouteFilter};
use weir_sdk::{AddResult, Context, Error, IpNet, Link, Netns, Result};

/// Number of the table that ordinary routes are in.
pub(crate) const MAIN: u32 = 254;

/// Number of the table that the kernel keeps for itself.
const LOCAL: u32 = 255;

/// IPv6 addresses and routes of a link.
#[derive(Debug)]
pub(crate) struct Belongings {
    index: u32,
    addresses: Vec<LinkAddress>,
    routes: Vec<Route>,
}

impl Belongings {
    /// Look at a link.
    pub(crate) fn of(netns: &Netns, link: &Link) -> Result<Self> {
        let index = link.info().context("look at the interface")?.index;
        Ok(Self { index, addresses: ipv6_addresses(link)?, routes: routes_of(netns, index)? })
    }

    /// Put back what is missing, with `table` in the place of the main table, and take away what the kernel added.
    pub(crate) fn put_back(&self, netns: &Netns, link: &Link, table: u32) -> Result<()> {
        self.put_addresses_back(link)?;
        let wanted: Vec<Route> = self.routes.iter().map(|route| in_place_of_main(route, table)).collect();
        let present = routes_of(netns, self.index)?;
        let lacks = |routes: &[Route], route: &Route| !routes.iter().any(|other| is_same(other, route));
        let mut missing: Vec<_> = wanted.iter().filter(|route| lacks(&present, route)).copied().collect();
        // What gateways are reached by comes first.
        missing.sort_by_key(|route| route.gateway.is_some());
        if !missing.is_empty() {
            netns.add_routes(&missing, Conflict::Append).with_context(|| format!("put routes into table {table}"))?;
        }
        // Where a plugin replaced the route to a prefix, the kernel has made it again.
        let added: Vec<_> =
            present.iter().filter(|route| route.gateway.is_none() && lacks(&wanted, route)).copied().collect();
        if !added.is_empty() {
            netns.remove_routes(&added).with_context(|| format!("remove routes from table {table}"))?;
        }
        Ok(())
    }

    /// Addresses that were in use are no others' now: they are put back without looking for duplicates, which takes
    /// seconds.
    fn put_addresses_back(&self, link: &Link) -> Result<()> {
        let present = ipv6_addresses(link)?;
        let mut restarted = Vec::new();
        let mut lost = Vec::new();
        for address in &self.addresses {
            match present.iter().find(|other| other.network == address.network) {
                Some(other) if address.tentative || !other.tentative => continue,
                Some(_) => restarted.push(address.network),
                None => {}
            }
            let subnet = address.network.trunc();
            let has_prefix_route =
                self.routes.iter().any(|route| route.destination == subnet && route.gateway.is_none());
            lost.push(NewAddress {
                network: address.network,
                no_dad: !address.tentative,
                no_prefix_route: !has_prefix_route,
            });
        }
        if !restarted.is_empty() {
            link.remove_addresses(&restarted).context("remove IPv6 addresses")?;
        }
        if !lost.is_empty() {
            link.add_addresses(&lost).context("put IPv6 addresses back")?;
        }
        Ok(())
    }
}

fn ipv6_addresses(link: &Link) -> Result<Vec<LinkAddress>> {
    let all = link.addresses().context("list the interface's addresses")?;
    let is_global = |address: &LinkAddress| address.network.addr().is_ipv6() && address.scope == 0;
    Ok(all.into_iter().filter(|address| is_global(address) && !address.dad_failed).collect())
}

/// Routes of a link in all tables. Link-local ones come and go with the link.
fn routes_of(netns: &Netns, link: u32) -> Result<Vec<Route>> {
    let filter = RouteFilter { link: Some(link), table: Some(RouteFilter::ALL_TABLES), ..RouteFilter::default() };
    let all = netns.routes(filter).context("list the interface's routes")?;
    let is_link_local = |route: &Route| match route.destination.addr() {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    Ok(all.into_iter().filter(|route| route.table != Some(LOCAL) && !is_link_local(route)).collect())
}

fn in_place_of_main(route: &Route, table: u32) -> Route {
    match route.table {
        None | Some(MAIN) => Route { table: Some(table), ..*route },
        Some(_) => *route,
    }
}

fn is_same(one: &Route, other: &Route) -> bool {
    let key = |route: &Route| (route.destination, route.gateway, route.table, route.priority);
    key(one) == key(other)
}

/// CHECK: the VRF's table leads to the subnets of the addresses, and has the routes of the result.
pub(crate) fn check(netns: &Netns, link: u32, table: u32, result: &AddResult, interface_name: &str) -> Result<()> {
    let filter = RouteFilter { link: Some(link), table: Some(table), ..RouteFilter::default() };
    let present = netns.routes(filter).with_context(|| format!("list the routes of table {table}"))?;
    let leads_to = |network: IpNet, gateway: Option<IpAddr>| {
        let network = network.trunc();
        present.iter().any(|route| route.destination == network && (gateway.is_none() || route.gateway == gateway))
    };
    let is_own = |index: usize| {
        let interface = result.interfaces.get(index);
        interface.is_none_or(|interface| interface.name == interface_name && !interface.sandbox.is_empty())
    };
    let own = result.ips.iter().filter(|ip| ip.interface.is_none_or(is_own)).map(|ip| ip.address);
    for address in own.filter(|address| address.prefix_len() < address.max_prefix_len()) {
        if !leads_to(address, None) {
            let subnet = address.trunc();
            return Err(Error::internal(format!("table {table} of the VRF has no route to {subnet}")));
        }
    }
    for route in result.routes.iter().filter(|route| route.table.is_none()) {
        // As elsewhere, the gateway of a default route may have been changed by a later plugin.
        let gateway = route.gw.filter(|_| route.dst.prefix_len() > 0);
        if !leads_to(route.dst, gateway) {
            return Err(Error::internal(format!("table {table} of the VRF has no route to {}", route.dst)));
        }
    }
    Ok(())
}
