//! Finds the device that the configuration names.

use weir_sdk::cni_spec::quoted::Quoted;
use weir_sdk::host_device::{self, Device as HostDevice};
use weir_sdk::net::{LinkAddress, LinkInfo, NewAddress};
use weir_sdk::{Context, Error, FailureKind, Link, Netns, Result};

use crate::config::{Config, Selector};

/// Drivers that hand a device to an application, so that there is no network interface.
const USERSPACE_DRIVERS: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];

/// What there is to do.
pub(crate) enum Found {
    /// An interface to move.
    Link(Device),
    /// A device with a driver for userspace.
    Userspace,
}

/// An interface of the host, and what it was.
pub(crate) struct Device {
    pub(crate) link: Link,
    pub(crate) info: LinkInfo,
    addresses: Vec<LinkAddress>,
}

impl Device {
    /// After it was away: up again with its addresses, if it was.
    pub(crate) fn put_back_as_it_was(&self, link: &Link) -> Result<()> {
        let name = &self.info.name;
        if self.info.up {
            link.set_up().with_context(|| format!("set {name} up again"))?;
        }
        // Link-local addresses come by themselves.
        let lost = self.addresses.iter().filter(|address| address.scope != LINK_SCOPE && !address.dad_failed);
        let lost: Vec<NewAddress> = lost.map(|address| address.network.into()).collect();
        match link.add_addresses(&lost) {
            Err(failure) if !failure.is_already_exists() => {
                Err(Error::from(failure)).with_context(|| format!("give {name} its addresses back"))
            }
            _ => Ok(()),
        }
    }
}

const LINK_SCOPE: u8 = 253;

/// A place in the device tree, and the device there.
struct Placed {
    place: String,
    device: HostDevice,
}

/// The device of a configuration. The first of `device`, `hwaddr`, `kernelpath` wins over the PCI or auxiliary device.
pub(crate) fn device(config: &Config, host: &Netns) -> Result<Found> {
    let pci = pci_or_auxiliary(config)?;
    if pci.as_ref().is_some_and(Placed::is_userspace) {
        return Ok(Found::Userspace);
    }
    let link = match (&config.device, pci) {
        (Some(Selector::Name(name)), _) => {
            let link = host.link(name).with_context(|| format!("find {name}"))?;
            link.ok_or_else(|| Error::invalid_config(format!("the host has no interface {name}")))?
        }
        (Some(Selector::Mac(mac)), _) => {
            let links = host.links().context("look for the interface with hwaddr")?;
            let found = links.into_iter().find(|info| !info.loopback && info.mac == *mac);
            let none = || Error::invalid_config(format!("no interface of the host has the MAC {mac}"));
            let index = found.ok_or_else(none)?.index;
            host.link_by_index(index).context("find the interface with hwaddr")?.ok_or_else(none)?
        }
        (Some(Selector::Path(path)), _) => {
            let device = host_device::by_path(path).context("kernelpath")?.ok_or_else(|| none_at(path))?;
            Placed { place: path.clone(), device }.link(host)?
        }
        (None, Some(placed)) => placed.link(host)?,
        (None, None) => return Err(Error::invalid_config("no device is named")),
    };
    let info = link.info().context("look at the device")?;
    if info.loopback {
        return Err(Error::invalid_config(format!("{} is the loopback interface, which cannot be moved", info.name)));
    }
    let addresses = link.addresses().with_context(|| format!("look at the addresses of {}", info.name))?;
    Ok(Found::Link(Device { link, info, addresses }))
}

/// Whether the device has a driver for userspace.
pub(crate) fn is_userspace(config: &Config) -> Result<bool> {
    Ok(pci_or_auxiliary(config)?.as_ref().is_some_and(Placed::is_userspace))
}

/// The runtime's choice replaces that of the configuration.
fn pci_or_auxiliary(config: &Config) -> Result<Option<Placed>> {
    let (place, key) = match (&config.device_id, &config.pci) {
        (Some(id), _) => (id, "runtimeConfig.deviceID"),
        (None, Some(address)) => (address, "pciBusID"),
        (None, None) => return Ok(None),
    };
    let pci = match host_device::pci(place) {
        Err(failure) if failure.kind == FailureKind::Invalid && config.device_id.is_some() => None,
        other => other.context(key)?,
    };
    let device = match pci {
        None if config.device_id.is_some() => host_device::auxiliary(place).context(key)?,
        pci => pci,
    };
    let device = device.ok_or_else(|| none_at(place)).context(key)?;
    Ok(Some(Placed { place: place.clone(), device }))
}

fn none_at(place: &str) -> Error {
    Error::invalid_config(format!("there is no device {} on this host", Quoted(place)))
}

impl Placed {
    fn is_userspace(&self) -> bool {
        self.device.driver.as_deref().is_some_and(|driver| USERSPACE_DRIVERS.contains(&driver))
    }

    /// The first of its interfaces that is on the host.
    fn link(&self, host: &Netns) -> Result<Link> {
        for name in &self.device.interfaces {
            if let Some(link) = host.link(name).with_context(|| format!("find {name}"))? {
                return Ok(link);
            }
        }
        let place = Quoted(&self.place);
        Err(Error::invalid_config(format!(
            "the device {place} has no interface on the host; another container may have it"
        )))
    }
}
