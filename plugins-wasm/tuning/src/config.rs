//! The configuration, from all its sources.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_sdk::net::{LinkChanges, LinkInfo};
use weir_sdk::{Error, MacAddress, Request, Result, StatusRequest};

use crate::duplicates::Parameters;
use crate::sysctl::{self, Key};

/// A configuration that has been checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) sysctls: BTreeMap<Key, String>,
    pub(crate) wanted: Wanted,
    pub(crate) directory: Directory,
}

/// What the interface should be; none: as it is.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) mac: Option<MacAddress>,
    pub(crate) mtu: Option<u32>,
    pub(crate) promiscuous: Option<bool>,
    pub(crate) all_multicast: Option<bool>,
    pub(crate) tx_queue_length: Option<u32>,
}

/// The one key that DEL needs.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Directory {
    data_dir: String,
}

impl Directory {
    /// Where the values from before are kept; none: the default.
    pub(crate) fn path(&self) -> Option<&str> {
        Some(self.data_dir.as_str()).filter(|path| !path.is_empty())
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Document {
    data_dir: String,
    sysctl: Parameters,
    mac: String,
    mtu: i64,
    promisc: Option<bool>,
    allmulti: Option<bool>,
    tx_q_len: Option<i64>,
    runtime_config: RuntimeConfig,
    args: TopArgs,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RuntimeConfig {
    mac: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TopArgs {
    cni: CniArgs,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CniArgs {
    sysctl: BTreeMap<String, String>,
    mac: Option<String>,
    mtu: Option<i64>,
    promisc: Option<bool>,
    allmulti: Option<bool>,
    tx_q_len: Option<i64>,
}

impl Config {
    /// Read and check the configuration of ADD and CHECK.
    pub(crate) fn load(request: &Request) -> Result<Self> {
        request.args().require_known(&["MAC"])?;
        Self::check(request.config()?, request.args().get("MAC").unwrap_or_default())
    }

    /// Read and check the configuration of STATUS.
    pub(crate) fn load_for_status(request: &StatusRequest) -> Result<Self> {
        Self::check(request.config()?, "")
    }

    /// Later sources win: configuration, CNI_ARGS, `runtimeConfig`, `args`.
    fn check(document: Document, mac_of_environment: &str) -> Result<Self> {
        let args = document.args.cni;
        let mac_of_args = args.mac.unwrap_or_default();
        let macs = [&mac_of_args, &document.runtime_config.mac, mac_of_environment, &document.mac];
        let mac = macs.into_iter().find(|mac| !mac.is_empty());
        let mac =
            mac.map(|text| text.parse()).transpose().map_err(|error| Error::invalid_config(format!("mac: {error}")))?;

        let mut sysctls = sysctl::parse_keys(document.sysctl.unique()?)?;
        sysctls.extend(sysctl::parse_keys(args.sysctl)?);
        let wanted = Wanted {
            mac,
            mtu: number("mtu", args.mtu.unwrap_or(document.mtu))?.filter(|mtu| *mtu != 0),
            promiscuous: args.promisc.or(document.promisc),
            all_multicast: args.allmulti.or(document.allmulti),
            tx_queue_length: match args.tx_q_len.or(document.tx_q_len) {
                Some(length) => number("txQLen", length)?,
                None => None,
            },
        };
        Ok(Self { sysctls, wanted, directory: Directory { data_dir: document.data_dir } })
    }
}

fn number(key: &str, number: i64) -> Result<Option<u32>> {
    u32::try_from(number)
        .map(Some)
        .map_err(|_| Error::invalid_config(format!("{key} {number} is out of range: it must be 0 to 4294967295")))
}

impl Wanted {
    /// The changes to make. Promiscuous mode is only ever turned on: another plugin may need it.
    pub(crate) fn changes(&self) -> LinkChanges {
        LinkChanges {
            mac: self.mac.clone().map(Into::into),
            mtu: self.mtu,
            promiscuous: self.promiscuous.filter(|on| *on),
            all_multicast: self.all_multicast,
            tx_queue_length: self.tx_queue_length,
            ..LinkChanges::default()
        }
    }

    /// Compare with what is. What the configuration does not name may be anything.
    pub(crate) fn compare(&self, found: &LinkInfo) -> Result<()> {
        compare("MAC address", self.mac.as_ref(), &found.mac, found)?;
        compare("MTU", self.mtu.as_ref(), &found.mtu, found)?;
        compare("promiscuous mode", self.promiscuous.as_ref(), &found.promiscuous, found)?;
        compare("all-multicast mode", self.all_multicast.as_ref(), &found.all_multicast, found)?;
        compare("transmit queue length", self.tx_queue_length.as_ref(), &found.tx_queue_length, found)
    }
}

fn compare<T: PartialEq + std::fmt::Debug>(what: &str, wanted: Option<&T>, found: &T, link: &LinkInfo) -> Result<()> {
    match wanted {
        Some(wanted) if wanted != found => {
            let name = &link.name;
            Err(Error::internal(format!("{what} of interface {name} is {found:?}, but {wanted:?} was configured")))
        }
        _ => Ok(()),
    }
}
