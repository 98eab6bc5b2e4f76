//! Links (network interfaces): find, create, change, delete. See rtnetlink(7).

mod create;
mod peer;
mod place;
mod types;

use std::time::{Duration, Instant};

use netlink_packet_core::DefaultNla;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo as Detail, LinkMessage, State};

pub(crate) use create::{Common, Lower, create};
pub use create::{create_veth, random_mac, random_veth_name};
pub use peer::is_veth_pair;
pub use place::{move_to, set_controller};
pub use types::{CreatedLink, LinkChanges, LinkInfo, OperationalState, VethEnd};

use crate::background::Background;
use crate::netns::Netns;
use crate::rtnetlink::Fault;
use crate::{Error, ErrorKind, Result, watchdog};

/// Longest name that a link can have (IFNAMSIZ without the end mark); alternative names may be longer.
const LONGEST_NAME: usize = 15;
/// IFLA_IFALIAS.
const ALIAS: u16 = 20;
/// IFLA_ALT_IFNAME.
const ALTERNATIVE_NAME: u16 = 53;
/// Longest pause between two looks at a link that is waited for.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Find a link by name; alternative names count.
pub fn find(namespace: &Netns, name: &str) -> Result<Option<LinkInfo>> {
    // The kernel would end the name at the NUL.
    if name.is_empty() || name.contains('\0') {
        return Ok(None);
    }
    let mut message = LinkMessage::default();
    message.attributes.push(if name.len() <= LONGEST_NAME {
        LinkAttribute::IfName(name.to_owned())
    } else {
        let mut value = name.as_bytes().to_vec();
        value.push(0);
        LinkAttribute::Other(DefaultNla::new(ALTERNATIVE_NAME, value))
    });
    absent_is_none(get(namespace, message)?, || format!("find link {name}"))
}

/// Find a link by interface index.
pub fn find_by_index(namespace: &Netns, index: u32) -> Result<Option<LinkInfo>> {
    absent_is_none(get(namespace, by_index(index)?)?, || format!("find link with index {index}"))
}

/// What the kernel says of a link now. `NotFound` where it is gone.
pub fn info(namespace: &Netns, index: u32) -> Result<LinkInfo> {
    message_of(namespace, index).map(|message| describe(&message))
}

/// All links of a namespace.
pub fn list(namespace: &Netns) -> Result<Vec<LinkInfo>> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let answers = namespace
        .rtnetlink(|connection| connection.dump(&RouteNetlinkMessage::GetLink(message)))?
        .map_err(|fault| fault.during("list links"))?;
    Ok(answers
        .iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(message) => Some(describe(message)),
            _ => None,
        })
        .collect())
}

/// Apply changes, in one request. The kernel makes them one by one; after a failure those before it stay.
pub fn update(namespace: &Netns, index: u32, changes: &LinkChanges) -> Result<()> {
    let message = change(index, changes)?;
    if message.attributes.is_empty() && message.header.change_mask.is_empty() {
        return Ok(());
    }
    namespace
        .rtnetlink(|connection| connection.act(RouteNetlinkMessage::SetLink(message), 0))?
        .map_err(|fault| fault.during(format_args!("change link with index {index} ({})", Wanted(changes))))
}

/// A message that asks for changes.
fn change(index: u32, changes: &LinkChanges) -> Result<LinkMessage> {
    let mut message = by_index(index)?;
    for (wanted, flag) in [
        (changes.up, LinkFlags::Up),
        (changes.promiscuous, LinkFlags::Promisc),
        (changes.all_multicast, LinkFlags::Allmulti),
    ] {
        if let Some(on) = wanted {
            message.header.change_mask |= flag;
            message.header.flags.set(flag, on);
        }
    }
    let attributes = &mut message.attributes;
    if let Some(name) = &changes.name {
        check_name(name)?;
        attributes.push(LinkAttribute::IfName(name.clone()));
    }
    if let Some(mac) = &changes.mac {
        attributes.push(LinkAttribute::Address(checked_mac(mac)?));
    }
    attributes.extend(changes.mtu.map(LinkAttribute::Mtu));
    attributes.extend(changes.tx_queue_length.map(LinkAttribute::TxQueueLen));
    if let Some(alias) = &changes.alias {
        // Without an end mark: the kernel takes an attribute of length zero as "none".
        attributes.push(LinkAttribute::Other(DefaultNla::new(ALIAS, alias.as_bytes().to_vec())));
    }
    Ok(message)
}

