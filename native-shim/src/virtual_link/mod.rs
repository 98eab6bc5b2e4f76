//! Links that are made rather than plugged in: macvlan, ipvlan, vlan, dummy, ifb, vrf, tap.

mod tap;
mod types;

use netlink_packet_core::Nla;
use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, InfoTun, InfoVlan, InfoVrf, IpVlanMode as KernelIpvlanMode,
    LinkAttribute, LinkInfo as Detail, LinkMessage, MacVlanMode as KernelMacvlanMode,
};

pub use tap::open_queue;
pub use types::{IpvlanMode, LinkKind, LinkOptions, MacvlanMode, MacvlanOptions, TapOptions};

use crate::link::{self, Common, LinkChanges, Lower, message_of};
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// IFLA_TUN_OWNER.
const TUN_OWNER: u16 = 1;
/// IFLA_TUN_GROUP.
const TUN_GROUP: u16 = 2;
/// IFLA_TUN_TYPE.
const TUN_TYPE: u16 = 3;
/// IFLA_TUN_MULTI_QUEUE.
const TUN_MULTI_QUEUE: u16 = 7;
/// Highest VLAN ID; 4095 is reserved.
const LAST_VLAN: u16 = 4094;

/// Make a link in `namespace`, under its final name, also where the link that it stands on is elsewhere; returns its
/// index. Nothing is left after a failure. `AlreadyExists` where the name is taken, `Unsupported` where the kernel does
/// not have this kind.
pub fn create(
    namespace: &Netns,
    name: &str,
    kind: &LinkKind,
    options: &LinkOptions,
    lower: Option<Lower<'_>>,
) -> Result<u32> {
    let refuse = |why: &str| Err(Error::new(ErrorKind::Invalid, format!("create link {name}: {why}")));
    let stands_on_another = matches!(kind, LinkKind::Macvlan(_) | LinkKind::Ipvlan(_) | LinkKind::Vlan(_));
    match lower {
        None if stands_on_another => return refuse("this kind needs a link below it"),
        Some(_) if !stands_on_another => return refuse("this kind has no link below it"),
        _ => {}
    }
    let (kind, data) = match kind {
        LinkKind::Macvlan(options) => {
            let mut data = vec![InfoMacVlan::Mode(macvlan_mode(options.mode))];
            data.extend(options.broadcast_queue_length.map(InfoMacVlan::BcQueueLen));
            (InfoKind::MacVlan, Some(InfoData::MacVlan(data)))
        }
        LinkKind::Ipvlan(mode) => {
            (InfoKind::IpVlan, Some(InfoData::IpVlan(vec![InfoIpVlan::Mode(ipvlan_mode(*mode))])))
        }
        LinkKind::Vlan(id) if *id > LAST_VLAN => return refuse("VLAN IDs go from 0 to 4094"),
        LinkKind::Vlan(id) => (InfoKind::Vlan, Some(InfoData::Vlan(vec![InfoVlan::Id(*id)]))),
        LinkKind::Dummy => (InfoKind::Dummy, None),
        LinkKind::Ifb => (InfoKind::Ifb, None),
        LinkKind::Vrf(0) => return refuse("0 is no routing table"),
        LinkKind::Vrf(table) => (InfoKind::Vrf, Some(InfoData::Vrf(vec![InfoVrf::TableId(*table)]))),
        LinkKind::Tap(tap) => return tap::create(namespace, name, tap, options),
    };
    let common = Common { mac: options.mac.as_deref(), mtu: options.mtu, up: options.up };
    let index = link::create(namespace, name, kind, data, common, lower)?;
    if let Some(alias) = &options.alias {
        // The kernel takes no alias while it makes a link.
        let changes = LinkChanges { alias: Some(alias.clone()), ..LinkChanges::default() };
        if let Err(error) = link::update(namespace, index, &changes) {
            return Err(undone(namespace, index, error));
        }
    }
    Ok(index)
}

/// Take away again what could not be completed.
fn undone(namespace: &Netns, index: u32, mut error: Error) -> Error {
    match link::delete(namespace, index) {
        Err(second) if second.kind != ErrorKind::NotFound => {
            error.message.push_str(&format!("; and what was made could not be taken away: {second}"));
        }
        _ => {}
    }
    error
}

/// The kind of a link with its options as the kernel has them; none for other kinds.
pub fn describe(namespace: &Netns, index: u32) -> Result<Option<LinkKind>> {
    Ok(kind_of(&message_of(namespace, index)?))
}

