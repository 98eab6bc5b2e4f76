//! CHECK: each address has its rule, and the table that it leads to has the ways to its subnet and its gateway.

use weir_sdk::convert::family_of;
use weir_sdk::net::{Route, RouteFilter, Rule};
use weir_sdk::{Context, Error, Netns, Request, Result};

use crate::add::no_link;
use crate::addresses::Source;
use crate::config::Config;
use crate::rules::{is_ours, source_of};
use crate::table::is_default;

pub(crate) fn run(request: &Request, config: &Config, sources: &[Source]) -> Result<()> {
    let netns = request.netns()?;
    let name = &request.interface_name;
    let link = netns.link(name)?.ok_or_else(|| no_link(name))?.info()?.index;
    let rules = netns.rules(None).context("list rules")?;
    for source in sources {
        let address = source.address();
        let of_address = |rule: &&Rule| is_ours(rule, config.table) && source_of(rule) == Some(address);
        let rule = rules.iter().find(of_address).ok_or_else(|| {
            let to = config.table.map(|table| format!(" to table {table}")).unwrap_or_default();
            Error::internal(format!("the rule for packets from {address}{to} is missing"))
        })?;
        if config.table.is_none() {
            check_table(&netns, rule.table, source, config, link)?;
        }
    }
    Ok(())
}

fn check_table(netns: &Netns, table: u32, source: &Source, config: &Config, link: u32) -> Result<()> {
    let family = Some(family_of(source.address()));
    let filter = RouteFilter { family, link: Some(link), table: Some(table) };
    let routes = netns.routes(filter).with_context(|| format!("list the routes of table {table}"))?;
    let address = source.address();
    let missing = |what: String| Err(Error::internal(format!("table {table}, for packets from {address}, {what}")));
    if routes.is_empty() {
        return missing("has no routes through the interface".to_owned());
    }
    let subnet = source.network.trunc();
    if !source.is_alone() && !routes.iter().any(|route| route.destination == subnet) {
        return missing(format!("has no route to {subnet}"));
    }
    let is_default_via = |route: &Route, via| is_default(route) && route.gateway == Some(via);
    match (config.gateway_for(address), source.gateway) {
        (Some(named), _) if !routes.iter().any(|route| is_default_via(route, named)) => {
            missing(format!("has no default route through {named}"))
        }
        (None, Some(_)) if !routes.iter().any(is_default) => missing("has no default route".to_owned()),
        _ => Ok(()),
    }
}
