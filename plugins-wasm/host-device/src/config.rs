//! The configuration: how the device is named.

use serde::Deserialize;
use weir_sdk::attach::Ipam;
use weir_sdk::cni_spec::names;
use weir_sdk::cni_spec::result::Dns;
use weir_sdk::{Error, MacAddress, Request, Result};

/// A configuration that has been checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// None: `device_id` alone names the device.
    pub(crate) device: Option<Selector>,
    /// PCI device: its driver decides whether anything is moved, however the device is named.
    pub(crate) pci: Option<String>,
    /// The runtime's choice: a PCI address or an auxiliary device.
    pub(crate) device_id: Option<String>,
    pub(crate) ipam: Ipam,
    pub(crate) dns: Dns,
}

/// How the configuration names the device, PCI aside.
#[derive(Debug)]
pub(crate) enum Selector {
    /// Interface name.
    Name(String),
    /// Hardware address.
    Mac(MacAddress),
    /// Path below /sys/devices.
    Path(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Document {
    pub(crate) device: String,
    hwaddr: String,
    kernelpath: String,
    #[serde(rename = "pciBusID")]
    pci_bus_id: String,
    #[serde(rename = "runtimeConfig")]
    runtime_config: RuntimeConfig,
    ipam: Ipam,
    dns: Dns,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuntimeConfig {
    #[serde(rename = "deviceID")]
    device_id: String,
}

impl Config {
    /// The configuration of ADD and CHECK.
    pub(crate) fn load(request: &Request) -> Result<Self> {
        let document: Document = request.config()?;
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        // The first that is given wins.
        let device = if let Some(name) = given(document.device) {
            names::interface_name(&name).map_err(|error| Error::invalid_config(format!("device: {error}")))?;
            Some(Selector::Name(name))
        } else if let Some(text) = given(document.hwaddr) {
            let mac = text.parse().map_err(|error| Error::invalid_config(format!("hwaddr: {error}")))?;
            Some(Selector::Mac(mac))
        } else {
            given(document.kernelpath).map(Selector::Path)
        };
        let pci = given(document.pci_bus_id);
        let device_id = given(document.runtime_config.device_id);
        if device.is_none() && pci.is_none() && device_id.is_none() {
            let text = "no device is named: give device, hwaddr, kernelpath or pciBusID, or the capability deviceID";
            return Err(Error::invalid_config(text));
        }
        Ok(Self { device, pci, device_id, ipam: document.ipam, dns: document.dns })
    }
}
