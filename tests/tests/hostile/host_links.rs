//! Reaches for links of the host that are nobody's to change.

use anyhow::Result;

use crate::lab::Lab;

pub fn set_down(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink"])
}

pub fn renamed(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink"])
}

pub fn mtu(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink"])
}

pub fn hardware_address(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink"])
}

pub fn other_settings(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink"])
}

pub fn deleted(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink"])
}

pub fn moved_into_the_container(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink"])
}

pub fn under_a_bridge(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink", "cni0"])
}

pub fn addresses_added(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink"])
}

pub fn addresses_removed(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink"])
}

pub fn addresses_announced(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink"])
}

pub fn macvlan_on_top(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink", "macvlan", "vrf"])
}

pub fn loopback(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["lo"])
}

pub fn queueing(lab: &Lab<'_>) -> Result<()> {
    lab.denied(&["uplink"])
}

pub fn redirected(lab: &Lab<'_>) -> Result<()> {
    lab.refused(&["uplink"])
}
