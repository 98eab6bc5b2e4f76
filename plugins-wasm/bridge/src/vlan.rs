//! VLANs of a port: one native VLAN, and those that pass tagged.

use serde::Deserialize;
use weir_sdk::net::PortVlan;
use weir_sdk::{Context, Error, Link, Result};

const LARGEST_ID: i64 = 4094;
/// What a trunk has as its native VLAN where the configuration names none: the kernel's default.
const DEFAULT_NATIVE: u16 = 1;

/// An entry of `vlanTrunk`: a range, one VLAN, or both.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Trunk {
    #[serde(rename = "minID")]
    first: Option<i64>,
    #[serde(rename = "maxID")]
    last: Option<i64>,
    id: Option<i64>,
}

/// What a port is a member of.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct PortVlans {
    /// `vlan`; none: none was given.
    pub(crate) access: Option<u16>,
    /// What to set; empty: the bridge need not filter.
    members: Vec<PortVlan>,
    keep_default: bool,
}

impl PortVlans {
    pub(crate) fn new(vlan: i64, trunk: &[Trunk], keep_default: bool) -> Result<Self> {
        let access = if vlan == 0 { None } else { Some(id(vlan, "vlan")?) };
        let tagged = ranges(trunk)?;
        let mut members = Vec::with_capacity(tagged.len() + 2);
        if access.is_some() || !tagged.is_empty() {
            let native = access.unwrap_or(DEFAULT_NATIVE);
            members.push(PortVlan::access(native));
            // A VLAN cannot be native and tagged at once: split the range that holds it.
            for (first, last) in tagged {
                if (first..=last).contains(&native) {
                    members.extend((first < native).then(|| PortVlan::tagged(first, native - 1)));
                    members.extend((native < last).then(|| PortVlan::tagged(native + 1, last)));
                } else {
                    members.push(PortVlan::tagged(first, last));
                }
            }
        }
        Ok(Self { access, members, keep_default })
    }

    /// An access port of the VLAN alone: what the gateway's interface is.
    pub(crate) fn of_gateway(&self) -> Self {
        let members = self.access.map(PortVlan::access).into_iter().collect();
        Self { access: self.access, members, keep_default: self.keep_default }
    }

    /// Whether the bridge must filter.
    pub(crate) fn is_some(&self) -> bool {
        !self.members.is_empty()
    }

    /// Make a port a member of these VLANs, after it was attached to the bridge.
    pub(crate) fn apply(&self, port: &Link, name: &str) -> Result<()> {
        if !self.is_some() {
            return Ok(());
        }
        if !self.keep_default {
            let doing = || format!("remove the default VLAN of {name}");
            let old = port.vlans().with_context(doing)?;
            port.remove_vlans(&old).with_context(doing)?;
        }
        Ok(port.add_vlans(&self.members).with_context(|| format!("set the VLANs of {name}"))?)
    }
}

fn id(number: i64, key: &str) -> Result<u16> {
    u16::try_from(number)
        .ok()
        .filter(|_| (1..=LARGEST_ID).contains(&number))
        .ok_or_else(|| Error::invalid_config(format!("{key} {number} is no VLAN ID; they go from 1 to {LARGEST_ID}")))
}

/// All VLANs of a trunk as ranges in order, joined where they touch.
fn ranges(trunk: &[Trunk]) -> Result<Vec<(u16, u16)>> {
    let mut all: Vec<(u16, u16)> = Vec::with_capacity(trunk.len());
    // In order as they come: the library's sort is large, and the list short.
    let mut insert = |range| all.insert(all.partition_point(|before| *before < range), range);
    for entry in trunk {
        match (entry.first, entry.last) {
            (Some(first), Some(last)) => {
                let range = (id(first, "vlanTrunk: minID")?, id(last, "vlanTrunk: maxID")?);
                if range.0 > range.1 {
                    let text = format!("vlanTrunk: minID {first} is greater than maxID {last}");
                    return Err(Error::invalid_config(text));
                }
                insert(range);
            }
            (None, None) => {}
            _ => return Err(Error::invalid_config("vlanTrunk: minID and maxID go together, but one is missing")),
        }
        if let Some(number) = entry.id {
            let number = id(number, "vlanTrunk: id")?;
            insert((number, number));
        }
    }
    let mut joined: Vec<(u16, u16)> = Vec::with_capacity(all.len());
    for (first, last) in all {
        match joined.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn range(first: i64, last: i64) -> Trunk {
        Trunk { first: Some(first), last: Some(last), id: None }
    }

    fn single(id: i64) -> Trunk {
        Trunk { id: Some(id), ..Trunk::default() }
    }

    #[test]
    fn a_trunk_without_vlan_has_the_native_vlan_1() {
        let vlans = PortVlans::new(0, &[range(100, 103), single(104), single(200), range(102, 102)], true).unwrap();
        assert_eq!(vlans.members, [PortVlan::access(1), PortVlan::tagged(100, 104), PortVlan::tagged(200, 200)]);
    }

    #[test]
    fn the_native_vlan_is_never_tagged() {
        let vlans = PortVlans::new(102, &[range(100, 104)], true).unwrap();
        assert_eq!(vlans.members, [PortVlan::access(102), PortVlan::tagged(100, 101), PortVlan::tagged(103, 104)]);
        let vlans = PortVlans::new(0, &[range(1, 1), single(3)], true).unwrap();
        assert_eq!(vlans.members, [PortVlan::access(1), PortVlan::tagged(3, 3)]);
    }

    #[test]
    fn without_vlans_nothing_is_filtered() {
        assert!(!PortVlans::new(0, &[], true).unwrap().is_some());
        assert!(!PortVlans::new(0, &[Trunk::default()], false).unwrap().is_some());
    }

    #[test]
    fn numbers_outside_1_to_4094_are_refused() {
        for vlan in [-1, 4095, i64::MAX] {
            assert_eq!(PortVlans::new(vlan, &[], true).unwrap_err().code, 7, "{vlan}");
        }
        let half = Trunk { first: Some(1), ..Trunk::default() };
        for bad in [range(0, 5), range(5, 4095), range(6, 5), single(0), single(-5), single(4095), half] {
            assert_eq!(PortVlans::new(0, &[bad], true).unwrap_err().code, 7);
        }
    }
}
