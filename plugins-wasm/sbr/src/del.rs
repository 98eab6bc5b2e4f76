//! DEL: rules and tables of the attachment's addresses go, and rules that a lost interface left behind.

use std::net::IpAddr;

use weir_sdk::net::{RouteFilter, Rule};
use weir_sdk::{Context, Error, Link, Netns, Request, Result, error};

use crate::addresses;
use crate::rules::{is_ours, source_of};

/// `configured` is the table that the configuration names.
pub(crate) fn run(request: &Request, configured: Option<u32>) -> Result<()> {
    // Without the namespace there are neither rules nor tables.
    let Some(netns) = Netns::container() else { return Ok(()) };
    let rules = netns.rules(None).context("list rules")?;
    let ours: Vec<_> = rules.into_iter().filter(|rule| is_ours(rule, configured)).collect();
    if ours.is_empty() {
        return Ok(());
    }
    let told = request.prev_result().map(|result| addresses::of_attachment(result, &request.interface_name));
    let mut own: Vec<IpAddr> = told.unwrap_or_default().iter().map(addresses::Source::address).collect();
    let link = netns.link(&request.interface_name)?;
    let leftovers = match &link {
        Some(link) => {
            own.extend(addresses_of(link)?);
            Vec::new()
        }
        None => without_owner(&netns, &ours)?,
    };
    let index = link.map(|link| link.info()).transpose()?.map(|info| info.index);

    // Each is tried; the first failure is told.
    let mut outcome = Ok(());
    for rule in ours
        .iter()
        .filter(|rule| source_of(rule).is_some_and(|source| own.contains(&source) || leftovers.contains(&source)))
    {
        if let (Some(index), None) = (index, configured) {
            keep_first(&mut outcome, empty(&netns, rule, index));
        }
        let removed = netns.remove_rule(rule).with_context(|| format!("remove the rule to table {}", rule.table));
        keep_first(&mut outcome, removed.map_err(Error::from));
    }
    outcome
}

fn keep_first(outcome: &mut Result<()>, next: Result<()>) {
    if let Err(error) = next {
        error!("sbr: {error}");
        if outcome.is_ok() {
            *outcome = Err(error);
        }
    }
}

fn addresses_of(link: &Link) -> Result<Vec<IpAddr>> {
    let present = link.addresses().context("list the interface's addresses")?;
    Ok(present.iter().map(|address| address.network.addr()).collect())
}

/// Addresses of rules that no link of the container has any more: their interface is gone, and its routes with it.
fn without_owner(netns: &Netns, rules: &[Rule]) -> Result<Vec<IpAddr>> {
    let mut present = Vec::new();
    for info in netns.links().context("list links")? {
        if let Some(link) = netns.link_by_index(info.index)? {
            present.extend(addresses_of(&link)?);
        }
    }
    Ok(rules.iter().filter_map(source_of).filter(|source| !present.contains(source)).collect())
}

/// Remove the interface's routes from the table that a rule leads to.
pub(crate) fn empty(netns: &Netns, rule: &Rule, link: u32) -> Result<()> {
    let table = rule.table;
    let filter = RouteFilter { family: Some(rule.family), link: Some(link), table: Some(table) };
    let routes = netns.routes(filter).with_context(|| format!("list the routes of table {table}"))?;
    if routes.is_empty() {
        return Ok(());
    }
    Ok(netns.remove_routes(&routes).with_context(|| format!("remove the routes of table {table}"))?)
}
