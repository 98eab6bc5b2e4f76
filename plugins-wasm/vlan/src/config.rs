//! The configuration.

use serde::Deserialize;
use weir_sdk::attach::Ipam;
use weir_sdk::cni_spec::names;
use weir_sdk::cni_spec::result::Dns;
use weir_sdk::{Error, Result};

/// A configuration as it was written.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Document {
    master: String,
    vlan_id: i64,
    mtu: i64,
    link_in_container: bool,
    ipam: Ipam,
    dns: Dns,
}

/// A configuration that has been checked, but for what depends on the master.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) master: String,
    pub(crate) vlan_id: u16,
    /// 0: the kernel's choice.
    pub(crate) mtu: i64,
    pub(crate) link_in_container: bool,
    pub(crate) ipam: Ipam,
    pub(crate) dns: Dns,
}

impl TryFrom<Document> for Config {
    type Error = Error;

    fn try_from(document: Document) -> Result<Self> {
        let Document { master, vlan_id, mtu, link_in_container, ipam, dns } = document;
        names::interface_name(&master).map_err(|error| Error::invalid_config(format!("master: {error}")))?;
        let vlan_id = u16::try_from(vlan_id).ok().filter(|id| *id <= 4094).ok_or_else(|| {
            Error::invalid_config(format!("vlanId {vlan_id} is out of range: VLAN IDs go from 0 to 4094"))
        })?;
        ipam.require()?;
        Ok(Self { master, vlan_id, mtu, link_in_container, ipam, dns })
    }
}
