//! Make links of any kind, also across namespaces.

use std::hash::{BuildHasher, Hasher, RandomState};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo as Detail, LinkMessage,
};

use super::{CreatedLink, VethEnd, check_name, checked_mac, find};
use crate::netns::Netns;
use crate::rtnetlink::{Fault, Outcome};
use crate::{Error, ErrorKind, Result};

/// How many random names are tried.
const NAME_TRIES: u32 = 10;

/// How often a number is tried that may be taken.
const INDEX_TRIES: u32 = 4;
/// Indices that are given by lot start here, far above those that the kernel counts up.
const FIRST_INDEX: u32 = 1 << 20;
/// They end before this.
const INDEX_END: u32 = 1 << 30;

/// What every kind of link can be given when it is made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Common<'a> {
    /// Hardware address; none: the kernel chooses.
    pub(crate) mac: Option<&'a [u8]>,
    /// MTU in bytes; none: the kernel's default.
    pub(crate) mtu: Option<u32>,
    /// Set it up.
    pub(crate) up: bool,
}

/// The link that another one stands on, and where it is.
pub(crate) type Lower<'a> = (&'a Netns, u32);

/// Make a link of a kind; returns its index. `AlreadyExists` where the name is taken.
pub(crate) fn create(
    namespace: &Netns,
    name: &str,
    kind: InfoKind,
    data: Option<InfoData>,
    common: Common<'_>,
    lower: Option<Lower<'_>>,
) -> Result<u32> {
    let mut message = begin(name, common.mac, common.mtu)?;
    if common.up {
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
    }
    let doing = format!("create {kind} {name}");
    let mut details = vec![Detail::Kind(kind)];
    details.extend(data.map(Detail::Data));
    message.attributes.push(LinkAttribute::LinkInfo(details));
    if let Some((place, index)) = lower {
        message.attributes.push(LinkAttribute::Link(index));
        if !place.is_same(namespace) {
            return create_across(namespace, name, message, place, &doing);
        }
    }
    let echo = request(namespace, message)?.map_err(|fault| fault.during(&doing))?;
    match echo {
        Some(made) => Ok(made.header.index),
        None => Ok(find(namespace, name)?.ok_or_else(|| vanished(&doing))?.index),
    }
}

/// Make a link in one namespace on a link of another. Those asked are the lower link's, because its index counts there.
///
/// Before Linux 6.15 the kernel looks there for the name, too: whoever wants an eth0 in a container, on a host that has
/// one, would be refused. Given an index it looks for that instead, so the link gets one by lot.
fn create_across(namespace: &Netns, name: &str, mut message: LinkMessage, place: &Netns, doing: &str) -> Result<u32> {
    message.attributes.push(LinkAttribute::NetNsFd(namespace.descriptor()));
    let mut tries = 0;
    loop {
        tries += 1;
        message.header.index = FIRST_INDEX + random() % (INDEX_END - FIRST_INDEX);
        let made = place.rtnetlink(|connection| {
            connection.act(RouteNetlinkMessage::NewLink(message.clone()), NLM_F_CREATE | NLM_F_EXCL)
        })?;
        let fault = match made {
            Ok(()) => return Ok(message.header.index),
            Err(fault) => fault,
        };
        // Taken may be the name, the index, or what the kind wants for itself, such as a VLAN ID.
        if !matches!(fault.errno, libc::EEXIST | libc::EBUSY) || tries >= INDEX_TRIES {
            return Err(fault.during(doing));
        }
        if find(namespace, name)?.is_some() {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("{doing}: the name is taken")));
        }
    }
}

/// Make a veth pair, both ends down: the first in `container`, its peer in `host`, in one request.
/// `AlreadyExists` names the end whose name is taken.
pub fn create_veth(
    container: &Netns,
    container_end: &VethEnd,
    host: &Netns,
    host_end: &VethEnd,
) -> Result<(CreatedLink, CreatedLink)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let name = container_end.name.clone().unwrap_or_else(random_veth_name);
        let peer = host_end.name.clone().unwrap_or_else(random_veth_name);
        let doing = || format!("create veth pair {name} and {peer}");

        let mut message = begin(&name, container_end.mac.as_deref(), container_end.mtu)?;
        let mut other = begin(&peer, host_end.mac.as_deref(), host_end.mtu)?;
        if !host.is_same(container) {
            other.attributes.push(LinkAttribute::NetNsFd(host.descriptor()));
        }
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            Detail::Kind(InfoKind::Veth),
            Detail::Data(InfoData::Veth(InfoVeth::Peer(other))),
        ]));
        let fault = match request(container, message)? {
            Ok(echo) => {
                let (index, lower) = match echo.as_ref().and_then(pair) {
                    Some(indices) => indices,
                    None => {
                        let made = find(container, &name)?.ok_or_else(|| vanished(&doing()))?;
                        let lower = made.lower.ok_or_else(|| vanished(&doing()))?;
                        (made.index, lower)
                    }
                };
                return Ok((CreatedLink { index, name }, CreatedLink { index: lower, name: peer }));
            }
            Err(fault) => fault,
        };
        if fault.errno != libc::EEXIST {
            return Err(fault.during(doing()));
        }
        // The kernel does not tell which of the two names it stumbled over.
        let taken = match find(container, &name)? {
            Some(_) => Some(("container", &name, container_end)),
            None => find(host, &peer)?.map(|_| ("host", &peer, host_end)),
        };
        match taken {
            Some((place, name, end)) if end.name.is_some() => {
                let message = format!("{}: link {name} exists already in the {place} namespace", doing());
                return Err(Error::new(ErrorKind::AlreadyExists, message));
            }
            _ if tries >= NAME_TRIES => return Err(fault.during(doing())),
            _ => {}
        }
    }
}

/// A name that `create_veth` would choose: `veth` and eight random hexadecimal digits.
pub fn random_veth_name() -> String {
    format!("veth{:08x}", random())
}

/// A hardware address by lot: locally administered, of one station.
pub fn random_mac() -> [u8; 6] {
    let ([first, b, c, d], [e, f, ..]) = (random().to_ne_bytes(), random().to_ne_bytes());
    [first & 0xfc | 2, b, c, d, e, f]
}

fn random() -> u32 {
    // The keys of this hasher are random; its result is then as good as they are.
    RandomState::new().build_hasher().finish() as u32
}

fn begin(name: &str, mac: Option<&[u8]>, mtu: Option<u32>) -> Result<LinkMessage> {
    check_name(name)?;
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    if let Some(mac) = mac {
        message.attributes.push(LinkAttribute::Address(checked_mac(mac)?));
    }
    message.attributes.extend(mtu.map(LinkAttribute::Mtu));
    Ok(message)
}

/// Have a link made. Newer kernels send back what they made, which spares a question.
fn request(namespace: &Netns, message: LinkMessage) -> Result<Outcome<Option<LinkMessage>>> {
    namespace.rtnetlink(|connection| {
        let echo = connection.act_echo(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)?;
        Ok::<_, Fault>(match echo {
            Some(RouteNetlinkMessage::NewLink(made)) => Some(made),
            _ => None,
        })
    })
}

/// Indices of a veth end and of its peer.
fn pair(message: &LinkMessage) -> Option<(u32, u32)> {
    let lower = message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Link(index) if *index != 0 => Some(*index),
        _ => None,
    })?;
    Some((message.header.index, lower))
}

fn vanished(doing: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{doing}: the link was gone at once; somebody else deleted it"))
}
