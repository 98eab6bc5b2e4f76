//! The configuration: keys, defaults.

use serde::Deserialize;
use weir_sdk::attach::Ipam;
use weir_sdk::cni_spec::quoted::Quoted;
use weir_sdk::cni_spec::result::Dns;
use weir_sdk::net::IpvlanMode;
use weir_sdk::{AddResult, Error, Result};

/// The keys as they are written.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Document {
    master: String,
    mode: String,
    mtu: i64,
    link_in_container: bool,
    ipam: Ipam,
    dns: Dns,
}

/// A configuration that has been checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// Empty: the link of the default route.
    pub(crate) master: String,
    pub(crate) mode: IpvlanMode,
    /// 0: the master's. Compared with that when it is known.
    pub(crate) mtu: i64,
    /// The master is in the container, not on the host.
    pub(crate) link_in_container: bool,
    pub(crate) ipam: Ipam,
    pub(crate) dns: Dns,
}

impl Config {
    pub(crate) fn load(document: Document) -> Result<Self> {
        if document.mtu < 0 {
            let text = format!("mtu {} is out of range; 0 stands for that of the master", document.mtu);
            return Err(Error::invalid_config(text));
        }
        Ok(Self {
            master: document.master,
            mode: mode(&document.mode)?,
            mtu: document.mtu,
            link_in_container: document.link_in_container,
            ipam: document.ipam,
            dns: document.dns,
        })
    }

    /// The master where the configuration names none and other plugins came before: the only interface that they made.
    pub(crate) fn take_master_of(&mut self, previous: Option<&AddResult>) -> Result<()> {
        let Some(previous) = previous.filter(|_| self.master.is_empty()) else { return Ok(()) };
        match previous.interfaces.as_slice() {
            [one] if !one.name.is_empty() => self.master.clone_from(&one.name),
            several => {
                let number = several.len();
                let text = "name one of them by the key master";
                return Err(Error::invalid_config(format!("prevResult has {number} interfaces, not one: {text}")));
            }
        }
        Ok(())
    }
}

fn mode(name: &str) -> Result<IpvlanMode> {
    match name {
        "" | "l2" => Ok(IpvlanMode::L2),
        "l3" => Ok(IpvlanMode::L3),
        "l3s" => Ok(IpvlanMode::L3s),
        other => Err(Error::invalid_config(format!("unknown mode {}; it must be l2, l3 or l3s", Quoted(other)))),
    }
}
