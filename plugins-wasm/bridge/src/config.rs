//! The configuration: keys, defaults, what contradicts what.

use serde::Deserialize;
use weir_sdk::cni_spec::names;
use weir_sdk::cni_spec::result::Dns;
use weir_sdk::masquerade::Backend;
use weir_sdk::net::PortOptions;
use weir_sdk::{Error, MacAddress, Request, Result, StatusRequest, mac};

use crate::vlan::{PortVlans, Trunk};

const DEFAULT_BRIDGE: &str = "cni0";

/// A configuration that has been checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) bridge: String,
    pub(crate) gateway: bool,
    pub(crate) default_gateway: bool,
    pub(crate) force_address: bool,
    pub(crate) masquerade: bool,
    /// None: what this host has.
    pub(crate) masquerade_backend: Option<Backend>,
    /// None: the kernel's default.
    pub(crate) mtu: Option<u32>,
    pub(crate) port: PortOptions,
    pub(crate) promiscuous: bool,
    pub(crate) vlans: PortVlans,
    pub(crate) spoof_check: bool,
    pub(crate) detect_duplicates: bool,
    pub(crate) container_up: bool,
    /// None: the container gets no addresses.
    pub(crate) ipam: Option<String>,
    pub(crate) dns: Dns,
    pub(crate) mac: Option<MacAddress>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    bridge: Option<String>,
    is_gateway: bool,
    is_default_gateway: bool,
    force_address: bool,
    ip_masq: bool,
    ip_masq_backend: Option<String>,
    mtu: i64,
    hairpin_mode: bool,
    promisc_mode: bool,
    vlan: i64,
    vlan_trunk: Vec<Trunk>,
    preserve_default_vlan: Option<bool>,
    macspoofchk: bool,
    enabledad: bool,
    disable_container_interface: bool,
    port_isolation: bool,
    ipam: Ipam,
    dns: Dns,
    args: Args,
    runtime_config: WithMac,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ipam {
    r#type: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Args {
    cni: WithMac,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WithMac {
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
        let bridge = document.bridge.unwrap_or_else(|| DEFAULT_BRIDGE.to_owned());
        names::interface_name(&bridge).map_err(|error| Error::invalid_config(format!("bridge: {error}")))?;
        if document.hairpin_mode && document.promisc_mode {
            return Err(Error::invalid_config("hairpinMode and promiscMode exclude each other; set only one of them"));
        }
        let ipam = Some(document.ipam.r#type).filter(|kind| !kind.is_empty());
        if document.disable_container_interface && ipam.is_some() {
            let text = "disableContainerInterface leaves the interface down, so ipam makes no sense with it";
            return Err(Error::invalid_config(text));
        }
        let mtu = u32::try_from(document.mtu).map_err(|_| {
            Error::invalid_config(format!("mtu {} is out of range; 0 stands for the default", document.mtu))
        })?;
        // The one closest to the runtime wins.
        let macs = [document.runtime_config.mac.as_str(), &document.args.cni.mac, mac_of_args];
        Ok(Self {
            bridge,
            gateway: document.is_gateway || document.is_default_gateway,
            default_gateway: document.is_default_gateway,
            force_address: document.force_address,
            masquerade: document.ip_masq,
            masquerade_backend: document.ip_masq_backend.as_deref().map(Backend::parse).transpose()?,
            mtu: (mtu != 0).then_some(mtu),
            port: PortOptions { hairpin: document.hairpin_mode, isolated: document.port_isolation },
            promiscuous: document.promisc_mode,
            // Kept unless it is turned off, as it always was before the key existed.
            vlans: PortVlans::new(document.vlan, &document.vlan_trunk, document.preserve_default_vlan.unwrap_or(true))?,
            spoof_check: document.macspoofchk,
            detect_duplicates: document.enabledad,
            container_up: !document.disable_container_interface,
            ipam,
            dns: document.dns,
            mac: mac::first_given(&macs)?,
        })
    }
}

/// Read on its own, so that other keys that became invalid keep nothing from being removed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TeardownDocument {
    #[serde(rename = "ipMasq")]
    masquerade: bool,
    #[serde(rename = "ipMasqBackend")]
    backend: Option<String>,
    macspoofchk: bool,
    ipam: Ipam,
    bridge: Option<String>,
}

/// What DEL and GC need to know of the configuration.
#[derive(Debug)]
pub(crate) struct Teardown {
    pub(crate) bridge: String,
    pub(crate) masquerade: bool,
    pub(crate) masquerade_backend: Option<Backend>,
    pub(crate) spoof_check: bool,
    pub(crate) ipam: Option<String>,
}

impl<'de> Deserialize<'de> for Teardown {
    fn deserialize<D: serde::Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        let document = TeardownDocument::deserialize(decoder)?;
        let ipam = Some(document.ipam.r#type).filter(|kind| !kind.is_empty());
        Ok(Self {
            bridge: document.bridge.unwrap_or_else(|| DEFAULT_BRIDGE.to_owned()),
            masquerade: document.masquerade && ipam.is_some(),
            masquerade_backend: document.backend.as_deref().and_then(|name| Backend::parse(name).ok()),
            spoof_check: document.macspoofchk,
            ipam,
        })
    }
}
