//! The configuration: keys, defaults.

use serde::Deserialize;
use weir_sdk::attach::Ipam;
use weir_sdk::cni_spec::quoted::Quoted;
use weir_sdk::cni_spec::result::Dns;
use weir_sdk::net::MacvlanMode;
use weir_sdk::{Error, MacAddress, Request, Result, StatusRequest, mac};

/// A configuration that has been checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// Empty: the link of the default route.
    pub(crate) master: String,
    pub(crate) mode: MacvlanMode,
    /// 0: the master's. Compared with that when it is known.
    pub(crate) mtu: i64,
    pub(crate) mac: Option<MacAddress>,
    /// The master is in the container, not on the host.
    pub(crate) link_in_container: bool,
    /// None: the kernel's default.
    pub(crate) broadcast_queue_length: Option<u32>,
    pub(crate) ipam: Ipam,
    pub(crate) dns: Dns,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    master: String,
    mode: String,
    mtu: i64,
    mac: String,
    link_in_container: bool,
    bcqueuelen: u32,
    ipam: Ipam,
    dns: Dns,
    runtime_config: RuntimeConfig,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RuntimeConfig {
    mac: String,
}

impl Config {
    /// The configuration of ADD and CHECK.
    pub(crate) fn load(request: &Request) -> Result<Self> {
        request.args().require_known(&["MAC"])?;
        Self::check(request.config()?, request.args().get("MAC").unwrap_or_default())
    }

    /// The configuration of STATUS.
    pub(crate) fn load_for_status(request: &StatusRequest) -> Result<Self> {
        Self::check(request.config()?, "")
    }

    fn check(document: Document, mac_of_args: &str) -> Result<Self> {
        if document.mtu < 0 {
            let text = format!("mtu {} is out of range; 0 stands for that of the master", document.mtu);
            return Err(Error::invalid_config(text));
        }
        Ok(Self {
            master: document.master,
            mode: mode(&document.mode)?,
            mtu: document.mtu,
            // The one closest to the runtime wins.
            mac: mac::first_given(&[&document.runtime_config.mac, mac_of_args, &document.mac])?,
            link_in_container: document.link_in_container,
            broadcast_queue_length: Some(document.bcqueuelen).filter(|length| *length != 0),
            ipam: document.ipam,
            dns: document.dns,
        })
    }
}

fn mode(name: &str) -> Result<MacvlanMode> {
    match name {
        "" | "bridge" => Ok(MacvlanMode::Bridge),
        "private" => Ok(MacvlanMode::Private),
        "vepa" => Ok(MacvlanMode::Vepa),
        "passthru" => Ok(MacvlanMode::Passthru),
        other => {
            let name = Quoted(other);
            Err(Error::invalid_config(format!("unknown mode {name}; it must be bridge, private, vepa or passthru")))
        }
    }
}
