//! Linux bridges, their ports and VLANs. See bridge(8).

use netlink_packet_route::link::{
    AfSpecBridge, BridgeFlag, BridgeVlanInfo, BridgeVlanInfoFlags, InfoBridge, InfoBridgePort, InfoData, InfoKind,
    InfoPortData, InfoPortKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::link::{Common, by_index, create as create_link, delete, describe, message_of, random_mac};
use crate::netns::{Access, Netns};
use crate::{Error, ErrorKind, Result};

/// Properties of a bridge that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BridgeOptions {
    /// MTU in bytes; none: the kernel's default.
    pub mtu: Option<u32>,
    /// Filter by VLAN from the start.
    pub vlan_filtering: bool,
    /// Keep the hardware address, which is chosen by lot, from the start. Otherwise the bridge takes the lowest of its
    /// ports, again and again as they come and go.
    pub keep_mac: bool,
}

/// What a port of a bridge does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PortOptions {
    /// Frames may go out of the port that they came in on.
    pub hairpin: bool,
    /// The port exchanges frames with non-isolated ports only.
    pub isolated: bool,
}

/// VLAN membership of a port, or of the bridge itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
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

/// Make a bridge, down; returns its index. `AlreadyExists` where the name is taken.
pub fn create(namespace: &Netns, name: &str, options: &BridgeOptions) -> Result<u32> {
    // Only where asked for: a kernel without VLAN filtering refuses the word itself.
    let data = options.vlan_filtering.then(|| InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)]));
    // The kernel keeps an address that it was given.
    let mac = options.keep_mac.then(random_mac);
    let common = Common { mtu: options.mtu, mac: mac.as_ref().map(|mac| mac.as_slice()), ..Common::default() };
    create_link(namespace, name, InfoKind::Bridge, data, common, None)
}

/// Delete a bridge that has no ports. False: it has some, and stays. No [`attach`] comes in between, not even one of
/// another process.
pub fn delete_unused(namespace: &Netns, bridge: u32) -> Result<bool> {
    let _lock = namespace.lock(Access::Exclusive)?;
    // An error where it is no bridge.
    vlan_filtering(namespace, bridge)?;
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::Controller(bridge));
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let links = namespace
        .rtnetlink(|connection| connection.dump(&RouteNetlinkMessage::GetLink(message)))?
        .map_err(|fault| fault.during(format_args!("list ports of bridge with index {bridge}")))?;
    // Old kernels list others as well.
    let is_port = |answer: &RouteNetlinkMessage| match answer {
        RouteNetlinkMessage::NewLink(link) => describe(link).controller == Some(bridge),
        _ => false,
    };
    if links.iter().any(is_port) {
        return Ok(false);
    }
    delete(namespace, bridge).map(|()| true)
}

/// Whether a bridge filters by VLAN.
pub fn vlan_filtering(namespace: &Netns, bridge: u32) -> Result<bool> {
    let message = message_of(namespace, bridge)?;
    let details = details(&message).iter().find_map(|detail| match detail {
        LinkInfo::Data(InfoData::Bridge(details)) => Some(details),
        _ => None,
    });
    let Some(details) = details else {
        return Err(Error::new(ErrorKind::Invalid, format!("link with index {bridge} is no bridge")));
    };
    Ok(details.iter().any(|detail| matches!(detail, InfoBridge::VlanFiltering(true))))
}

/// Turn VLAN filtering on or off. `Unsupported` where the kernel has none.
pub fn set_vlan_filtering(namespace: &Netns, bridge: u32, enabled: bool) -> Result<()> {
    let mut message = by_index(bridge)?;
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Bridge),
        LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::VlanFiltering(enabled)])),
    ]));
    namespace
        .rtnetlink(|connection| connection.act(RouteNetlinkMessage::NewLink(message), 0))?
        .map_err(|fault| fault.during(format_args!("set VLAN filtering of bridge with index {bridge} to {enabled}")))
}

