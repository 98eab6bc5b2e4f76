//! Linux bridges, their ports and VLANs. See bridge(8).

use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// Properties of a bridge that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BridgeOptions {
    /// MTU in bytes; none: the kernel's default.
    pub mtu: Option<u32>,
    /// Filter by VLAN from the start.
    pub vlan_filtering: bool,
}

/// What a port of a bridge does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortOptions {
    /// Frames may go out of the port that they came in on.
    pub hairpin: bool,
    /// The port exchanges frames with non-isolated ports only.
    pub isolated: bool,
}

/// VLAN membership of a port, or of the bridge itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortVlan {
    /// First VLAN ID, 1 to 4094.
    pub first: u16,
    /// Last VLAN ID; the same as `first` for one VLAN.
    pub last: u16,
    /// Untagged frames that come in belong to this VLAN.
    pub pvid: bool,
    /// Frames of this VLAN leave untagged.
    pub untagged: bool,
}

fn unbuilt<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "bridges are not built yet"))
}

/// Make a bridge, down; returns its index. `AlreadyExists` where the name is taken.
pub fn create(_namespace: &Netns, _name: &str, _options: &BridgeOptions) -> Result<u32> {
    unbuilt()
}

/// Whether a bridge filters by VLAN.
pub fn vlan_filtering(_namespace: &Netns, _bridge: u32) -> Result<bool> {
    unbuilt()
}

/// Turn VLAN filtering on or off. `Unsupported` where the kernel has none.
pub fn set_vlan_filtering(_namespace: &Netns, _bridge: u32, _enabled: bool) -> Result<()> {
    unbuilt()
}

/// Make a link a port of a bridge, with its options, and set it up, in one request.
pub fn attach(_namespace: &Netns, _bridge: u32, _port: u32, _options: &PortOptions) -> Result<()> {
    unbuilt()
}

/// What a port does now; none where the link is no port of a bridge.
pub fn port(_namespace: &Netns, _port: u32) -> Result<Option<PortOptions>> {
    unbuilt()
}

/// Add VLANs to a port, or to a bridge itself.
pub fn add_vlans(_namespace: &Netns, _link: u32, _vlans: &[PortVlan]) -> Result<()> {
    unbuilt()
}

/// Remove VLANs from a port, or from a bridge itself.
pub fn remove_vlans(_namespace: &Netns, _link: u32, _vlans: &[PortVlan]) -> Result<()> {
    unbuilt()
}

/// VLANs of a port, or of a bridge itself, by ID, ranges joined.
pub fn list_vlans(_namespace: &Netns, _link: u32) -> Result<Vec<PortVlan>> {
    unbuilt()
}
