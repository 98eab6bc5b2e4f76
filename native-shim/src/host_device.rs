//! Devices of the host by their place in sysfs(5): driver and network interfaces.
//!
//! Which interfaces a device directory shows depends on the network namespace of whoever mounted sysfs; on a node that
//! is the host's own.

use std::ffi::OsStr;
use std::io::ErrorKind as IoKind;
use std::path::{Component, Path, PathBuf};

use crate::{Error, ErrorKind, Result};

/// A device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Device {
    /// Name of the driver that is bound to it.
    pub driver: Option<String>,
    /// Names of its network interfaces, sorted.
    pub interfaces: Vec<String>,
}

/// The device tree.
#[derive(Debug, Clone)]
pub struct DeviceTree {
    root: PathBuf,
}

impl Default for DeviceTree {
    fn default() -> Self {
        Self::at("/sys")
    }
}

impl DeviceTree {
    /// The tree that is mounted at a directory.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The PCI device at an address, `domain:bus:device.function`.
    pub fn pci(&self, address: &str) -> Result<Option<Device>> {
        let address = address.to_ascii_lowercase();
        if !is_pci_address(&address) {
            let text = format!("{address:?} is no PCI address; one looks like \"0000:03:00.1\"");
            return Err(Error::new(ErrorKind::Invalid, text));
        }
        look(&self.root.join("bus/pci/devices").join(address))
    }

    /// The device of the auxiliary bus with a name.
    pub fn auxiliary(&self, name: &str) -> Result<Option<Device>> {
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if name.is_empty() || name.starts_with('.') || name.len() > 255 || !is_plain {
            let text = format!("{name:?} is no name of an auxiliary device; one looks like \"mlx5_core.sf.2\"");
            return Err(Error::new(ErrorKind::Invalid, text));
        }
        look(&self.root.join("bus/auxiliary/devices").join(name))
    }

    /// The device at a path below `/sys/devices`.
    pub fn by_path(&self, path: &Path) -> Result<Option<Device>> {
        let invalid = |why: &str| Error::new(ErrorKind::Invalid, format!("device path {}: {why}", path.display()));
        let Ok(below) = path.strip_prefix("/sys/devices") else {
            return Err(invalid("it must begin with /sys/devices/"));
        };
        if below.as_os_str().is_empty() || below.components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(invalid("it must name a device, without `..`"));
        }
        let devices = self.root.join("devices");
        let directory = devices.join(below);
        // Links lie in the tree too, but none of them may lead out of it.
        let doing = || format!("look at {}", directory.display());
        match (directory.canonicalize(), devices.canonicalize()) {
            (Ok(real), Ok(devices)) if real.starts_with(&devices) => look(&real),
            (Ok(_), Ok(_)) => Err(invalid("it leads out of /sys/devices")),
            (Err(e), _) if is_absent(&e) => Ok(None),
            (Err(e), _) | (_, Err(e)) => Err(Error::io(doing(), &e)),
        }
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), IoKind::NotFound | IoKind::NotADirectory)
}

/// `domain:bus:device.function`, hexadecimal.
fn is_pci_address(text: &str) -> bool {
    let hexadecimal = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.chars().all(|c| c.is_ascii_hexdigit())
    };
    let mut parts = text.splitn(3, ':');
    let (Some(domain), Some(bus), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let Some((device, function)) = rest.split_once('.') else { return false };
    hexadecimal(domain, 4..=8) && hexadecimal(bus, 2..=2) && hexadecimal(device, 2..=2) && hexadecimal(function, 1..=1)
}

fn look(directory: &Path) -> Result<Option<Device>> {
    match directory.metadata() {
        Ok(_) => {}
        Err(e) if is_absent(&e) => return Ok(None),
        Err(e) => return Err(Error::io(format!("look at {}", directory.display()), &e)),
    }
    let driver = directory.join("driver").read_link().ok();
    let driver = driver.as_deref().and_then(Path::file_name).and_then(OsStr::to_str).map(str::to_owned);
    let mut interfaces = entries(&directory.join("net"))?;
    if interfaces.is_empty() {
        // Between a PCI device and its interface stands the virtio device.
        for name in entries(directory)?.iter().filter(|name| name.starts_with("virtio")) {
            interfaces.extend(entries(&directory.join(name).join("net"))?);
        }
    }
    interfaces.sort_unstable();
    Ok(Some(Device { driver, interfaces }))
}

