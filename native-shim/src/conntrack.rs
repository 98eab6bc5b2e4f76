//! Connection tracking: forget connections, so that new rules hold for them too.

use crate::family::IpFamily;
use crate::netfilter::attributes::{Attributes, Reader};
use crate::netfilter::{Refusal, Request, flags, with_channel};
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result};

const SUBSYSTEM: u16 = 1;
const GET: u16 = SUBSYSTEM << 8 | 1;
const DELETE: u16 = SUBSYSTEM << 8 | 2;

const TUPLE_ORIGINAL: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const PROTOCOL_DESTINATION_PORT: u16 = 3;
const ID: u16 = 12;
const ZONE: u16 = 18;

/// Which connections to forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowFilter {
    /// Address family.
    pub family: IpFamily,
    /// Transport protocol number: 6 TCP, 17 UDP, 132 SCTP.
    pub protocol: u8,
    /// Destination port in the original direction.
    pub destination_port: u16,
}

/// Forget all connections that match any of the filters. Returns how many there were. A kernel without connection
/// tracking has none to forget.
pub fn flush(namespace: &Netns, filters: &[FlowFilter]) -> Result<u32> {
    let mut forgotten = 0;
    for family in [IpFamily::Ipv4, IpFamily::Ipv6] {
        let filters: Vec<_> = filters.iter().filter(|filter| filter.family == family).collect();
        if !filters.is_empty() {
            forgotten += flush_family(namespace, family, &filters)?;
        }
    }
    Ok(forgotten)
}

fn flush_family(namespace: &Netns, family: IpFamily, filters: &[&FlowFilter]) -> Result<u32> {
    let number = match family {
        IpFamily::Ipv4 => libc::AF_INET,
        IpFamily::Ipv6 => libc::AF_INET6,
    };
    let number = u8::try_from(number).unwrap_or_default();
    with_channel(namespace, |channel| {
        let flows = match channel.list(&Request::new(GET, 0, number, Attributes::new()))? {
            Ok(flows) => flows,
            Err(refusal) if is_missing(&refusal) => return Ok(0),
            Err(refusal) => return Err(refused("list connections", &refusal)),
        };
        let deletions: Vec<_> = flows
            .iter()
            .filter(|flow| filters.iter().any(|filter| matches(filter, flow)))
            .filter_map(|flow| deletion(number, flow))
            .collect();
        let mut forgotten = 0;
        for answer in channel.ask(&deletions)? {
            match answer {
                Ok(_) => forgotten += 1,
                // It ended by itself meanwhile.
                Err(refusal) if refusal.errno == libc::ENOENT => {}
                Err(refusal) => return Err(refused("forget a connection", &refusal)),
            }
        }
        Ok(forgotten)
    })
}

/// netfilter says `EINVAL` to messages of a subsystem that it does not have.
fn is_missing(refusal: &Refusal) -> bool {
    matches!(refusal.errno, libc::EINVAL | libc::ENOENT | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT)
}

fn refused(doing: &str, refusal: &Refusal) -> Error {
    if refusal.errno == libc::EPERM {
        let message = format!("conntrack: {doing}: permission denied: this needs CAP_NET_ADMIN");
        return Error::new(ErrorKind::Denied, message);
    }
    refusal.error(&format!("conntrack: {doing}"), "")
}

pub(crate) fn matches(filter: &FlowFilter, flow: &[u8]) -> bool {
    let protocol = Reader::find(flow, TUPLE_ORIGINAL).and_then(|tuple| Reader::find(tuple, TUPLE_PROTOCOL));
    protocol.is_some_and(|protocol| {
        Reader::find(protocol, PROTOCOL_NUMBER) == Some(&[filter.protocol])
            && Reader::find(protocol, PROTOCOL_DESTINATION_PORT) == Some(&filter.destination_port.to_be_bytes())
    })
}

/// Delete exactly this connection: the identifier keeps from hitting another that took its place.
pub(crate) fn deletion(family: u8, flow: &[u8]) -> Option<Request> {
    const NESTED: u16 = 0x8000;
    let mut attributes = Attributes::new();
    attributes.bytes(TUPLE_ORIGINAL | NESTED, Reader::find(flow, TUPLE_ORIGINAL)?);
    for kind in [ID, ZONE] {
        if let Some(value) = Reader::find(flow, kind) {
            attributes.bytes(kind, value);
        }
    }
    Some(Request::new(DELETE, flags::ACK, family, attributes))
}
