//! Where a link belongs: the link that controls it, and its namespace.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkAttribute;

use super::{LinkChanges, Wanted, by_index, change, find, find_by_index, info};
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// Make a link a port of a bridge or a slave of a VRF in the same namespace, or release it.
pub fn set_controller(namespace: &Netns, index: u32, controller: Option<u32>) -> Result<()> {
    let mut message = by_index(index)?;
    if let Some(controller) = controller {
        by_index(controller)?;
    }
    message.attributes.push(LinkAttribute::Controller(controller.unwrap_or(0)));
    namespace.rtnetlink(|connection| connection.act(RouteNetlinkMessage::SetLink(message), 0))?.map_err(|fault| {
        fault.during(match controller {
            Some(controller) => format!("put link with index {index} under the link with index {controller}"),
            None => format!("release link with index {index} from the link that controls it"),
        })
    })
}

/// Take a link to another namespace and apply changes on the way, so that it appears there under its new name; returns
/// its index there. It arrives down unless the changes say otherwise. After a failure it is where it was, down.
/// `AlreadyExists` where the name is taken there.
pub fn move_to(namespace: &Netns, index: u32, target: &Netns, changes: &LinkChanges) -> Result<u32> {
    let mut message = change(index, changes)?;
    if target.is_same(namespace) {
        super::update(namespace, index, changes)?;
        return Ok(index);
    }
    let before = info(namespace, index)?;
    let name = changes.name.as_ref().unwrap_or(&before.name);
    let doing = || format!("move link {} to another namespace ({})", before.name, Wanted(changes));
    // The kernel would move it first, and then find out.
    if find(target, name)?.is_some() {
        let message = format!("{}: a link {name} exists there already", doing());
        return Err(Error::new(ErrorKind::AlreadyExists, message));
    }
    message.attributes.push(LinkAttribute::NetNsFd(target.descriptor()));
    let moved = namespace.rtnetlink(|connection| connection.act(RouteNetlinkMessage::SetLink(message), 0))?;
    let Err(fault) = moved else {
        // In its new namespace it has another index where its own was taken.
        return match find(target, name)? {
            Some(there) => Ok(there.index),
            None => Err(Error::new(ErrorKind::NotFound, format!("{}: somebody took it away from there", doing()))),
        };
    };
    let mut error = fault.during(doing());
    // The kernel moves first and changes then: what refused a change has moved already.
    if find_by_index(namespace, index)?.is_none() {
        let there = match find(target, name)? {
            Some(there) => Some(there),
            None => find(target, &before.name)?,
        };
        let back = LinkChanges {
            up: changes.up.map(|_| false),
            name: Some(before.name.clone()),
            mtu: changes.mtu.map(|_| before.mtu),
            mac: changes.mac.as_ref().map(|_| before.mac.clone()),
            promiscuous: None,
            all_multicast: None,
            tx_queue_length: changes.tx_queue_length.map(|_| before.tx_queue_length),
            alias: changes.alias.as_ref().map(|_| before.alias.clone().unwrap_or_default()),
        };
        let returned = there.map(|there| return_to(target, there.index, namespace, &back));
        if let Some(Err(second)) = returned {
            error.message.push_str(&format!("; and it could not be taken back: {second}"));
        }
    }
    Err(error)
}

fn return_to(from: &Netns, index: u32, home: &Netns, changes: &LinkChanges) -> Result<()> {
    let mut message = change(index, changes)?;
    message.attributes.push(LinkAttribute::NetNsFd(home.descriptor()));
    from.rtnetlink(|connection| connection.act(RouteNetlinkMessage::SetLink(message), 0))?
        .map_err(|fault| fault.during(format_args!("move link with index {index} back")))
}
