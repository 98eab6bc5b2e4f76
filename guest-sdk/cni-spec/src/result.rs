//! The result of ADD, in the shape of the newest version, and its conversion from and to all versions.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ip,
    json::{self, DecodeError},
    version::{UnknownVersion, Version},
};

mod from_json;
mod to_json;

/// What ADD made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddResult {
    /// Interfaces, in the container and outside.
    pub interfaces: Vec<Interface>,
    /// Addresses.
    pub ips: Vec<IpConfig>,
    /// Routes in the container.
    pub routes: Vec<Route>,
    /// DNS settings for the container.
    pub dns: Dns,
}

/// An interface that a plugin made or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// Hardware address; empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// MTU in bytes; 0: not told.
    #[serde(skip_serializing_if = "is_zero")]
    pub mtu: u32,
    /// Path of the container's network namespace; empty: the interface is on the host.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
    /// Socket of a user-space network; empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub socket_path: String,
    /// PCI address; empty: none.
    #[serde(rename = "pciID", skip_serializing_if = "String::is_empty")]
    pub pci_id: String,
}

/// An address of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpConfig {
    /// Index of its interface in the result; IPAM plugins leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<usize>,
    /// Address and prefix length.
    #[serde(with = "ip::net")]
    pub address: IpNet,
    /// Gateway of the subnet.
    #[serde(default, with = "ip::optional_address", skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

impl IpConfig {
    /// An address without interface and gateway.
    pub fn new(address: IpNet) -> Self {
        Self { interface: None, address, gateway: None }
    }
}

/// A route in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Destination.
    #[serde(with = "ip::net")]
    pub dst: IpNet,
    /// Gateway; none: the interface's.
    #[serde(default, with = "ip::optional_address", skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// Path MTU; 0: none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mtu: u32,
    /// Maximal segment size to announce; 0: none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub advmss: u32,
    /// Priority, lower is better; 0: the kernel's default.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: u32,
    /// Routing table; none: main.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// Scope: 0 global, 253 link, 254 host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
}

impl Route {
    /// A route with a destination and maybe a gateway.
    pub fn new(dst: IpNet, gw: Option<IpAddr>) -> Self {
        Self { dst, gw, mtu: 0, advmss: 0, priority: 0, table: None, scope: None }
    }
}

/// DNS settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// Name servers, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// Local domain; empty: none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Search domains, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Options for the resolver.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.nameservers.is_empty() && self.domain.is_empty() && self.search.is_empty() && self.options.is_empty()
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Why a result could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultError {
    /// Not JSON, or a value of the wrong type.
    Decode(DecodeError),
    /// `cniVersion` of the result is unknown.
    UnknownVersion(UnknownVersion),
    /// `cniVersion` of the result belongs to another layout than the one that it should have.
    WrongVersion {
        /// What the result says.
        found: Version,
        /// What it should be.
        expected: Version,
    },
    /// `version`, `ip4` or `ip6` says another family than the address.
    WrongFamily {
        /// Where, as in `ips[0].version`.
        path: String,
        /// The address.
        address: IpNet,
    },
}

impl fmt::Display for ResultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => write!(f, "the result cannot be read: {error}"),
            Self::UnknownVersion(error) => write!(f, "the result cannot be read: {error}"),
            Self::WrongVersion { found, expected } => {
                write!(f, "the result is of version {found}, but {expected} was expected")
            }
            Self::WrongFamily { path, address } => {
                write!(f, "the result contradicts itself: {path} is not the family of {address}")
            }
        }
    }
}

impl std::error::Error for ResultError {}

impl From<DecodeError> for ResultError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// A result that a version cannot express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversionError {
    /// 0.1.0 and 0.2.0 need an address.
    NoAddress(Version),
}

impl fmt::Display for ConversionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NoAddress(version) = self;
        write!(f, "a result without addresses does not exist in CNI {version}; set cniVersion to 0.3.0 or later")
    }
}

impl std::error::Error for ConversionError {}

impl AddResult {
    /// Read a result that must be of a version. Its own `cniVersion` may be missing, or be another version of the same
    /// layout (0.1.0 and 0.2.0; 0.3.0 to 0.4.0; 1.0.0 and later).
    pub fn from_json(value: &Value, version: Version) -> Result<Self, ResultError> {
        from_json::read(&json::read_value(value)?, version)
    }

    /// [`Self::from_json`] from text.
    #[inline]
    pub fn from_slice(text: &[u8], version: Version) -> Result<Self, ResultError> {
        from_json::read(&json::read(text)?, version)
    }

    /// Read a result of whatever version its `cniVersion` says; `fallback` where it says none. For results of other
    /// plugins, which may answer in an older version than that of the configuration.
    pub fn from_json_of_any_version(value: &Value, fallback: Version) -> Result<Self, ResultError> {
        let node = json::read_value(value)?;
        let version = from_json::stated_version(&node)?.unwrap_or(fallback);
        from_json::read(&node, version)
    }

    /// Write the result in a version, leaving out what the version cannot express.
    pub fn to_json(&self, version: Version) -> Result<Value, ConversionError> {
        // The parts have texts for keys and nothing fallible, so they always become a value.
        Ok(to_json::write(self, version, serde_json::value::Serializer)?.unwrap_or_default())
    }

    /// [`Self::to_json`] to text.
    #[inline]
    pub fn to_json_text(&self, version: Version) -> Result<String, ConversionError> {
        let mut text = Vec::new();
        let written = to_json::write(self, version, &mut serde_json::Serializer::new(&mut text))?;
        Ok(written.ok().and_then(|()| String::from_utf8(text).ok()).unwrap_or_default())
    }
}

#[cfg(test)]
#[path = "result_tests.rs"]
mod tests;
