//! What was before ADD, kept in a file for DEL.
//!
//! The document is that of the native plugin, so each can restore what the other saved. `sysctl` and `name`, the
//! network's, are Weir's own keys; the native plugin does not look at them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::ser::{PrettyFormatter, Serializer};
use weir_sdk::cni_spec::json;
use weir_sdk::net::LinkChanges;
use weir_sdk::{Context, Error, Failure, GcRequest, Link, Netns, Request, Result, debug, error, state};

use crate::config::Config;
use crate::no_link;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Saved {
    #[serde(skip_serializing_if = "String::is_empty")]
    mac: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    promisc: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allmulti: Option<bool>,
    #[serde(rename = "txQLen", skip_serializing_if = "Option::is_none")]
    tx_queue_length: Option<u32>,
    /// By path, with the name of the interface.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sysctl: BTreeMap<String, String>,
    /// So that GC of this network, and of no other, finds the file.
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
}

impl Saved {
    /// Look up everything that the configuration is about to change.
    pub(crate) fn read(config: &Config, netns: &Netns, link: Option<&Link>, request: &Request) -> Result<Self> {
        let mut saved = Self { name: request.network.clone(), ..Self::default() };
        for key in config.sysctls.keys() {
            let path = key.for_interface(&request.interface_name);
            match netns.sysctl(&path) {
                Ok(value) => drop(saved.sysctl.insert(path, value)),
                Err(failure) if failure.is_not_found() => {
                    return Err(
                        Error::invalid_config(format!("sysctl {path} does not exist")).with_details(failure.message)
                    );
                }
                // Some parameters can only be written, such as net/ipv4/route/flush.
                Err(failure) => debug!("sysctl {path} will not be restored: {}", failure.message),
            }
        }
        let wanted = config.wanted.changes();
        if wanted != LinkChanges::default() {
            let info = link.ok_or_else(|| no_link(request))?.info()?;
            saved.mac = wanted.mac.map(|_| info.mac.to_string()).unwrap_or_default();
            saved.promisc = wanted.promiscuous.map(|_| info.promiscuous);
            saved.mtu = wanted.mtu.map(|_| info.mtu);
            saved.allmulti = wanted.all_multicast.map(|_| info.all_multicast);
            saved.tx_queue_length = wanted.tx_queue_length.map(|_| info.tx_queue_length);
        }
        Ok(saved)
    }

    /// Put what was saved earlier above this: where a chain holds this plugin twice, the first one saw the original.
    pub(crate) fn under(mut self, earlier: Option<Self>) -> Self {
        let Some(earlier) = earlier else { return self };
        if !earlier.mac.is_empty() {
            self.mac = earlier.mac;
        }
        self.promisc = earlier.promisc.or(self.promisc);
        self.mtu = earlier.mtu.or(self.mtu);
        self.allmulti = earlier.allmulti.or(self.allmulti);
        self.tx_queue_length = earlier.tx_queue_length.or(self.tx_queue_length);
        self.sysctl.extend(earlier.sysctl);
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self { name: self.name.clone(), ..Self::default() }
    }

    /// Set everything back. Each thing is tried; what fails is logged, because DEL must go on.
    pub(crate) fn restore(&self, netns: &Netns, interface_name: &str) {
        match netns.link(interface_name) {
            Ok(Some(link)) => self.restore_link(&link, interface_name),
            Ok(None) => debug!("interface {interface_name} is gone"),
            Err(failure) => error!("find interface {interface_name}: {}", failure.message),
        }
        for (path, value) in self.sysctl.iter().rev() {
            log_failure(netns.set_sysctl(path, value), &format!("restore sysctl {path}"));
        }
    }

    fn restore_link(&self, link: &Link, name: &str) {
        let mac = self.mac.parse().ok().map(|mac: weir_sdk::MacAddress| mac.into());
        let none = LinkChanges::default;
        for (what, changes) in [
            ("MTU", LinkChanges { mtu: self.mtu, ..none() }),
            ("MAC address", LinkChanges { mac, ..none() }),
            ("promiscuous mode", LinkChanges { promiscuous: self.promisc, ..none() }),
            ("all-multicast mode", LinkChanges { all_multicast: self.allmulti, ..none() }),
            ("transmit queue length", LinkChanges { tx_queue_length: self.tx_queue_length, ..none() }),
        ] {
            if changes != none() {
                log_failure(link.update(&changes), &format!("restore the {what} of interface {name}"));
            }
        }
    }

    /// Read the file of this attachment.
    pub(crate) fn load(directory: Option<&str>) -> Result<Option<Self>> {
        let document = state::load(directory).context("read the saved values")?;
        Ok(document.map(|text| json::from_slice(&text)).transpose()?)
    }

    /// Write the file of this attachment, with the native plugin's indentation.
    pub(crate) fn save(&self, directory: Option<&str>) -> Result<()> {
        let mut text = Vec::new();
        let mut serializer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b" "));
        self.serialize(&mut serializer).map_err(|error| Error::internal(format!("write the saved values: {error}")))?;
        Ok(state::save(directory, &text).context("write the saved values")?)
    }

    /// Remove the files of attachments that are no more. What was tuned went with their containers.
    pub(crate) fn collect_garbage(request: &GcRequest, directory: Option<&str>) -> Result<()> {
        Ok(state::retain(directory, request).map(drop).context("remove values saved for containers that are gone")?)
    }

    /// Leave the file as an earlier plugin left it; none: no file.
    pub(crate) fn put_back(earlier: Option<Self>, directory: Option<&str>) -> Result<()> {
        match earlier {
            Some(earlier) => earlier.save(directory),
            None => Ok(state::remove(directory).context("remove the saved values")?),
        }
    }
}

fn log_failure(outcome: Result<(), Failure>, doing: &str) {
    match outcome {
        Ok(()) => {}
        Err(failure) if failure.is_not_found() => debug!("{doing}: {}", failure.message),
        Err(failure) => error!("{doing}: {}", failure.message),
    }
}
