//! Putting an IPAM result on an interface, and checking that it is still there. What every interface plugin does.
//!
//! Needs `links`, `addresses`, `routes`, `sysctls` and `log`.

use std::net::IpAddr;
use std::time::Duration;

use cni_spec::error::Error;
use cni_spec::result::{AddResult, IpConfig, Route as ResultRoute};
use ipnet::IpNet;

use crate::failure::Context;
use crate::net::{Conflict, Link, Netns, NewAddress, Route, RouteFilter};
use crate::plugin::Result;

/// How long duplicate address detection may take.
pub const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);

/// The interface that gets the addresses.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its namespace.
    pub netns: &'a Netns,
    /// Its handle.
    pub link: &'a Link,
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: &'a str,
}

/// What becomes of duplicate address detection (IPv6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateDetection {
    /// The kernel runs it; [`settle`] must follow.
    Wait,
    /// It is skipped for these addresses.
    Skip,
}

/// Whether addresses bring routes to their prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefixRoutes {
    /// As the kernel does.
    Make,
    /// The plugin has routes of its own to the prefixes.
    Omit,
}

/// Put a result on an interface: addresses, link up, routes. Interface index and name of each address must be those of
/// the target; addresses without index are passed over. After [`DuplicateDetection::Wait`] call [`settle`], as late as
/// possible: other work can be done while the kernel probes.
pub fn configure(target: &Target<'_>, result: &AddResult, detection: DuplicateDetection) -> Result<()> {
    assign(target, result, detection, PrefixRoutes::Make)?;
    add_routes(target, result)
}

/// The first part of [`configure`]: addresses, link up.
pub fn assign(
    target: &Target<'_>,
    result: &AddResult,
    detection: DuplicateDetection,
    prefix_routes: PrefixRoutes,
) -> Result<()> {
    let ips = addresses_of(result, target.name)?;
    if ips.iter().any(|ip| ip.address.addr().is_ipv6()) {
        enable_ipv6(target)?;
    }
    if !ips.is_empty() {
        let no_dad = detection == DuplicateDetection::Skip;
        let no_prefix_route = prefix_routes == PrefixRoutes::Omit;
        let new: Vec<_> = ips.iter().map(|ip| NewAddress { no_dad, no_prefix_route, ..ip.address.into() }).collect();
        target.link.add_addresses(&new).with_context(|| format!("add addresses to {}", target.name))?;
    }
    Ok(target.link.set_up().with_context(|| format!("set {} up", target.name))?)
}

/// The second part of [`configure`]: routes.
pub fn add_routes(target: &Target<'_>, result: &AddResult) -> Result<()> {
    let ips = addresses_of(result, target.name)?;
    let routes: Vec<_> = result.routes.iter().map(|route| to_route(route, &ips, target.index)).collect();
    if routes.is_empty() {
        return Ok(());
    }
    // As the reference plugins: routes to one destination become one multipath route.
    let doing = || format!("add routes through {}", target.name);
    Ok(target.netns.add_routes(&routes, Conflict::Append).with_context(doing)?)
}

/// Wait until duplicate address detection is done. Not an error: it cannot end because no packet can pass.
pub fn settle(target: &Target<'_>) -> Result<()> {
    let doing = || format!("detect duplicates of the addresses of {}", target.name);
    if target.link.wait_addresses_settled(SETTLE_TIMEOUT).with_context(doing)? {
        return Ok(());
    }
    if target.link.info().with_context(doing)?.operational_state == crate::net::OperationalState::Up {
        let seconds = SETTLE_TIMEOUT.as_secs();
        return Err(Error::try_again_later(format!("{}: still tentative after {seconds} s", doing())));
    }
    crate::info!("{}: the link passes no packets yet, so detection goes on in the background", doing());
    Ok(())
}

/// The addresses of a result that say they are on this interface.
fn addresses_of<'a>(result: &'a AddResult, name: &str) -> Result<Vec<&'a IpConfig>> {
    let mut found = Vec::with_capacity(result.ips.len());
    for ip in &result.ips {
        let Some(index) = ip.interface else { continue };
        match result.interfaces.get(index) {
            Some(interface) if interface.name == name => found.push(ip),
            Some(interface) => {
                let other = &interface.name;
                return Err(Error::internal(format!("address {} belongs to {other}, not to {name}", ip.address)));
            }
            None => {
                let text = format!("address {} names interface {index}, which the result does not have", ip.address);
                return Err(Error::internal(text));
            }
        }
    }
    Ok(found)
}

