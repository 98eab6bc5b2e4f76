//! What the device was on the host, kept from ADD to DEL.

use serde::{Deserialize, Serialize};
use weir_sdk::cni_spec::{json, names};
use weir_sdk::net::LinkInfo;
use weir_sdk::{Context, Error, GcRequest, Link, Request, Result, state, warn};

use crate::config::Document;

/// The names of a device on the host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Saved {
    /// The network, so that its GC finds the file.
    name: String,
    /// The interface name that the device has on the host.
    pub(crate) device: String,
    /// The alias that it has there; while it is away its alias is its name.
    pub(crate) alias: String,
}

impl Saved {
    pub(crate) fn of(request: &Request, info: &LinkInfo) -> Self {
        let alias = info.alias.clone().unwrap_or_default();
        Self { name: request.network.clone(), device: info.name.clone(), alias }
    }

    /// What the native plugin leaves: the alias in the container is the name on the host.
    pub(crate) fn guess(request: &Request, link: &Link) -> Option<Self> {
        let alias = link.info().ok()?.alias?;
        names::interface_name(&alias).ok()?;
        Some(Self { name: request.network.clone(), device: alias, alias: String::new() })
    }

    /// Without a file: the configuration may name the device by its name on the host.
    pub(crate) fn of_configuration(config: &str) -> Option<Self> {
        let Document { device, .. } = json::from_slice(config.as_bytes()).ok()?;
        names::interface_name(&device).ok()?;
        Some(Self { device, ..Self::default() })
    }

    pub(crate) fn save(&self) -> Result<()> {
        let text = serde_json::to_vec(self)
            .map_err(|error| Error::internal(format!("write down the names of the device: {error}")))?;
        Ok(state::save(None, &text).context("write down the names of the device")?)
    }

    /// Read the file. One that is damaged counts as none: the alias has the most important part.
    pub(crate) fn load() -> Result<Option<Self>> {
        let text = state::load(None).context("read the names of the device")?;
        Ok(text.and_then(|text| Self::parse(&text)))
    }

    /// The same, with the alias that the device has in the container: on the host it marks one that is not as it was.
    pub(crate) fn marked(self) -> Self {
        Self { alias: self.device.clone(), ..self }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let saved: Option<Self> = json::from_slice(text).ok();
        let saved = saved.filter(|saved| names::interface_name(&saved.device).is_ok());
        if saved.is_none() {
            warn!("the names that were written down for the device cannot be read");
        }
        saved
    }

    pub(crate) fn remove() -> Result<()> {
        Ok(state::remove(None).context("remove the names of the device")?)
    }

    /// GC: remove the files of attachments that are no more, and return what was in them.
    pub(crate) fn collect(request: &GcRequest) -> Result<Vec<Self>> {
        let documents = state::retain(None, request).context("collect the names of devices")?;
        Ok(documents.iter().filter_map(|text| Self::parse(text)).collect())
    }
}
