//! Devices of the host, by their place in the kernel's device tree. Needs the interface `host-devices`.

use crate::failure::Failure;
use crate::imports::host_devices as host;

pub use crate::bindings::weir::cni::host_devices::Device;

/// The PCI device at an address, such as `0000:03:00.1`. `Invalid` where that is no PCI address.
pub fn pci(address: &str) -> Result<Option<Device>, Failure> {
    host::find_pci(address)
}

/// The device of the auxiliary bus with a name, such as `mlx5_core.sf.2`.
pub fn auxiliary(name: &str) -> Result<Option<Device>, Failure> {
    host::find_auxiliary(name)
}

/// The device at a path below `/sys/devices`. `Invalid` where the path leads elsewhere.
pub fn by_path(path: &str) -> Result<Option<Device>, Failure> {
    host::find_by_path(path)
}