/// Make a link a port of a bridge, with its options, and set it up.
///
/// The kernel takes a port's options only once it is a port, so these are two requests, sent together. The port comes
/// up with the second: it never passes a frame without its options.
pub fn attach(namespace: &Netns, bridge: u32, port: u32, options: &PortOptions) -> Result<()> {
    by_index(bridge)?;
    let _lock = namespace.lock(Access::Shared)?;
    let mut join = by_index(port)?;
    join.attributes.push(LinkAttribute::Controller(bridge));

    let mut configure = by_index(port)?;
    configure.header.flags = LinkFlags::Up;
    configure.header.change_mask = LinkFlags::Up;
    configure.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::PortKind(InfoPortKind::Bridge),
        LinkInfo::PortData(InfoPortData::BridgePort(vec![
            InfoBridgePort::HairpinMode(options.hairpin),
            InfoBridgePort::Isolated(options.isolated),
        ])),
    ]));
    let requests = [join, configure].map(RouteNetlinkMessage::NewLink).to_vec();
    let doing = || format!("make link with index {port} a port of the bridge with index {bridge}");
    let refused =
        namespace.rtnetlink(|connection| connection.act_all(requests, 0))?.map_err(|fault| fault.during(doing()))?;
    // The second fails for want of the first; the first says why.
    refused.into_iter().next().map_or(Ok(()), |(_, fault)| Err(fault.during(doing())))
}

/// What a port does now; none where the link is no port of a bridge.
pub fn port(namespace: &Netns, port: u32) -> Result<Option<PortOptions>> {
    let message = message_of(namespace, port)?;
    let options = details(&message).iter().find_map(|detail| match detail {
        LinkInfo::PortData(InfoPortData::BridgePort(options)) => Some(options),
        _ => None,
    });
    Ok(options.map(|options| PortOptions {
        hairpin: options.iter().any(|option| matches!(option, InfoBridgePort::HairpinMode(true))),
        isolated: options.iter().any(|option| matches!(option, InfoBridgePort::Isolated(true))),
    }))
}

/// Add VLANs to a port, or to a bridge itself.
pub fn add_vlans(namespace: &Netns, link: u32, vlans: &[PortVlan]) -> Result<()> {
    change_vlans(namespace, link, vlans, "add", RouteNetlinkMessage::SetLink)
}

/// Remove VLANs from a port, or from a bridge itself.
pub fn remove_vlans(namespace: &Netns, link: u32, vlans: &[PortVlan]) -> Result<()> {
    change_vlans(namespace, link, vlans, "remove", RouteNetlinkMessage::DelLink)
}

fn change_vlans(
    namespace: &Netns,
    link: u32,
    vlans: &[PortVlan],
    verb: &str,
    wrap: fn(LinkMessage) -> RouteNetlinkMessage,
) -> Result<()> {
    if vlans.is_empty() {
        return Ok(());
    }
    let mut entries = Vec::new();
    for vlan in vlans {
        entries.extend(entries_of(vlan)?);
    }
    let doing = || format!("{verb} VLANs {} of link with index {link}", Ranges(vlans));
    let change = |own: bool| -> Result<_> {
        let mut message = by_index(link)?;
        message.header.interface_family = AddressFamily::Bridge;
        let mut details: Vec<AfSpecBridge> = entries.iter().copied().map(AfSpecBridge::VlanInfo).collect();
        if own {
            // BRIDGE_FLAGS_SELF: the link itself, not the bridge that it is a port of.
            details.insert(0, AfSpecBridge::Flags(BridgeFlag::LowerDev));
        }
        message.attributes.push(LinkAttribute::AfSpecBridge(details));
        namespace.rtnetlink(|connection| connection.act(wrap(message), 0))
    };
    // Most links are ports. One that is not is refused before anything happens, and is a bridge then.
    match change(false)? {
        Err(fault) if fault.errno == libc::EOPNOTSUPP => change(true)?.map_err(|fault| fault.during(doing())),
        other => other.map_err(|fault| fault.during(doing())),
    }
}

