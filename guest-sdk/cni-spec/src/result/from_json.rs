//! Results of all versions, read into the newest shape.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::{AddResult, Dns, Interface, IpConfig, ResultError, Route};
use crate::{
    ip,
    json::{self, Node},
    version::Version,
};

/// 0.1.0 and 0.2.0.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Oldest {
    ip4: Option<Family>,
    ip6: Option<Family>,
    dns: Dns,
}

#[derive(Deserialize)]
struct Family {
    #[serde(with = "ip::net")]
    ip: IpNet,
    #[serde(default, with = "ip::optional_address")]
    gateway: Option<IpAddr>,
    #[serde(default)]
    routes: Vec<OldestRoute>,
}

#[derive(Deserialize)]
struct OldestRoute {
    #[serde(with = "ip::net")]
    dst: IpNet,
    #[serde(default, with = "ip::optional_address")]
    gw: Option<IpAddr>,
}

/// 0.3.0 to 0.4.0. Routes already have all keys: the Go plugins write and read them in these versions too.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Older {
    interfaces: Vec<OlderInterface>,
    ips: Vec<OlderIp>,
    routes: Vec<Route>,
    dns: Dns,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OlderInterface {
    name: String,
    mac: String,
    sandbox: String,
}

#[derive(Deserialize)]
struct OlderIp {
    /// Go does not miss it, so plugins exist that leave it out.
    version: Option<String>,
    interface: Option<usize>,
    #[serde(with = "ip::net")]
    address: IpNet,
    #[serde(default, with = "ip::optional_address")]
    gateway: Option<IpAddr>,
}

/// 1.0.0 and later.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Newest {
    interfaces: Vec<Interface>,
    ips: Vec<IpConfig>,
    routes: Vec<Route>,
    dns: Dns,
}

/// The layouts that a result can have; equal layouts can be read as each other.
#[inline(always)]
pub(super) fn layout(version: Version) -> u8 {
    match version {
        Version::V0_1_0 | Version::V0_2_0 => 0,
        Version::V0_3_0 | Version::V0_3_1 | Version::V0_4_0 => 1,
        Version::V1_0_0 | Version::V1_1_0 => 2,
    }
}

/// What the result says of itself.
pub(super) fn stated_version(node: &Node<'_>) -> Result<Option<Version>, ResultError> {
    match json::text_of(node, "cniVersion")? {
        None | Some("") => Ok(None),
        Some(stated) => stated.parse().map(Some).map_err(ResultError::UnknownVersion),
    }
}

/// Inlined, so that plugins, which see results of the newest version alone, do not carry the others.
#[inline(always)]
pub(super) fn read(node: &Node<'_>, version: Version) -> Result<AddResult, ResultError> {
    if let Some(found) = stated_version(node)?
        && layout(found) != layout(version)
    {
        return Err(ResultError::WrongVersion { found, expected: version });
    }
    match layout(version) {
        0 => json::from_node::<Oldest>(node)?.upgrade(),
        1 => json::from_node::<Older>(node)?.upgrade(),
        _ => newest(node),
    }
}

fn newest(node: &Node<'_>) -> Result<AddResult, ResultError> {
    let Newest { interfaces, ips, routes, dns } = json::from_node(node)?;
    Ok(AddResult { interfaces, ips, routes, dns })
}

impl Oldest {
    fn upgrade(self) -> Result<AddResult, ResultError> {
        let mut result = AddResult { dns: self.dns, ..AddResult::default() };
        for (key, family, is_v4) in [("ip4", self.ip4, true), ("ip6", self.ip6, false)] {
            let Some(family) = family else { continue };
            if family.ip.addr().is_ipv4() != is_v4 {
                return Err(ResultError::WrongFamily { path: key.to_owned(), address: family.ip });
            }
            result.ips.push(IpConfig { interface: None, address: family.ip, gateway: family.gateway });
            result.routes.extend(family.routes.into_iter().map(|route| Route::new(route.dst, route.gw)));
        }
        Ok(result)
    }
}

impl Older {
    fn upgrade(self) -> Result<AddResult, ResultError> {
        let mut ips = Vec::with_capacity(self.ips.len());
        for (index, ip) in self.ips.into_iter().enumerate() {
            let family = if ip.address.addr().is_ipv4() { "4" } else { "6" };
            if ip.version.is_some_and(|version| !version.is_empty() && version != family) {
                return Err(ResultError::WrongFamily { path: format!("ips[{index}].version"), address: ip.address });
            }
            ips.push(IpConfig { interface: ip.interface, address: ip.address, gateway: ip.gateway });
        }
        let interface = |old: OlderInterface| Interface {
            name: old.name,
            mac: old.mac,
            sandbox: old.sandbox,
            ..Interface::default()
        };
        let interfaces = self.interfaces.into_iter().map(interface).collect();
        Ok(AddResult { interfaces, ips, routes: self.routes, dns: self.dns })
    }
}
