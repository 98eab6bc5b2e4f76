//! A table for an address: a free number, taken by the rule that leads to it, and filled with the interface's routes.

use std::net::IpAddr;

use weir_sdk::convert::family_of;
use weir_sdk::net::{Conflict, Route, RouteFilter, Rule};
use weir_sdk::{Context, Error, Netns, Result};

use crate::addresses::Source;
use crate::rules::{FIRST_TABLE, is_assignable, is_taken_by_elder};

/// Take a free table by adding the rule that sends the packets of an address there. `rules` is what was there before,
/// and what is there afterwards.
pub(crate) fn take(netns: &Netns, address: IpAddr, rules: &mut Vec<Rule>) -> Result<Rule> {
    let mut number = FIRST_TABLE;
    loop {
        let table = next_free(netns, number, rules)?;
        let rule = Rule::from_address(address, table);
        match netns.add_rule(&rule) {
            Err(failure) if failure.is_already_exists() => {}
            added => {
                added.with_context(|| format!("send packets from {address} to table {table}"))?;
                match netns.rules(None) {
                    Ok(now) if !is_taken_by_elder(&now, &rule) => {
                        *rules = now;
                        return Ok(rule);
                    }
                    // Somebody else found the same table free at the same time, and was first.
                    outcome => {
                        netns.remove_rule(&rule).with_context(|| format!("give table {table} back"))?;
                        *rules = outcome.context("list rules")?;
                    }
                }
            }
        }
        number = table.saturating_add(1);
    }
}

/// The first table from a number on that no rule leads to and that has no routes.
fn next_free(netns: &Netns, first: u32, rules: &[Rule]) -> Result<u32> {
    for table in (first..u32::MAX).filter(|table| is_assignable(*table)) {
        if rules.iter().any(|rule| rule.table == table) {
            continue;
        }
        let filter = RouteFilter { table: Some(table), ..RouteFilter::default() };
        if netns.routes(filter).with_context(|| format!("look whether table {table} is free"))?.is_empty() {
            return Ok(table);
        }
    }
    Err(Error::try_again_later("every routing table of the container is in use"))
}

/// Fill the table of an address.
pub(crate) fn fill(netns: &Netns, table: u32, routes: &[Route]) -> Result<()> {
    let routes: Vec<_> = routes.iter().map(|route| Route { table: Some(table), ..*route }).collect();
    Ok(netns.add_routes(&routes, Conflict::Append).with_context(|| format!("copy routes to table {table}"))?)
}

/// The routes for the table of an address: those of the interface that can be meant for it, and a default route.
///
/// `named` is the gateway that the configuration names. Without one the interface's own default routes count, and only
/// where it has none (a runtime may have taken it away from a second interface) the gateway of the address.
pub(crate) fn routes_for(
    source: &Source,
    all: &[Source],
    of_link: &[Route],
    named: Option<IpAddr>,
    link: u32,
) -> Vec<Route> {
    let family = family_of(source.address());
    let meant_for = |route: &&Route| match (route.source, route.gateway) {
        _ if family_of(route.destination.addr()) != family => false,
        (Some(preferred), _) if serves(all, preferred) => source.network.contains(&preferred),
        (_, Some(gateway)) if serves(all, gateway) => source.network.contains(&gateway),
        // It says nothing of the address that it is for, so it is for all.
        _ => true,
    };
    let mut routes: Vec<Route> = of_link.iter().filter(meant_for).copied().collect();
    if let Some(gateway) = named {
        routes.retain(|route| !is_default(route) || route.gateway == Some(gateway));
    }
    if let (Some(gateway), false) = (named.or(source.gateway), routes.iter().any(is_default)) {
        routes.push(Route { link: Some(link), ..Route::default_via(gateway) });
    }
    // What gateways are reached by comes first.
    routes.sort_by_key(|route| route.gateway.is_some());
    routes
}

fn serves(all: &[Source], address: IpAddr) -> bool {
    all.iter().any(|source| source.network.contains(&address))
}

pub(crate) fn is_default(route: &Route) -> bool {
    route.destination.prefix_len() == 0
}