/// VLANs of a port, or of a bridge itself, by ID, ranges joined.
pub fn list_vlans(namespace: &Netns, link: u32) -> Result<Vec<PortVlan>> {
    by_index(link)?;
    // The kernel lists the VLANs of all ports or of none.
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::BrvlanCompressed]));
    let answers = namespace
        .rtnetlink(|connection| connection.dump(&RouteNetlinkMessage::GetLink(message)))?
        .map_err(|fault| fault.during(format_args!("list VLANs of link with index {link}")))?;
    let mut vlans = Vec::new();
    for answer in answers {
        let RouteNetlinkMessage::NewLink(message) = answer else { continue };
        if message.header.index != link {
            continue;
        }
        let entries = message.attributes.iter().filter_map(|attribute| match attribute {
            LinkAttribute::AfSpecBridge(details) => Some(details),
            _ => None,
        });
        vlans.extend(join(entries.flatten().filter_map(|detail| match detail {
            AfSpecBridge::VlanInfo(entry) => Some(*entry),
            _ => None,
        })));
    }
    vlans.sort_by_key(|vlan| vlan.first);
    vlans.dedup();
    Ok(vlans)
}

/// How the kernel wants one membership written: one entry, or begin and end of a range.
fn entries_of(vlan: &PortVlan) -> Result<Vec<BridgeVlanInfo>> {
    let PortVlan { first, last, pvid, untagged } = *vlan;
    let fault = if first < 1 || last > 4094 {
        "VLAN IDs go from 1 to 4094"
    } else if first > last {
        "the range ends before it begins"
    } else if pvid && first != last {
        "untagged frames can belong to one VLAN only"
    } else {
        let mut flags = BridgeVlanInfoFlags::empty();
        flags.set(BridgeVlanInfoFlags::Pvid, pvid);
        flags.set(BridgeVlanInfoFlags::Untagged, untagged);
        return Ok(if first == last {
            vec![BridgeVlanInfo { flags, vid: first }]
        } else {
            vec![
                BridgeVlanInfo { flags: flags | BridgeVlanInfoFlags::RangeBegin, vid: first },
                BridgeVlanInfo { flags: flags | BridgeVlanInfoFlags::RangeEnd, vid: last },
            ]
        });
    };
    Err(Error::new(ErrorKind::Invalid, format!("VLANs {first} to {last}: {fault}")))
}

/// Memberships from entries as the kernel lists them.
pub(crate) fn join(entries: impl Iterator<Item = BridgeVlanInfo>) -> Vec<PortVlan> {
    let mut vlans = Vec::new();
    let mut begin = None;
    for entry in entries {
        if entry.flags.contains(BridgeVlanInfoFlags::RangeBegin) {
            begin = Some(entry.vid);
            continue;
        }
        let first = if entry.flags.contains(BridgeVlanInfoFlags::RangeEnd) { begin.take() } else { None };
        vlans.push(PortVlan {
            first: first.unwrap_or(entry.vid),
            last: entry.vid,
            pvid: entry.flags.contains(BridgeVlanInfoFlags::Pvid),
            untagged: entry.flags.contains(BridgeVlanInfoFlags::Untagged),
        });
    }
    vlans
}

fn details(message: &LinkMessage) -> &[LinkInfo] {
    message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::LinkInfo(details) => Some(details.as_slice()),
            _ => None,
        })
        .unwrap_or_default()
}

/// VLANs as people write them.
struct Ranges<'a>(&'a [PortVlan]);

impl std::fmt::Display for Ranges<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, vlan) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            if vlan.first == vlan.last {
                write!(f, "{comma}{}", vlan.first)?;
            } else {
                write!(f, "{comma}{}-{}", vlan.first, vlan.last)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;

    #[test]
    fn ranges_survive_the_way_to_the_kernel_and_back() {
        let vlans = [
            PortVlan { first: 1, last: 1, pvid: true, untagged: true },
            PortVlan { first: 10, last: 20, pvid: false, untagged: false },
            PortVlan { first: 4094, last: 4094, pvid: false, untagged: false },
        ];
        let entries: Vec<_> = vlans.iter().flat_map(|vlan| entries_of(vlan).unwrap()).collect();
        assert_eq!(entries.len(), 4);
        assert_eq!(join(entries.into_iter()), vlans);
    }

    #[test]
    fn impossible_vlans_are_refused() {
        for (first, last, pvid) in [(0, 1, false), (1, 4095, false), (5, 4, false), (5, 6, true)] {
            let vlan = PortVlan { first, last, pvid, untagged: false };
            assert_eq!(entries_of(&vlan).unwrap_err().kind, ErrorKind::Invalid, "{vlan:?}");
        }
    }
}
