//! Tell the neighbours on a link who owns an address: gratuitous ARP and unsolicited neighbour advertisements.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::address::{messages_of, speaks_for};
use crate::link::{LinkInfo, info};
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result, sysctl};

/// ETH_P_ARP.
const ARP: u16 = 0x0806;
/// Neighbour advertisement, RFC 4861, 4.4.
const ADVERTISEMENT: u8 = 136;
/// "Take the place of what you know": the override flag.
const OVERRIDE: u8 = 0x20;
/// "I am a router".
const ROUTER: u8 = 0x80;
/// Option: target link-layer address.
const TARGET_ADDRESS: u8 = 2;
/// Neighbour discovery holds for one link only; a receiver checks that no router forwarded it.
const HOP_LIMIT: i32 = 255;

/// Tell the neighbours who owns these addresses: gratuitous ARP (RFC 5227), unsolicited neighbour advertisement
/// (RFC 4861, 7.2.6).
pub fn announce(namespace: &Netns, link: u32, addresses: &[IpAddr]) -> Result<()> {
    if addresses.is_empty() {
        return Ok(());
    }
    let link = info(namespace, link)?;
    if !link.up {
        let message = format!("announce addresses on link {}: the link is down; set it up first", link.name);
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let mut own = None;
    let mut router = None;
    for address in addresses {
        match address {
            IpAddr::V4(address) => {
                let own = match &mut own {
                    Some(own) => own,
                    empty => empty.insert(messages_of(namespace, link.index, AddressFamily::Inet)?),
                };
                if speaks_for(own, *address) == Some(IpAddr::V4(*address)) {
                    let asked = ask_for_own(namespace, link.index, *address)?;
                    asked.map_err(|fault| fault.during(format_args!("announce {address} on link {}", link.name)))
                } else {
                    in_namespace(namespace, &link, *address, || send_arp(&link, *address))
                }
            }
            IpAddr::V6(address) => {
                let router = match router {
                    Some(router) => router,
                    None => *router.insert(forwards(namespace, &link)),
                };
                in_namespace(namespace, &link, *address, || send_advertisement(&link, *address, router))
            }
        }?;
    }
    Ok(())
}

fn in_namespace(
    namespace: &Netns,
    link: &LinkInfo,
    address: impl std::fmt::Display,
    send: impl FnOnce() -> io::Result<()>,
) -> Result<()> {
    namespace.enter(send)?.map_err(|error| Error::io(format_args!("announce {address} on link {}", link.name), &error))
}

/// Have the kernel ask the link who has our own address: an ARP request in which sender and target are the same, which
/// is what an announcement is. Then forget the question.
///
/// A packet socket would do the same, but closing one waits for all processors: up to 16 ms.
fn ask_for_own(namespace: &Netns, link: u32, address: Ipv4Addr) -> Result<crate::rtnetlink::Outcome<()>> {
    let mut ask = NeighbourMessage::default();
    ask.header.family = AddressFamily::Inet;
    ask.header.ifindex = link;
    ask.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::Inet(address)));
    let forget = ask.clone();
    ask.header.flags = NeighbourFlags::Use;
    namespace.rtnetlink(|connection| {
        connection.act(RouteNetlinkMessage::NewNeighbour(ask), NLM_F_CREATE)?;
        match connection.act(RouteNetlinkMessage::DelNeighbour(forget), 0) {
            // Links without ARP keep no such entry.
            Err(fault) if fault.errno != libc::ENOENT => Err(fault),
            _ => Ok(()),
        }
    })
}

/// Send an ARP announcement of an address that the kernel would not speak as.
fn send_arp(link: &LinkInfo, address: Ipv4Addr) -> io::Result<()> {
    let mac = ethernet(link)?;
    let mut packet = Vec::with_capacity(28);
    // Ethernet, IPv4, address lengths, request.
    packet.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    packet.extend(mac);
    packet.extend(address.octets());
    packet.extend([0; 6]);
    packet.extend(address.octets());

    let socket = open(libc::AF_PACKET, libc::SOCK_DGRAM, 0)?;
    let target = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ARP.to_be(),
        sll_ifindex: link.index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
    };
    send_to(&socket, &packet, &target)
}

/// Send an unsolicited neighbour advertisement to all nodes of the link.
fn send_advertisement(link: &LinkInfo, address: Ipv6Addr, router: bool) -> io::Result<()> {
    let mac = ethernet(link)?;
    let mut packet = Vec::with_capacity(32);
    // The kernel fills in the checksum.
    packet.extend([ADVERTISEMENT, 0, 0, 0, if router { OVERRIDE | ROUTER } else { OVERRIDE }, 0, 0, 0]);
    packet.extend(address.octets());
    packet.extend([TARGET_ADDRESS, 1]);
    packet.extend(mac);

    let socket = open(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6)?;
    let hops = HOP_LIMIT.to_ne_bytes();
    // SAFETY: the option takes an int; pointer and length describe `hops`, which lives through the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            libc::IPV6_MULTICAST_HOPS,
            hops.as_ptr().cast(),
            hops.len() as libc::socklen_t,
        )
    };
    if set < 0 {
        return Err(io::Error::last_os_error());
    }
    let target = libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as u16,
        sin6_port: 0,
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).octets() },
        sin6_scope_id: link.index,
    };
    send_to(&socket, &packet, &target)
}

/// Whether the link forwards IPv6. An advertisement that denies this makes hosts drop us as their router.
fn forwards(namespace: &Netns, link: &LinkInfo) -> bool {
    let key = format!("net/ipv6/conf/{}/forwarding", link.name);
    sysctl::get(namespace, &key).is_ok_and(|value| value != "0")
}

fn ethernet(link: &LinkInfo) -> io::Result<[u8; 6]> {
    link.mac.as_slice().try_into().map_err(|_| io::Error::from_raw_os_error(libc::EAFNOSUPPORT))
}

fn open(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: socket(2) takes no pointers.
    let descriptor = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Send a packet to a socket address of the kind that the socket's family has.
fn send_to<A>(socket: &OwnedFd, packet: &[u8], target: &A) -> io::Result<()> {
    // SAFETY: both pointers come with the length of what they point to, and live through the call.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            0,
            std::ptr::from_ref(target).cast(),
            size_of::<A>() as libc::socklen_t,
        )
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
