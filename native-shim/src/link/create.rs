//! Make links of any kind, veth pairs across namespaces among them.

use std::hash::{BuildHasher, Hasher, RandomState};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo as Detail, LinkMessage,
};

use super::{CreatedLink, LinkKind, NewLink, VethEnd, check_name, checked_mac, find};
use crate::netns::Netns;
use crate::rtnetlink::{Fault, Outcome};
use crate::{Error, ErrorKind, Result};

/// How many random names are tried.
const NAME_TRIES: u32 = 10;

/// Make a link, down. `AlreadyExists` where the name is taken.
pub fn create(namespace: &Netns, link: &NewLink) -> Result<CreatedLink> {
    let mut message = begin(&link.name, link.mac.as_deref(), link.mtu)?;
    let details = match &link.kind {
        LinkKind::Bridge(options) => {
            let mut details = vec![Detail::Kind(InfoKind::Bridge)];
            // Only where asked for: a kernel without VLAN filtering refuses the word itself.
            if options.vlan_filtering {
                details.push(Detail::Data(InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)])));
            }
            details
        }
    };
    let kind = match &link.kind {
        LinkKind::Bridge(_) => "bridge",
    };
    message.attributes.push(LinkAttribute::LinkInfo(details));
    let doing = || format!("create {kind} {}", link.name);
    let echo = request(namespace, message)?.map_err(|fault| fault.during(doing()))?;
    let index = match echo {
        Some(made) => made.header.index,
        None => find(namespace, &link.name)?.ok_or_else(|| vanished(&doing()))?.index,
    };
    Ok(CreatedLink { index, name: link.name.clone() })
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
    // The keys of this hasher are random; its result is then as good as they are.
    format!("veth{:08x}", RandomState::new().build_hasher().finish() & 0xffff_ffff)
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
