//! Whether two links are the ends of one veth pair. Interface indexes alone do not tell: every namespace counts for
//! itself.

use std::os::fd::RawFd;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkAttribute;
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};

use super::{describe, find_by_index, message_of};
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// Whether a link and a link of another namespace are the two ends of one veth pair.
pub fn is_veth_pair(namespace: &Netns, index: u32, other: &Netns, other_index: u32) -> Result<bool> {
    let message = message_of(namespace, index)?;
    let link = describe(&message);
    if link.kind.as_deref() != Some("veth") || link.lower != Some(other_index) {
        return Ok(false);
    }
    // The number by which this namespace knows the one that the other end is in; none: the same one.
    let leads_to = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::LinkNetNsId(id) => Some(*id),
        _ => None,
    });
    let is_there = match leads_to {
        Some(id) => id >= 0 && number_of(namespace, other.descriptor())? == id,
        None => namespace.is_same(other),
    };
    let far = find_by_index(other, other_index)?;
    Ok(is_there && far.is_some_and(|far| far.kind.as_deref() == Some("veth") && far.lower == Some(index)))
}

/// The number by which a namespace knows another; -1 where it has none.
fn number_of(namespace: &Netns, other: RawFd) -> Result<i32> {
    let invalid = |_| Error::new(ErrorKind::Invalid, "a file descriptor is never negative");
    let mut message = NsidMessage::default();
    message.attributes.push(NsidAttribute::Fd(u32::try_from(other).map_err(invalid)?));
    let answer = namespace
        .rtnetlink(|connection| connection.get(RouteNetlinkMessage::GetNsId(message)))?
        .map_err(|fault| fault.during("ask for the number of a network namespace"))?;
    let RouteNetlinkMessage::NewNsId(answer) = answer else { return Ok(-1) };
    let id = answer.attributes.iter().find_map(|attribute| match attribute {
        NsidAttribute::Id(id) => Some(*id),
        _ => None,
    });
    Ok(id.unwrap_or(-1))
}
