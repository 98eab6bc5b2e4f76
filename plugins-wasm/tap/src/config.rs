//! The configuration: keys, defaults, where the hardware address comes from.

use serde::Deserialize;
use weir_sdk::attach::Ipam;
use weir_sdk::cni_spec::names;
use weir_sdk::cni_spec::result::Dns;
use weir_sdk::net::{LinkKind, LinkOptions, TapOptions};
use weir_sdk::{Error, Request, Result, StatusRequest, mac};

/// A configuration that has been checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) tap: TapOptions,
    pub(crate) options: LinkOptions,
    /// A bridge in the container.
    pub(crate) bridge: Option<String>,
    pub(crate) ipam: Ipam,
    pub(crate) dns: Dns,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    multi_queue: bool,
    mtu: i64,
    mac: String,
    owner: Option<i64>,
    group: Option<i64>,
    selinux_context: String,
    bridge: String,
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
        let mac = mac::first_given(&[&document.runtime_config.mac, mac_of_args, &document.mac])?;
        let bridge = Some(document.bridge).filter(|name| !name.is_empty());
        if let Some(bridge) = &bridge {
            names::interface_name(bridge).map_err(|error| Error::invalid_config(format!("bridge: {error}")))?;
        }
        let selinux_context = Some(document.selinux_context).filter(|context| !context.is_empty());
        if selinux_context.as_ref().is_some_and(|context| context.contains('\0')) {
            return Err(Error::invalid_config("selinuxContext contains a NUL"));
        }
        let mtu = Some(number("mtu", document.mtu)?).filter(|mtu| *mtu != 0);
        let tap = TapOptions {
            multi_queue: document.multi_queue,
            owner: document.owner.map(|owner| number("owner", owner)).transpose()?,
            group: document.group.map(|group| number("group", group)).transpose()?,
            selinux_context,
        };
        let options = LinkOptions { mtu, mac: mac.map(Into::into), ..LinkOptions::default() };
        Ok(Self { tap, options, bridge, ipam: document.ipam, dns: document.dns })
    }

    /// The link to make.
    pub(crate) fn kind(&self) -> LinkKind {
        LinkKind::Tap(self.tap.clone())
    }
}

fn number(key: &str, number: i64) -> Result<u32> {
    u32::try_from(number)
        .map_err(|_| Error::invalid_config(format!("{key} {number} is out of range: it must be 0 to 4294967295")))
}
