//! The configuration: keys, defaults.

use serde::Deserialize;
use weir_sdk::attach::Ipam;
use weir_sdk::cni_spec::result::Dns;
use weir_sdk::masquerade::Backend;
use weir_sdk::{Error, Result};

/// The keys as they are written.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Document {
    ip_masq: bool,
    ip_masq_backend: Option<String>,
    mtu: i64,
    ipam: Ipam,
    dns: Dns,
}

/// A configuration that has been checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) masquerade: bool,
    /// None: what this host has.
    pub(crate) masquerade_backend: Option<Backend>,
    /// None: the kernel's default.
    pub(crate) mtu: Option<u32>,
    pub(crate) ipam: Ipam,
    pub(crate) dns: Dns,
}

impl Config {
    pub(crate) fn load(document: Document) -> Result<Self> {
        let mtu = u32::try_from(document.mtu).map_err(|_| {
            Error::invalid_config(format!("mtu {} is out of range; 0 stands for the default", document.mtu))
        })?;
        document.ipam.require()?;
        Ok(Self {
            masquerade: document.ip_masq,
            masquerade_backend: document.ip_masq_backend.as_deref().map(Backend::parse).transpose()?,
            mtu: (mtu != 0).then_some(mtu),
            ipam: document.ipam,
            dns: document.dns,
        })
    }
}

/// What DEL and GC need to know, read on its own, so that other keys that became invalid keep nothing from being removed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Teardown {
    #[serde(rename = "ipMasq")]
    pub(crate) masquerade: bool,
    #[serde(rename = "ipMasqBackend")]
    backend: Option<String>,
}

impl Teardown {
    /// What made the rules, where the configuration says so.
    pub(crate) fn masquerade_backend(&self) -> Option<Backend> {
        self.backend.as_deref().and_then(|name| Backend::parse(name).ok())
    }
}
