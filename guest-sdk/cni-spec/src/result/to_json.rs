//! Results written in all versions.

use std::{borrow::Cow, net::IpAddr};

use ipnet::IpNet;
use serde::Serialize;

use super::{AddResult, ConversionError, Dns, Interface, IpConfig, Route};
use crate::{ip, version::Version};

/// A result in the layout of a version.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    #[serde(rename = "cniVersion")]
    cni_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<Family>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<Family>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    interfaces: Cow<'a, [Interface]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<Address>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    routes: &'a [Route],
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<&'a Dns>,
}

/// 0.1.0 and 0.2.0: the first address of a family, with the routes of that family.
#[derive(Serialize)]
struct Family {
    #[serde(with = "ip::net")]
    ip: IpNet,
    #[serde(with = "ip::optional_address", skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

/// 0.3.0 and later.
#[derive(Serialize)]
struct Address {
    /// Below 1.0.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<usize>,
    #[serde(with = "ip::net")]
    address: IpNet,
    #[serde(with = "ip::optional_address", skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

/// Inlined, so that plugins, which write results of the newest version alone, do not carry the others.
#[inline(always)]
pub(super) fn document(result: &AddResult, version: Version) -> Result<Document<'_>, ConversionError> {
    let mut document = Document {
        cni_version: version.as_str(),
        ip4: None,
        ip6: None,
        interfaces: Cow::Borrowed(&[]),
        ips: Vec::new(),
        routes: &[],
        // Up to 0.4.0 Go prints settings that are empty, and there are readers that look for the key.
        dns: Some(&result.dns).filter(|dns| version < Version::V1_0_0 || !dns.is_empty()),
    };
    if version < Version::V0_3_0 {
        document.ip4 = family(result, |net| net.addr().is_ipv4());
        document.ip6 = family(result, |net| net.addr().is_ipv6());
        if document.ip4.is_none() && document.ip6.is_none() {
            return Err(ConversionError::NoAddress(version));
        }
        return Ok(document);
    }
    document.routes = &result.routes;
    document.interfaces = Cow::Borrowed(&result.interfaces);
    document.ips = result.ips.iter().map(address).collect();
    if version < Version::V1_0_0 {
        document.interfaces = result.interfaces.iter().map(older_interface).collect();
        for ip in &mut document.ips {
            ip.version = Some(if ip.address.addr().is_ipv4() { "4" } else { "6" });
        }
    }
    Ok(document)
}

fn family(result: &AddResult, is_of_family: fn(&IpNet) -> bool) -> Option<Family> {
    let ip = result.ips.iter().find(|ip| is_of_family(&ip.address))?;
    let routes = result.routes.iter().filter(|route| is_of_family(&route.dst));
    let routes = routes.map(|route| Route::new(route.dst, route.gw)).collect();
    Some(Family { ip: ip.address, gateway: ip.gateway, routes })
}

fn older_interface(interface: &Interface) -> Interface {
    let Interface { name, mac, sandbox, .. } = interface.clone();
    Interface { name, mac, sandbox, ..Interface::default() }
}

fn address(ip: &IpConfig) -> Address {
    Address { version: None, interface: ip.interface, address: ip.address, gateway: ip.gateway }
}
