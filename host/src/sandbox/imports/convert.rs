//! The contract's words for addresses, and Rust's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use weir_native::family::IpFamily as NativeFamily;
use weir_native::{Error, ErrorKind, Result};

use crate::sandbox::bindings::cni::types::{Attachment, IpAddress, IpFamily, IpNetwork};

pub(super) fn address(address: IpAddress) -> IpAddr {
    match address {
        IpAddress::Ipv4(bits) => Ipv4Addr::from_bits(bits).into(),
        IpAddress::Ipv6((high, low)) => Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into(),
    }
}

pub(super) fn address_out(address: IpAddr) -> IpAddress {
    match address {
        IpAddr::V4(v4) => IpAddress::Ipv4(v4.to_bits()),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            IpAddress::Ipv6(((bits >> 64) as u64, bits as u64))
        }
    }
}

pub(super) fn network(network: IpNetwork) -> Result<IpNet> {
    let address = address(network.address);
    IpNet::new(address, network.prefix_length).map_err(|_| {
        Error::new(ErrorKind::Invalid, format!("{address}/{} is no prefix: too long", network.prefix_length))
    })
}

pub(super) fn network_out(network: IpNet) -> IpNetwork {
    IpNetwork { address: address_out(network.addr()), prefix_length: network.prefix_len() }
}

pub(super) fn family(family: IpFamily) -> NativeFamily {
    match family {
        IpFamily::Ipv4 => NativeFamily::Ipv4,
        IpFamily::Ipv6 => NativeFamily::Ipv6,
    }
}

pub(super) fn family_out(family: NativeFamily) -> IpFamily {
    match family {
        NativeFamily::Ipv4 => IpFamily::Ipv4,
        NativeFamily::Ipv6 => IpFamily::Ipv6,
    }
}

pub(super) fn attachment(attachment: Attachment) -> weir_native::attachment::Attachment {
    weir_native::attachment::Attachment::new(attachment.container_id, attachment.interface_name)
}

pub(super) fn attachment_out(attachment: weir_native::attachment::Attachment) -> Attachment {
    Attachment { container_id: attachment.container_id, interface_name: attachment.interface_name }
}

/// Convert each, or name the first that does not.
pub(super) fn all<A, B>(items: Vec<A>, one: impl Fn(A) -> Result<B>) -> Result<Vec<B>> {
    items.into_iter().map(one).collect()
}
