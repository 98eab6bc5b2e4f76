//! Neighbours: which hardware address an IP address has (ARP, NDP). See ip-neighbour(8).

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::Result;
use crate::link::{by_index, checked_mac, mac_text};
use crate::netns::Netns;

/// An entry of the neighbour table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbor {
    /// Index of the link that the neighbour is on.
    pub link: u32,
    /// Its IP address.
    pub address: IpAddr,
    /// Its hardware address; empty where it is not known, or for a proxy entry.
    pub mac: Vec<u8>,
    /// The entry never expires (NUD_PERMANENT). An entry that is not permanent is added as reachable.
    pub permanent: bool,
    /// Answer for this address on the link (NTF_PROXY).
    pub proxy: bool,
}

/// Add an entry, or take the place of one for the same address.
pub fn add(namespace: &Netns, entry: &Neighbor) -> Result<()> {
    let mut message = message_for(entry.link, entry.address)?;
    if entry.proxy {
        message.header.flags = NeighbourFlags::Proxy;
    } else {
        let mac = checked_mac(&entry.mac)?;
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac));
        message.header.state = if entry.permanent { NeighbourState::Permanent } else { NeighbourState::Reachable };
    }
    namespace
        .rtnetlink(|connection| {
            connection.act(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE)
        })?
        .map_err(|fault| {
            let what = if entry.proxy { "proxy entry".to_owned() } else { mac_text(&entry.mac) };
            let Neighbor { link, address, .. } = entry;
            fault.during(format_args!("add neighbour {address} ({what}) on link with index {link}"))
        })
}

/// Remove the entry for an address, a proxy entry too. One that is not there is no failure.
pub fn remove(namespace: &Netns, link: u32, address: IpAddr) -> Result<()> {
    let entry = message_for(link, address)?;
    let mut proxy = entry.clone();
    proxy.header.flags = NeighbourFlags::Proxy;
    let doing = || format!("remove neighbour {address} on link with index {link}");
    let requests = [entry, proxy].map(RouteNetlinkMessage::DelNeighbour).to_vec();
    let refused =
        namespace.rtnetlink(|connection| connection.act_all(requests, 0))?.map_err(|fault| fault.during(doing()))?;
    match refused.into_iter().find(|(_, fault)| !matches!(fault.errno, libc::ENOENT | libc::ENODEV | libc::ENXIO)) {
        Some((_, fault)) => Err(fault.during(doing())),
        None => Ok(()),
    }
}

/// List the entries of a link, proxy entries last; none: of all links.
pub fn list(namespace: &Netns, link: Option<u32>) -> Result<Vec<Neighbor>> {
    let mut found = Vec::new();
    for flags in [NeighbourFlags::empty(), NeighbourFlags::Proxy] {
        let mut message = NeighbourMessage::default();
        message.header.flags = flags;
        if flags.is_empty() {
            // The kernel filters ordinary entries only.
            message.attributes.extend(link.map(NeighbourAttribute::IfIndex));
        }
        let answers = namespace
            .rtnetlink(|connection| connection.dump(&RouteNetlinkMessage::GetNeighbour(message)))?
            .map_err(|fault| fault.during("list neighbours"))?;
        found.extend(answers.iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewNeighbour(message) => describe(message),
            _ => None,
        }));
    }
    found.retain(|entry| link.is_none_or(|link| link == entry.link));
    Ok(found)
}

fn message_for(link: u32, address: IpAddr) -> Result<NeighbourMessage> {
    by_index(link)?;
    let mut message = NeighbourMessage::default();
    message.header.ifindex = link;
    let (family, address) = match address {
        IpAddr::V4(address) => (AddressFamily::Inet, NeighbourAddress::Inet(address)),
        IpAddr::V6(address) => (AddressFamily::Inet6, NeighbourAddress::Inet6(address)),
    };
    message.header.family = family;
    message.attributes.push(NeighbourAttribute::Destination(address));
    Ok(message)
}

/// Read an entry; none where it is not of IP.
pub(crate) fn describe(message: &NeighbourMessage) -> Option<Neighbor> {
    let mut address = None;
    let mut mac = Vec::new();
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(found)) => address = Some(IpAddr::V4(*found)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(found)) => address = Some(IpAddr::V6(*found)),
            NeighbourAttribute::LinkLayerAddress(found) => mac.clone_from(found),
            _ => {}
        }
    }
    Some(Neighbor {
        link: message.header.ifindex,
        address: address?,
        mac,
        permanent: message.header.state == NeighbourState::Permanent,
        proxy: message.header.flags.contains(NeighbourFlags::Proxy),
    })
}
