//! IP addresses of links.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

pub use crate::announce::announce;
use crate::link::{by_index, wait_until};
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

/// An address to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NewAddress {
    /// Address (host bits kept) and prefix length.
    pub network: IpNet,
    /// Skip duplicate address detection (IPv6).
    pub no_dad: bool,
    /// Do not add the route to the prefix.
    pub no_prefix_route: bool,
}

/// An address that a link has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkAddress {
    /// Address (host bits kept) and prefix length.
    pub network: IpNet,
    /// Scope as in rtnetlink(7): 0 global, 253 link, 254 host.
    pub scope: u8,
    /// Duplicate address detection is under way (IPv6).
    pub tentative: bool,
    /// Duplicate address detection found another owner (IPv6).
    pub dad_failed: bool,
}

/// Addresses of a link, both families.
pub fn list(namespace: &Netns, link: u32) -> Result<Vec<LinkAddress>> {
    Ok(messages_of(namespace, link, AddressFamily::Unspec)?.iter().filter_map(describe).collect())
}

/// Add addresses, in order. `AlreadyExists` where the link has one already; those before it stay.
///
/// IPv4 addresses get the broadcast address of their prefix where it has one (RFC 3021: not /31 and /32).
pub fn add(namespace: &Netns, link: u32, addresses: &[NewAddress]) -> Result<()> {
    by_index(link)?;
    for address in addresses {
        let mut message = message_for(link, &address.network);
        let mut flags = AddressFlags::empty();
        flags.set(AddressFlags::Nodad, address.no_dad);
        flags.set(AddressFlags::Noprefixroute, address.no_prefix_route);
        if !flags.is_empty() {
            message.attributes.push(AddressAttribute::Flags(flags));
        }
        if let IpNet::V4(network) = address.network {
            if network.prefix_len() < 31 {
                message.attributes.push(AddressAttribute::Broadcast(network.broadcast()));
            }
            if network.addr().is_loopback() {
                message.header.scope = AddressScope::Host;
            }
        }
        // One by one: what follows a refused address must not be added.
        namespace
            .rtnetlink(|connection| {
                connection.act(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
            })?
            .map_err(|fault| fault.during(format_args!("add address {} to link with index {link}", address.network)))?;
    }
    Ok(())
}

/// Remove addresses. One that is not there is no failure.
pub fn remove(namespace: &Netns, link: u32, addresses: &[IpNet]) -> Result<()> {
    by_index(link)?;
    let requests = addresses.iter().map(|network| RouteNetlinkMessage::DelAddress(message_for(link, network)));
    let requests = requests.collect();
    let refused = namespace
        .rtnetlink(|connection| connection.act_all(requests, 0))?
        .map_err(|fault| fault.during(format_args!("remove addresses of link with index {link}")))?;
    for (place, fault) in refused {
        // No such address, or no such link any more.
        if fault.errno != libc::EADDRNOTAVAIL && fault.errno != libc::ENODEV {
            let network = addresses.get(place).map(IpNet::to_string).unwrap_or_default();
            return Err(fault.during(format_args!("remove address {network} of link with index {link}")));
        }
    }
    Ok(())
}

/// Wait until no address of the link is tentative. False: not within the time.
/// `AlreadyExists` where detection found another owner.
pub fn wait_settled(namespace: &Netns, link: u32, timeout: Duration) -> Result<bool> {
    wait_until(timeout, || {
        // IPv4 addresses are never tentative.
        let messages = messages_of(namespace, link, AddressFamily::Inet6)?;
        let addresses: Vec<_> = messages.iter().filter_map(describe).collect();
        if let Some(address) = addresses.iter().find(|address| address.dad_failed) {
            let message = format!(
                "address {} of link with index {link} has another owner on the network; choose a different one",
                address.network.addr()
            );
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        Ok(!addresses.iter().any(|address| address.tentative))
    })
}

/// What the kernel has on one link only; it filters.
pub(crate) fn messages_of(namespace: &Netns, link: u32, family: AddressFamily) -> Result<Vec<AddressMessage>> {
    by_index(link)?;
    let mut message = AddressMessage::default();
    message.header.family = family;
    message.header.index = link;
    let answers = namespace
        .rtnetlink(|connection| connection.dump(&RouteNetlinkMessage::GetAddress(message)))?
        .map_err(|fault| fault.during(format_args!("list addresses of link with index {link}")))?;
    Ok(answers
        .into_iter()
        .filter_map(|answer| match answer {
            RouteNetlinkMessage::NewAddress(message) if message.header.index == link => Some(message),
            _ => None,
        })
        .collect())
}

fn message_for(link: u32, network: &IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match network {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    };
    message.header.index = link;
    message.header.prefix_len = network.prefix_len();
    message.attributes.push(AddressAttribute::Local(network.addr()));
    message.attributes.push(AddressAttribute::Address(network.addr()));
    message
}

/// Read what the kernel says of an address; none where it is not of IP.
pub(crate) fn describe(message: &AddressMessage) -> Option<LinkAddress> {
    let mut local = None;
    let mut address = None;
    // The header has room for the older half of the flags only.
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(found) => local = Some(*found),
            AddressAttribute::Address(found) => address = Some(*found),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    // On a point-to-point link IFA_ADDRESS is the other side.
    let network = IpNet::new(local.or(address)?, message.header.prefix_len).ok()?;
    Some(LinkAddress {
        network,
        scope: message.header.scope.into(),
        tentative: flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Dadfailed),
        dad_failed: flags.contains(AddressFlags::Dadfailed),
    })
}

/// Which of the addresses of a link the kernel speaks as when it asks its neighbours for `target`: the first primary
/// one that has it in its prefix.
pub(crate) fn speaks_for(messages: &[AddressMessage], target: Ipv4Addr) -> Option<IpAddr> {
    messages
        .iter()
        .filter(|message| !message.header.flags.contains(AddressHeaderFlags::Secondary))
        .filter_map(describe)
        .find(|address| address.scope <= 253 && address.network.contains(&IpAddr::V4(target)))
        .map(|address| address.network.addr())
}
