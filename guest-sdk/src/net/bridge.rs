//! Linux bridges, their ports and VLANs. Needs the interface `bridges`.

use crate::failure::Failure;
use crate::imports::bridges;
use crate::net::{BridgeOptions, Link, PortOptions, PortVlan};

impl Link {
    /// Delete this bridge unless it has ports. Returns whether it was deleted. No [`attach`](Self::attach) comes in
    /// between, not even one of another command.
    pub fn delete_unused_bridge(&self) -> Result<bool, Failure> {
        bridges::delete_unused(&self.raw)
    }

    /// Whether this bridge filters by VLAN.
    pub fn vlan_filtering(&self) -> Result<bool, Failure> {
        bridges::vlan_filtering(&self.raw)
    }

    /// Turn VLAN filtering of this bridge on or off.
    pub fn set_vlan_filtering(&self, enabled: bool) -> Result<(), Failure> {
        bridges::set_vlan_filtering(&self.raw, enabled)
    }

    /// Make a link a port of this bridge, with its options, and set it up, in one request.
    pub fn attach(&self, port: &Self, options: PortOptions) -> Result<(), Failure> {
        bridges::attach(&self.raw, &port.raw, options)
    }

    /// What this port does now; none where the link is no port of a bridge.
    pub fn port_options(&self) -> Result<Option<PortOptions>, Failure> {
        bridges::port(&self.raw)
    }

    /// Add VLANs to this port or bridge.
    pub fn add_vlans(&self, vlans: &[PortVlan]) -> Result<(), Failure> {
        bridges::add_vlans(&self.raw, vlans)
    }

    /// Remove VLANs from this port or bridge.
    pub fn remove_vlans(&self, vlans: &[PortVlan]) -> Result<(), Failure> {
        bridges::remove_vlans(&self.raw, vlans)
    }

    /// VLANs of this port or bridge, by ID, ranges joined.
    pub fn vlans(&self) -> Result<Vec<PortVlan>, Failure> {
        bridges::list_vlans(&self.raw)
    }
}

impl Default for BridgeOptions {
    /// MTU by the kernel, no VLAN filtering, the hardware address follows the ports.
    fn default() -> Self {
        Self { mtu: None, vlan_filtering: false, keep_mac: false }
    }
}

impl Default for PortOptions {
    /// An ordinary port.
    fn default() -> Self {
        Self { hairpin: false, isolated: false }
    }
}

impl PortVlan {
    /// Tagged membership of the VLANs from the first to the last.
    pub fn tagged(first: u16, last: u16) -> Self {
        Self { first, last, pvid: false, untagged: false }
    }

    /// An access port's one VLAN: what comes in untagged belongs to it, what leaves is untagged.
    pub fn access(id: u16) -> Self {
        Self { first: id, last: id, pvid: true, untagged: true }
    }
}
