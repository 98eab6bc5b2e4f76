//! The configuration: keys, defaults and limits.

use std::net::IpAddr;

use serde::Deserialize;
use weir_sdk::{Error, Result};

/// The keys as they are written. Numbers and addresses are checked later, so that errors can say more.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Raw {
    table: Option<i64>,
    gateways: Vec<String>,
    add_source_hints: bool,
}

/// The configuration, checked.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Config {
    /// Somebody else fills this table: only rules are made.
    pub(crate) table: Option<u32>,
    /// Gateways that take the place of those of the addresses, by family.
    gateways: Vec<IpAddr>,
    /// Leave the routes to the subnets in the main table, with the address as preferred source.
    pub(crate) add_source_hints: bool,
}

impl Config {
    /// Check the keys.
    pub(crate) fn load(raw: Raw) -> Result<Self> {
        let table = match raw.table {
            None => None,
            Some(number) => match u32::try_from(number) {
                Ok(table) if table != 0 => Some(table),
                _ => {
                    let text = format!("table is {number}: it must be 1 to {}, or left out", u32::MAX);
                    return Err(Error::invalid_config(text));
                }
            },
        };
        let mut gateways: Vec<IpAddr> = Vec::with_capacity(raw.gateways.len());
        for text in &raw.gateways {
            let Ok(gateway) = text.parse::<IpAddr>() else {
                return Err(Error::invalid_config(format!("gateways: {text:?} is no IP address")));
            };
            if let Some(other) = gateways.iter().find(|other| other.is_ipv4() == gateway.is_ipv4()) {
                return Err(Error::invalid_config(format!(
                    "gateways: {other} and {gateway} are of one family; give one of each at most"
                )));
            }
            gateways.push(gateway);
        }
        Ok(Self { table, gateways, add_source_hints: raw.add_source_hints })
    }

    /// The gateway that the configuration names for the family of an address.
    pub(crate) fn gateway_for(&self, address: IpAddr) -> Option<IpAddr> {
        self.gateways.iter().copied().find(|gateway| gateway.is_ipv4() == address.is_ipv4())
    }
}