/// Delete a link. `NotFound` where it is gone.
pub fn delete(namespace: &Netns, index: u32) -> Result<()> {
    let message = by_index(index)?;
    namespace
        .rtnetlink(|connection| connection.act(RouteNetlinkMessage::DelLink(message), 0))?
        .map_err(|fault| fault.during(format_args!("delete link with index {index}")))
}

/// Delete a link and come back as soon as it is gone from its namespace, without the 10 to 30 ms that the kernel takes
/// to clean up behind it: a child process waits for these, and for what closing the namespace's netfilter socket makes
/// it wait for. None where there was nothing to wait for. `NotFound` where the link is gone.
pub fn delete_at_once(namespace: &Netns, index: u32) -> Result<Option<Background>> {
    let message = by_index(index)?;
    message_of(namespace, index)?;
    let others = namespace.netfilter_descriptor();
    let sent = namespace.rtnetlink(|connection| {
        connection.act_in_background(RouteNetlinkMessage::DelLink(message), others.as_slice())
    })?;
    if let Ok(Some(background)) = sent {
        let mut child_is_over = false;
        let gone = wait_until(namespace.timeout(), || {
            // In this order: what a child that is over has not deleted, it will not.
            child_is_over = background.is_over();
            Ok(find_by_index(namespace, index)?.is_none() || child_is_over)
        })?;
        if gone && (!child_is_over || find_by_index(namespace, index)?.is_none()) {
            return Ok(Some(background).filter(|_| !child_is_over));
        }
    }
    // No child could be had, or the kernel refused: ask again, for the reason.
    delete(namespace, index).map(|()| None)
}

/// Wait until the operational state is up, or unknown with carrier. False: not within the time.
pub fn wait_operational(namespace: &Netns, index: u32, timeout: Duration) -> Result<bool> {
    wait_until(timeout, || {
        let link = info(namespace, index)?;
        Ok(match link.operational_state {
            OperationalState::Up => true,
            OperationalState::Unknown => link.carrier,
            _ => false,
        })
    })
}

