//! Results written in all versions: a type for each layout.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::{AddResult, ConversionError, Dns, Interface, IpConfig, Route, from_json::layout};
use crate::{ip, version::Version};

/// Write a result by a function that writes any of the layouts.
///
/// Inlined, so that plugins, which write results of the newest version alone, do not carry the others.
#[inline(always)]
pub(super) fn write<S: Serializer>(
    result: &AddResult,
    version: Version,
    serializer: S,
) -> Result<Result<S::Ok, S::Error>, ConversionError> {
    let cni_version = version.as_str();
    Ok(match layout(version) {
        0 => oldest(result, version)?.serialize(serializer),
        1 => older(result, cni_version).serialize(serializer),
        _ => newest(result, cni_version).serialize(serializer),
    })
}

/// 0.1.0 and 0.2.0.
#[derive(Serialize)]
struct Oldest<'a> {
    #[serde(rename = "cniVersion")]
    cni_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<Family>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<Family>,
    // Go prints settings that are empty, and there are readers that look for the key; below too.
    dns: &'a Dns,
}

/// The first address of a family, with the routes of that family.
#[derive(Serialize)]
struct Family {
    #[serde(with = "ip::net")]
    ip: IpNet,
    #[serde(with = "ip::optional_address", skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

/// 0.3.0 to 0.4.0.
#[derive(Serialize)]
struct Older<'a> {
    #[serde(rename = "cniVersion")]
    cni_version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    interfaces: Vec<OlderInterface<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<OlderIp<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    routes: &'a [Route],
    dns: &'a Dns,
}

#[derive(Serialize)]
struct OlderInterface<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    mac: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sandbox: &'a str,
}

#[derive(Serialize)]
struct OlderIp<'a> {
    version: &'static str,
    #[serde(flatten)]
    ip: &'a IpConfig,
}

/// 1.0.0 and later.
#[derive(Serialize)]
struct Newest<'a> {
    #[serde(rename = "cniVersion")]
    cni_version: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    interfaces: &'a [Interface],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ips: &'a [IpConfig],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    routes: &'a [Route],
    #[serde(skip_serializing_if = "Dns::is_empty")]
    dns: &'a Dns,
}

fn oldest(result: &AddResult, version: Version) -> Result<Oldest<'_>, ConversionError> {
    let ip4 = family(result, |net| net.addr().is_ipv4());
    let ip6 = family(result, |net| net.addr().is_ipv6());
    if ip4.is_none() && ip6.is_none() {
        return Err(ConversionError::NoAddress(version));
    }
    Ok(Oldest { cni_version: version.as_str(), ip4, ip6, dns: &result.dns })
}

fn family(result: &AddResult, is_of_family: fn(&IpNet) -> bool) -> Option<Family> {
    let ip = result.ips.iter().find(|ip| is_of_family(&ip.address))?;
    let routes = result.routes.iter().filter(|route| is_of_family(&route.dst));
    let routes = routes.map(|route| Route::new(route.dst, route.gw)).collect();
    Some(Family { ip: ip.address, gateway: ip.gateway, routes })
}

fn older<'a>(result: &'a AddResult, cni_version: &'static str) -> Older<'a> {
    let interface = |interface: &'a Interface| OlderInterface {
        name: &interface.name,
        mac: &interface.mac,
        sandbox: &interface.sandbox,
    };
    let ip = |ip: &'a IpConfig| OlderIp { version: if ip.address.addr().is_ipv4() { "4" } else { "6" }, ip };
    Older {
        cni_version,
        interfaces: result.interfaces.iter().map(interface).collect(),
        ips: result.ips.iter().map(ip).collect(),
        routes: &result.routes,
        dns: &result.dns,
    }
}

fn newest<'a>(result: &'a AddResult, cni_version: &'static str) -> Newest<'a> {
    let AddResult { interfaces, ips, routes, dns } = result;
    Newest { cni_version, interfaces, ips, routes, dns }
}