/// Names in a directory; none where it is missing.
fn entries(directory: &Path) -> Result<Vec<String>> {
    let doing = || format!("list {}", directory.display());
    let list = match std::fs::read_dir(directory) {
        Ok(list) => list,
        Err(e) if is_absent(&e) => return Ok(Vec::new()),
        Err(e) => return Err(Error::io(doing(), &e)),
    };
    let mut names = Vec::new();
    for entry in list {
        let name = entry.map_err(|e| Error::io(doing(), &e))?.file_name();
        names.extend(name.into_string().ok());
    }
    Ok(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const PCI: &str = "devices/pci0000:00/0000:03:00.1";

    fn tree() -> (tempfile::TempDir, DeviceTree) {
        let temp = tempfile::tempdir().unwrap();
        let make = |path: &str| std::fs::create_dir_all(temp.path().join(path)).unwrap();
        make(&format!("{PCI}/net/eth7"));
        make(&format!("{PCI}/mlx5_core.sf.2/net/eth8"));
        make("devices/pci0000:00/0000:00:04.0/virtio1/net/eth9");
        make("devices/pci0000:00/0000:00:05.0");
        make("bus/pci/devices");
        make("bus/pci/drivers/ixgbe");
        make("bus/auxiliary/devices");
        make("outside/net/eth0");
        let link = |to: &str, from: &str| symlink(temp.path().join(to), temp.path().join(from)).unwrap();
        for address in ["0000:03:00.1", "0000:00:04.0", "0000:00:05.0"] {
            link(&format!("devices/pci0000:00/{address}"), &format!("bus/pci/devices/{address}"));
        }
        link(&format!("{PCI}/mlx5_core.sf.2"), "bus/auxiliary/devices/mlx5_core.sf.2");
        link("bus/pci/drivers/ixgbe", &format!("{PCI}/driver"));
        link("outside", &format!("{PCI}/out"));
        let tree = DeviceTree::at(temp.path());
        (temp, tree)
    }

    fn interfaces(device: Result<Option<Device>>) -> Vec<String> {
        device.unwrap().unwrap().interfaces
    }

    #[test]
    fn a_device_is_found_by_each_of_its_names() {
        let (_temp, tree) = tree();
        let device = tree.pci("0000:03:00.1").unwrap().unwrap();
        assert_eq!(device, Device { driver: Some("ixgbe".into()), interfaces: vec!["eth7".into()] });
        assert_eq!(interfaces(tree.auxiliary("mlx5_core.sf.2")), ["eth8"]);
        assert_eq!(interfaces(tree.by_path(Path::new("/sys/devices/pci0000:00/0000:03:00.1"))), ["eth7"]);
        assert_eq!(interfaces(tree.pci("0000:00:04.0")), ["eth9"], "through virtio");
        assert_eq!(tree.pci("0000:00:05.0").unwrap(), Some(Device::default()), "without interface");
    }

    #[test]
    fn what_is_not_there_is_none() {
        let (_temp, tree) = tree();
        assert_eq!(tree.pci("0000:FF:00.1").unwrap(), None);
        assert_eq!(tree.auxiliary("mlx5_core.sf.3").unwrap(), None);
        assert_eq!(tree.by_path(Path::new("/sys/devices/pci0000:00/none")).unwrap(), None);
        assert_eq!(DeviceTree::at("/nonexistent").pci("0000:03:00.1").unwrap(), None);
    }

    #[test]
    fn names_cannot_leave_the_tree() {
        let (_temp, tree) = tree();
        for address in ["", "..", "03:00.1", "0000:03:00", "0000:03:00.1/../x", "0000:03:0g.1", "00000000000:03:00.1"] {
            assert_eq!(tree.pci(address).unwrap_err().kind, ErrorKind::Invalid, "{address}");
        }
        for name in ["", ".", "..", "a/b", "../../outside", "a b"] {
            assert_eq!(tree.auxiliary(name).unwrap_err().kind, ErrorKind::Invalid, "{name}");
        }
        let device = "/sys/devices/pci0000:00/0000:03:00.1";
        for path in ["/sys/devices", "/sys/devices/../outside", "/etc", "devices/x", "/sys/class/net", ""] {
            assert_eq!(tree.by_path(Path::new(path)).unwrap_err().kind, ErrorKind::Invalid, "{path}");
        }
        let out = format!("{device}/out");
        assert_eq!(tree.by_path(Path::new(&out)).unwrap_err().kind, ErrorKind::Invalid, "a link that leads out");
    }
}
