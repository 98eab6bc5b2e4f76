//! The configuration: keys, defaults and limits.

use serde::Deserialize;
use weir_sdk::cni_spec::names;
use weir_sdk::{Error, Result};

/// The keys as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Raw {
    vrfname: String,
    table: i64,
}

/// The configuration, checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// Name of the VRF.
    pub(crate) name: String,
    /// Its routing table; none: any that is free.
    pub(crate) table: Option<u32>,
}

impl Config {
    /// Check the keys.
    pub(crate) fn load(raw: Raw) -> Result<Self> {
        if raw.vrfname.is_empty() {
            return Err(Error::invalid_config("vrfname is missing: it names the VRF that the interface goes into"));
        }
        names::interface_name(&raw.vrfname).map_err(|error| Error::invalid_config(format!("vrfname: {error}")))?;
        let Ok(table) = u32::try_from(raw.table) else {
            let text = format!("table is {}: it must be 1 to {}, or 0 for any that is free", raw.table, u32::MAX);
            return Err(Error::invalid_config(text));
        };
        Ok(Self { name: raw.vrfname, table: Some(table).filter(|table| *table != 0) })
    }
}
