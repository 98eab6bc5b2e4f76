//! What the container's network looks like, a line for each thing.

use weir_sdk::net::RouteFilter;
use weir_sdk::{Failure, Netns};

use crate::config::Config;
use crate::words;

/// Links with their addresses, routes of all tables, rules, neighbours, and kernel parameters.
pub(crate) fn describe(netns: &Netns, interface: &str, config: &Config, lines: &mut Vec<String>) {
    let mut names: Vec<(u32, String)> = Vec::new();
    each(lines, "links", netns.links(), |info, lines| {
        lines.push(words::link(&info));
        names.push((info.index, info.name.clone()));
        let found =
            netns.link_by_index(info.index).and_then(|link| link.map_or(Ok(Vec::new()), |link| link.addresses()));
        each(lines, "addresses", found, |address, lines| lines.push(words::address(&address, &info.name)));
    });
    let name = |index: u32| {
        let known = names.iter().find(|(known, _)| *known == index);
        known.map_or_else(|| format!("link {index}"), |(_, name)| name.clone())
    };
    let all = RouteFilter { table: Some(RouteFilter::ALL_TABLES), ..RouteFilter::default() };
    each(lines, "routes", netns.routes(all), |route, lines| lines.push(words::route(&route, &name)));
    each(lines, "rules", netns.rules(None), |rule, lines| lines.push(words::rule(&rule)));
    each(lines, "neighbours", netns.neighbors(None), |entry, lines| lines.push(words::neighbor(&entry, &name)));
    for key in &config.sysctls {
        let key = key.replacen("IFNAME", interface, 1);
        lines.push(match netns.sysctl(&key) {
            Ok(value) => format!("sysctl {key} = {value}"),
            Err(failure) => format!("sysctl {key}: {}", failure.message),
        });
    }
}

/// A line for each, or one that says why there is none.
fn each<T>(
    lines: &mut Vec<String>,
    what: &str,
    found: Result<Vec<T>, Failure>,
    mut one: impl FnMut(T, &mut Vec<String>),
) {
    match found {
        Ok(found) => found.into_iter().for_each(|thing| one(thing, lines)),
        Err(failure) => lines.push(format!("{what} cannot be listed: {}", failure.message)),
    }
}
