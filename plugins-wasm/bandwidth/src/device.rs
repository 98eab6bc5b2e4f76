//! The ifb device through which a container sends: its name, whom it belongs to, and how it is found again.

use weir_sdk::net::{LinkInfo, LinkKind, LinkOptions};
use weir_sdk::{Context, Error, GcRequest, Link, Netns, Request, Result, naming};

const PREFIX: &str = "bwp";
const DIGITS: usize = 12;
/// The longest text that the kernel keeps with a link (IFALIASZ without the end mark).
const LONGEST_ALIAS: usize = 255;
/// Networks with longer names are told by a hash.
const LONGEST_NETWORK: usize = 128;

/// An ifb device.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) link: Link,
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mtu: u32,
    pub(crate) up: bool,
}

impl Device {
    /// Make the device of an attachment, up.
    pub(crate) fn create(request: &Request, host: &Netns, mtu: u32) -> Result<Link> {
        let Request { network, container_id, interface_name, .. } = request;
        let name = name(network, container_id, interface_name);
        let mut alias = format!("{}{container_id} {interface_name}", alias_start(network));
        alias.truncate(alias.floor_char_boundary(LONGEST_ALIAS));
        let options = LinkOptions { mtu: Some(mtu), mac: None, up: true, alias: Some(alias) };
        host.create_virtual_link(&name, &LinkKind::Ifb, &options, None).map_err(|failure| {
            let taken = failure.is_already_exists();
            let error = Error::from(failure);
            if taken { error.with_details("a DEL of this attachment removes what an earlier ADD left") } else { error }
        })
    }

    /// The devices of an attachment: ours, and one that the native plugin has made.
    pub(crate) fn of_attachment(request: &Request, host: &Netns) -> Result<Vec<Self>> {
        let Request { network, container_id, interface_name, .. } = request;
        let mut devices = Vec::new();
        devices.extend(Self::find(host, &name(network, container_id, interface_name))?);
        // The native plugin's name does not say which of the container's interfaces it is for; the result does.
        let native = format!("{PREFIX}{}", naming::hash(&format!("{network}{container_id}"), DIGITS));
        let is_its = |name: &String| match request.prev_result() {
            Some(result) => result.interfaces.iter().any(|interface| interface.name == *name),
            None => true,
        };
        if is_its(&native) {
            devices.extend(Self::find(host, &native)?);
        }
        Ok(devices)
    }

    /// The devices of a network whose attachments are no more. Those of the native plugin do not tell their network.
    pub(crate) fn orphans(request: &GcRequest, host: &Netns) -> Result<Vec<Self>> {
        let start = alias_start(&request.network);
        let valid: Vec<_> = request
            .valid_attachments
            .iter()
            .map(|valid| name(&request.network, &valid.container_id, &valid.interface_name))
            .collect();
        let is_orphan = |info: &LinkInfo| {
            info.is("ifb")
                && info.alias.as_deref().is_some_and(|alias| alias.starts_with(&start))
                && !valid.contains(&info.name)
        };
        let orphans = host.links().context("look for ifb devices")?.into_iter().filter(is_orphan);
        let mut devices = Vec::new();
        for info in orphans {
            let link = host.link_by_index(info.index).with_context(|| format!("find {}", info.name))?;
            devices.extend(link.map(|link| Self::new(link, info)));
        }
        Ok(devices)
    }

    /// Delete the device, if it is still there.
    pub(crate) fn delete(&self) -> Result<()> {
        Ok(self.link.delete_if_exists().map(drop).with_context(|| format!("delete the ifb device {}", self.name))?)
    }

    fn find(host: &Netns, name: &str) -> Result<Option<Self>> {
        let Some(link) = host.link(name).with_context(|| format!("find {name}"))? else { return Ok(None) };
        match link.info() {
            // Somebody else's link of that name is not ours to touch.
            Ok(info) => Ok(info.is("ifb").then(|| Self::new(link, info))),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(failure).with_context(|| format!("look at {name}"))?,
        }
    }

    fn new(link: Link, info: LinkInfo) -> Self {
        Self { link, index: info.index, name: info.name, mtu: info.mtu, up: info.up }
    }
}

/// The name of an attachment's device. None of the parts can contain a slash.
fn name(network: &str, container_id: &str, interface_name: &str) -> String {
    format!("{PREFIX}{}", naming::hash(&format!("{network}/{container_id}/{interface_name}"), DIGITS))
}

/// What the text kept with each device of a network begins with.
fn alias_start(network: &str) -> String {
    if network.len() <= LONGEST_NETWORK {
        format!("cni bandwidth {network} ")
    } else {
        format!("cni bandwidth {} ", naming::hash(network, LONGEST_NETWORK))
    }
}