fn enable_ipv6(target: &Target<'_>) -> Result<()> {
    for name in ["lo", target.name] {
        let key = format!("net/ipv6/conf/{name}/disable_ipv6");
        match target.netns.sysctl(&key) {
            Ok(value) if value == "0" => {}
            Ok(_) => {
                target.netns.set_sysctl(&key, "0").with_context(|| format!("enable IPv6 on {name}"))?;
            }
            Err(failure) => crate::warn!("cannot tell whether IPv6 is enabled on {name}: {}", failure.message),
        }
    }
    // Addresses must outlive a link that is set down and up again, as IPv4 addresses do.
    let key = format!("net/ipv6/conf/{}/keep_addr_on_down", target.name);
    Ok(target.netns.set_sysctl(&key, "1").with_context(|| format!("keep IPv6 addresses of {}", target.name))?)
}

fn to_route(route: &ResultRoute, ips: &[&IpConfig], index: u32) -> Route {
    let family = |address: IpAddr| address.is_ipv4() == route.dst.addr().is_ipv4();
    // What has the scope of a link or a host is reached without a gateway.
    let is_remote = route.scope.is_none_or(|scope| scope < 253);
    let first_gateway =
        || ips.iter().filter_map(|ip| ip.gateway).find(|gateway| family(*gateway)).filter(|_| is_remote);
    let given = |number: u32| (number != 0).then_some(number);
    Route {
        gateway: route.gw.or_else(first_gateway),
        link: Some(index),
        table: route.table,
        priority: given(route.priority),
        scope: route.scope,
        mtu: given(route.mtu),
        advmss: given(route.advmss),
        ..Route::to(route.dst)
    }
}

/// CHECK: every address is on the link, and its prefix is routed, in the main table or in one that a plugin later in the
/// chain moved the link's routes to.
pub fn check_addresses(target: &Target<'_>, ips: &[IpConfig]) -> Result<()> {
    if ips.is_empty() {
        return Ok(());
    }
    let present = target.link.addresses().with_context(|| format!("list addresses of {}", target.name))?;
    let routes = target.netns.routes(RouteFilter::default()).context("list routes")?;
    for ip in ips {
        let address = ip.address;
        if !present.iter().any(|have| have.network == address) {
            return Err(Error::internal(format!("address {address} is not on {}", target.name)));
        }
        let whole = address.prefix_len() == address.max_prefix_len();
        let leads_there = |route: &Route| same_network(route.destination, address);
        if !whole
            && !routes.iter().any(leads_there)
            && !routes_of_all_tables(target.netns, Some(target.index))?.iter().any(leads_there)
        {
            return Err(Error::internal(format!(
                "{} has {address}, but no route leads to {}",
                target.name,
                address.trunc()
            )));
        }
    }
    Ok(())
}

/// CHECK: every route is there, by destination and gateway. The gateway of a default route is not compared, because
/// plugins later in the chain may have changed it. They may also have moved routes of the main table to another.
pub fn check_routes(netns: &Netns, wanted: &[ResultRoute]) -> Result<()> {
    let mut tables: Vec<Option<u32>> = Vec::with_capacity(1);
    for route in wanted {
        if !tables.contains(&route.table) {
            tables.push(route.table);
        }
    }
    for table in tables {
        let present = netns.routes(RouteFilter { table, ..RouteFilter::default() }).context("list routes")?;
        for route in wanted.iter().filter(|route| route.table == table) {
            let is_default = route.dst.prefix_len() == 0;
            let fits = |have: &Route| {
                same_network(have.destination, route.dst)
                    && (is_default || route.gw.is_none() || have.gateway == route.gw)
            };
            let mut found = present.iter().any(fits);
            if !found && table.is_none() {
                found = routes_of_all_tables(netns, None)?.iter().any(fits);
            }
            if !found {
                let via = route.gw.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
                return Err(Error::internal(format!("the route to {}{via} is missing", route.dst)));
            }
        }
    }
    Ok(())
}

/// All routes through the link. Plugins such as sbr and vrf move them to other tables.
fn routes_of_all_tables(netns: &Netns, link: Option<u32>) -> Result<Vec<Route>> {
    let filter = RouteFilter { link, table: Some(RouteFilter::ALL_TABLES), ..RouteFilter::default() };
    Ok(netns.routes(filter).context("list the routes of all tables")?)
}

fn same_network(one: IpNet, other: IpNet) -> bool {
    one.trunc() == other.trunc()
}