/// Look again and again, at first often, until the time is over.
pub(crate) fn wait_until(timeout: Duration, mut settled: impl FnMut() -> Result<bool>) -> Result<bool> {
    let (start, timeout) = (Instant::now(), watchdog::within(timeout));
    // What the kernel does in the background is often done within a fraction of a millisecond.
    let mut pause = Duration::from_micros(50);
    loop {
        if settled()? {
            return Ok(true);
        }
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(false);
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// A message about the link with this index.
pub(crate) fn by_index(index: u32) -> Result<LinkMessage> {
    // Index 0 would mean "by name", or "any" in a dump.
    if index == 0 {
        return Err(Error::new(ErrorKind::Invalid, "0 is no interface index"));
    }
    let mut message = LinkMessage::default();
    message.header.index = index;
    Ok(message)
}

/// All that the kernel says of a link, for what `LinkInfo` does not hold.
pub(crate) fn message_of(namespace: &Netns, index: u32) -> Result<LinkMessage> {
    get(namespace, by_index(index)?)?.map_err(|fault| fault.during(format_args!("look at link with index {index}")))
}

fn get(namespace: &Netns, mut message: LinkMessage) -> Result<std::result::Result<LinkMessage, Fault>> {
    // Counters are half of the answer, and slow to gather.
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    namespace.rtnetlink(|connection| match connection.get(RouteNetlinkMessage::GetLink(message))? {
        RouteNetlinkMessage::NewLink(message) => Ok(message),
        _ => Err(Fault { errno: libc::EPROTO, explanation: "the answer is not about a link".to_owned() }),
    })
}

fn absent_is_none(
    answer: std::result::Result<LinkMessage, Fault>,
    doing: impl FnOnce() -> String,
) -> Result<Option<LinkInfo>> {
    match answer {
        Ok(message) => Ok(Some(describe(&message))),
        Err(fault) if fault.errno == libc::ENODEV => Ok(None),
        Err(fault) => Err(fault.during(doing())),
    }
}

/// Read what the kernel says of a link.
pub(crate) fn describe(message: &LinkMessage) -> LinkInfo {
    let flags = message.header.flags;
    let mut link = LinkInfo {
        index: message.header.index,
        loopback: flags.contains(LinkFlags::Loopback),
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        promiscuous: flags.contains(LinkFlags::Promisc),
        all_multicast: flags.contains(LinkFlags::Allmulti),
        ..LinkInfo::default()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(mac) => link.mac.clone_from(mac),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::OperState(state) => link.operational_state = operational_state(*state),
            LinkAttribute::Controller(index) => link.controller = Some(*index).filter(|index| *index != 0),
            LinkAttribute::Link(index) => link.lower = Some(*index).filter(|index| *index != 0),
            LinkAttribute::TxQueueLen(length) => link.tx_queue_length = *length,
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias.clone()).filter(|alias| !alias.is_empty()),
            LinkAttribute::LinkInfo(details) => {
                link.kind = details.iter().find_map(|detail| match detail {
                    Detail::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    link
}

fn operational_state(state: State) -> OperationalState {
    match state {
        State::NotPresent => OperationalState::NotPresent,
        State::Down => OperationalState::Down,
        State::LowerLayerDown => OperationalState::LowerLayerDown,
        State::Testing => OperationalState::Testing,
        State::Dormant => OperationalState::Dormant,
        State::Up => OperationalState::Up,
        _ => OperationalState::Unknown,
    }
}

/// Refuse what the kernel would refuse, or worse, understand otherwise: it fills in `%d`, and stops at a NUL.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let fault = if name.is_empty() {
        "is empty"
    } else if name.len() > LONGEST_NAME {
        "is longer than 15 bytes"
    } else if name == "." || name == ".." {
        "is a directory"
    } else if name.contains(|c: char| c == '/' || c == ':' || c == '%' || c.is_control() || c.is_whitespace()) {
        "contains a slash, colon, percent sign, white space or a control character"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Invalid, format!("link name {name:?} {fault}")))
}

/// A hardware address that can be sent to the kernel.
pub(crate) fn checked_mac(mac: &[u8]) -> Result<Vec<u8>> {
    // MAX_ADDR_LEN of linux/netdevice.h. Which length is right depends on the link; the kernel knows.
    if mac.is_empty() || mac.len() > 32 {
        let message = format!("a hardware address has 1 to 32 bytes, usually 6, not {}", mac.len());
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(mac.to_vec())
}

/// Says what was to be changed.
struct Wanted<'a>(&'a LinkChanges);

impl std::fmt::Display for Wanted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let LinkChanges { up, name, mtu, mac, promiscuous, all_multicast, tx_queue_length, alias } = self.0;
        let mut parts = Vec::new();
        parts.extend(up.map(|on| if on { "up".to_owned() } else { "down".to_owned() }));
        parts.extend(name.as_ref().map(|name| format!("name {name}")));
        parts.extend(mtu.map(|mtu| format!("mtu {mtu}")));
        parts.extend(mac.as_ref().map(|mac| format!("address {}", mac_text(mac))));
        parts.extend(promiscuous.map(|on| format!("promiscuous {on}")));
        parts.extend(all_multicast.map(|on| format!("all-multicast {on}")));
        parts.extend(tx_queue_length.map(|length| format!("transmit queue {length}")));
        parts.extend(alias.as_ref().map(|alias| format!("alias {alias:?}")));
        f.write_str(&parts.join(", "))
    }
}

/// A hardware address as people write it.
pub(crate) fn mac_text(mac: &[u8]) -> String {
    mac.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}
