//! What becomes of the interface's routes in the main table: they go, or leave the routes to the subnets behind.

use std::net::IpAddr;

use weir_sdk::net::{Conflict, Route, RouteFilter};
use weir_sdk::{Context, Netns, Result};

use crate::addresses::Source;

/// The interface's routes in the main table. Those to link-local addresses belong to no address of the attachment, and
/// stay where neighbour discovery needs them.
pub(crate) fn routes_of(netns: &Netns, link: u32) -> Result<Vec<Route>> {
    let filter = RouteFilter { link: Some(link), ..RouteFilter::default() };
    let routes = netns.routes(filter).context("list the interface's routes")?;
    let is_link_local = |route: &Route| match route.destination.addr() {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    Ok(routes.into_iter().filter(|route| !is_link_local(route)).collect())
}

/// Take routes out of the main table.
pub(crate) fn remove(netns: &Netns, routes: &[Route]) -> Result<()> {
    Ok(netns.remove_routes(routes).context("take routes out of the main table")?)
}

/// Keep what leads to neighbours, each subnet with the first address in it as preferred source, and take out the rest.
pub(crate) fn hint(netns: &Netns, link: u32, routes: &[Route], sources: &[Source]) -> Result<()> {
    for (place, source) in sources.iter().enumerate() {
        let subnet = source.network.trunc();
        let earlier = sources.iter().take(place).any(|earlier| earlier.network.trunc() == subnet);
        if source.is_alone() || earlier {
            continue;
        }
        let present = routes.iter().find(|route| route.destination == subnet && route.gateway.is_none());
        let is_ipv6 = source.address().is_ipv6();
        let hinted = Route {
            link: Some(link),
            source: Some(source.address()),
            // In the place of the kernel's own.
            priority: present.map_or(is_ipv6.then_some(256), |route| route.priority),
            ..Route::to(subnet)
        };
        if present.is_none_or(|route| route.source != hinted.source) {
            netns
                .add_routes(&[hinted], Conflict::Replace)
                .with_context(|| format!("prefer {} as source for {subnet}", source.address()))?;
        }
    }
    let through_gateways: Vec<_> = routes.iter().filter(|route| route.gateway.is_some()).copied().collect();
    remove(netns, &through_gateways)
}

/// Put the routes back as they were, after a failure.
pub(crate) fn restore(netns: &Netns, link: u32, before: &[Route]) -> Result<()> {
    let now = routes_of(netns, link)?;
    let added: Vec<_> = now.iter().filter(|route| !before.contains(route)).copied().collect();
    if !added.is_empty() {
        remove(netns, &added)?;
    }
    let mut missing: Vec<_> = before.iter().filter(|route| !now.contains(route)).copied().collect();
    // What gateways are reached by comes first.
    missing.sort_by_key(|route| route.gateway.is_some());
    if missing.is_empty() {
        return Ok(());
    }
    Ok(netns.add_routes(&missing, Conflict::Append).context("put routes back into the main table")?)
}
