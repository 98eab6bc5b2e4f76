//! What reads foreign bytes, for the fuzz targets in `tests/fuzz`. No part of the interface.

use std::path::Path;

use netlink_packet_core::NLMSG_ERROR;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{AfSpecBridge, LinkAttribute, LinkMessage};

use crate::conntrack::{self, FlowFilter};
use crate::family::IpFamily;
use crate::netfilter::{self, Content};
use crate::traffic_control::token_bucket;
use crate::{
    address, bridge, environment_file, firewalld, iptables, link, neighbor, nftables, resolver, route, rtnetlink, rule,
    virtual_link,
};

/// A datagram of rtnetlink: replies, refusals, objects of every kind.
pub fn route_datagram(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some((header, payload, next)) = rtnetlink::split(rest) {
        rest = next;
        if header.kind == NLMSG_ERROR {
            let _ = rtnetlink::refusal(header.flags, payload);
        } else if let Ok(message) = rtnetlink::decode(header.kind, payload) {
            route_message(&message);
        }
    }
}

fn route_message(message: &RouteNetlinkMessage) {
    match message {
        RouteNetlinkMessage::NewLink(message) => link_message(message),
        RouteNetlinkMessage::NewAddress(message) => {
            let _ = address::describe(message);
            let _ = address::speaks_for(std::slice::from_ref(message), std::net::Ipv4Addr::LOCALHOST);
        }
        RouteNetlinkMessage::NewRoute(message) => {
            drop(route::describe(message));
        }
        RouteNetlinkMessage::NewRule(message) => {
            for family in [IpFamily::Ipv4, IpFamily::Ipv6] {
                drop(rule::describe(family, message));
            }
        }
        RouteNetlinkMessage::NewNeighbour(message) => drop(neighbor::describe(message)),
        RouteNetlinkMessage::NewQueueDiscipline(message) => drop(token_bucket::read(message)),
        _ => {}
    }
}

fn link_message(message: &LinkMessage) {
    drop(link::describe(message));
    let _ = virtual_link::kind_of(message);
    let vlans = message.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::AfSpecBridge(details) => Some(details),
        _ => None,
    });
    drop(bridge::join(vlans.flatten().filter_map(|detail| match detail {
        AfSpecBridge::VlanInfo(entry) => Some(*entry),
        _ => None,
    })));
}

/// A datagram of nfnetlink: answers of nf_tables and of connection tracking.
pub fn netfilter_datagram(bytes: &[u8]) {
    let filter = FlowFilter { family: IpFamily::Ipv4, protocol: 6, destination_port: 80 };
    for message in netfilter::received(bytes) {
        match message.content {
            Content::Object(attributes) => {
                nftables::fuzzing::answer(attributes);
                let _ = conntrack::matches(&filter, attributes);
                drop(conntrack::deletion(2, attributes));
            }
            Content::Refused(refusal) => drop(refusal.error("fuzz", "")),
            Content::Acknowledged | Content::Done(_) => {}
        }
    }
}

/// What a D-Bus daemon sends.
pub fn bus_message(bytes: &[u8]) {
    firewalld::fuzzing::message(bytes);
}

/// Texts that are read: iptables-save, resolv.conf(5), files of assignments.
pub fn text(text: &str) {
    iptables::fuzzing::saved(text);
    drop(resolver::parse(text));
    text.lines().for_each(|line| drop(environment_file::assignment(line)));
    drop(resolver::load(Path::new("")));
}