/// Read the kind of a link from what the kernel says of it.
pub(crate) fn kind_of(message: &LinkMessage) -> Option<LinkKind> {
    let details = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(details) => Some(details.as_slice()),
        _ => None,
    });
    let details = details.unwrap_or_default();
    let data = details.iter().find_map(|detail| match detail {
        Detail::Data(data) => Some(data),
        _ => None,
    });
    let kind = details.iter().find_map(|detail| match detail {
        Detail::Kind(kind) => Some(kind),
        _ => None,
    });
    match (kind, data) {
        (Some(InfoKind::Dummy), _) => Some(LinkKind::Dummy),
        (Some(InfoKind::Ifb), _) => Some(LinkKind::Ifb),
        (Some(InfoKind::MacVlan), Some(InfoData::MacVlan(data))) => macvlan(data).map(LinkKind::Macvlan),
        (Some(InfoKind::IpVlan), Some(InfoData::IpVlan(data))) => ipvlan(data).map(LinkKind::Ipvlan),
        (Some(InfoKind::Vlan), Some(InfoData::Vlan(data))) => data.iter().find_map(|part| match part {
            InfoVlan::Id(id) => Some(LinkKind::Vlan(*id)),
            _ => None,
        }),
        (Some(InfoKind::Vrf), Some(InfoData::Vrf(data))) => data.iter().find_map(|part| match part {
            InfoVrf::TableId(table) => Some(LinkKind::Vrf(*table)),
            _ => None,
        }),
        (Some(InfoKind::Tun), Some(InfoData::Tun(data))) => tap_of(data).map(LinkKind::Tap),
        _ => None,
    }
}

fn macvlan(data: &[InfoMacVlan]) -> Option<MacvlanOptions> {
    let mode = data.iter().find_map(|part| match part {
        InfoMacVlan::Mode(mode) => Some(match mode {
            KernelMacvlanMode::Bridge => MacvlanMode::Bridge,
            KernelMacvlanMode::Private => MacvlanMode::Private,
            KernelMacvlanMode::Vepa => MacvlanMode::Vepa,
            KernelMacvlanMode::Passthrough => MacvlanMode::Passthru,
            KernelMacvlanMode::Source => MacvlanMode::Source,
            _ => return None,
        }),
        _ => None,
    })?;
    let broadcast_queue_length = data.iter().find_map(|part| match part {
        InfoMacVlan::BcQueueLen(length) => Some(*length),
        _ => None,
    });
    Some(MacvlanOptions { mode, broadcast_queue_length })
}

fn macvlan_mode(mode: MacvlanMode) -> KernelMacvlanMode {
    match mode {
        MacvlanMode::Bridge => KernelMacvlanMode::Bridge,
        MacvlanMode::Private => KernelMacvlanMode::Private,
        MacvlanMode::Vepa => KernelMacvlanMode::Vepa,
        MacvlanMode::Passthru => KernelMacvlanMode::Passthrough,
        MacvlanMode::Source => KernelMacvlanMode::Source,
    }
}

fn ipvlan(data: &[InfoIpVlan]) -> Option<IpvlanMode> {
    data.iter().find_map(|part| match part {
        InfoIpVlan::Mode(KernelIpvlanMode::L2) => Some(IpvlanMode::L2),
        InfoIpVlan::Mode(KernelIpvlanMode::L3) => Some(IpvlanMode::L3),
        InfoIpVlan::Mode(KernelIpvlanMode::L3S) => Some(IpvlanMode::L3s),
        _ => None,
    })
}

fn ipvlan_mode(mode: IpvlanMode) -> KernelIpvlanMode {
    match mode {
        IpvlanMode::L2 => KernelIpvlanMode::L2,
        IpvlanMode::L3 => KernelIpvlanMode::L3,
        IpvlanMode::L3s => KernelIpvlanMode::L3S,
    }
}

fn tap_of(data: &[InfoTun]) -> Option<TapOptions> {
    let mut is_tap = false;
    let mut tap = TapOptions::default();
    for part in data {
        let mut value = vec![0; part.value_len()];
        part.emit_value(&mut value);
        let number = || value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes));
        match part.kind() {
            TUN_OWNER => tap.owner = number(),
            TUN_GROUP => tap.group = number(),
            TUN_TYPE => is_tap = value.first().is_some_and(|kind| libc::c_int::from(*kind) == libc::IFF_TAP),
            TUN_MULTI_QUEUE => tap.multi_queue = value.first().is_some_and(|on| *on != 0),
            _ => {}
        }
    }
    is_tap.then_some(tap)
}
