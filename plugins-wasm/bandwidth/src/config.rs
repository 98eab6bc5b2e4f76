//! The configuration: keys, sources and limits.

use serde::Deserialize;
use weir_sdk::{Error, Result};

/// A configuration that has been checked. None: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Config {
    /// Of what the container receives.
    pub(crate) ingress: Option<Limit>,
    /// Of what the container sends.
    pub(crate) egress: Option<Limit>,
}

/// A limit as the configuration says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Bits per second; at least 8.
    pub(crate) rate: u64,
    /// Bits that may pass at once; more than 0.
    pub(crate) burst: u64,
}

/// The keys of this plugin.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Document {
    ingress_rate: Option<u64>,
    ingress_burst: Option<u64>,
    egress_rate: Option<u64>,
    egress_burst: Option<u64>,
    runtime_config: RuntimeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuntimeConfig {
    bandwidth: Option<Entry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry {
    ingress_rate: u64,
    ingress_burst: u64,
    egress_rate: u64,
    egress_burst: u64,
}

impl Config {
    /// Check a document. Limits that the network's author wrote down count, all four; only where there are none those of
    /// the runtime.
    pub(crate) fn load(document: Document) -> Result<Self> {
        let Document { ingress_rate, ingress_burst, egress_rate, egress_burst, runtime_config } = document;
        let written = [ingress_rate, ingress_burst, egress_rate, egress_burst];
        let [ingress_rate, ingress_burst, egress_rate, egress_burst] = match runtime_config.bandwidth {
            Some(entry) if written.iter().all(Option::is_none) => {
                [entry.ingress_rate, entry.ingress_burst, entry.egress_rate, entry.egress_burst]
            }
            _ => written.map(Option::unwrap_or_default),
        };
        Ok(Self {
            ingress: Limit::load("ingress", ingress_rate, ingress_burst)?,
            egress: Limit::load("egress", egress_rate, egress_burst)?,
        })
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_unlimited(&self) -> bool {
        self.ingress.is_none() && self.egress.is_none()
    }
}

impl Limit {
    fn load(direction: &str, rate: u64, burst: u64) -> Result<Option<Self>> {
        let fault = match (rate, burst) {
            (0, 0) => return Ok(None),
            (0, _) => format!("{direction}Burst is set, but {direction}Rate is not: set both, or none"),
            (_, 0) => format!("{direction}Rate is set, but {direction}Burst is not: set both, or none"),
            (1..8, _) => format!("{direction}Rate {rate} is less than a byte per second: the unit is bits per second"),
            _ => return Ok(Some(Self { rate, burst })),
        };
        Err(Error::invalid_config(fault))
    }
}
