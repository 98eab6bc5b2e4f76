//! What the tests have prepared, as the attacker sees it.

use weir_sdk::bindings::exports::weir::cni::plugin::CniError;
use weir_sdk::bindings::weir::cni::links::{self, Link, LinkChanges, VethEnd};
use weir_sdk::bindings::weir::cni::namespaces::Netns;
use weir_sdk::bindings::weir::cni::types::{IpAddress, IpNetwork};
use weir_sdk::bindings::weir::cni::{container_namespace, host_namespace};

use crate::call::{Call, prepared};

/// The host's own link, and the way out.
pub const UPLINK: &str = "uplink";
/// The bridge of another network.
pub const BRIDGE: &str = "cni0";
/// A link in the attacker's container that another network made.
pub const SIDE: &str = "side0";
/// The gateway beyond the uplink: 192.0.2.2.
pub const GATEWAY: IpAddress = v4(192, 0, 2, 2);
/// The container of another network.
pub const VICTIM: IpAddress = v4(10, 88, 0, 2);

/// An IPv4 address.
pub const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddress {
    IpAddress::Ipv4(u32::from_be_bytes([a, b, c, d]))
}

/// An address with a prefix length.
pub const fn network(address: IpAddress, prefix_length: u8) -> IpNetwork {
    IpNetwork { address, prefix_length }
}

/// No change of a link.
pub const SAME: LinkChanges = LinkChanges {
    up: None,
    name: None,
    mtu: None,
    mac: None,
    promiscuous: None,
    all_multicast: None,
    tx_queue_length: None,
    alias: None,
};

/// An end that the host names.
pub const END: VethEnd = VethEnd { name: None, mac: None, mtu: None };

pub fn container() -> Result<Netns, CniError> {
    container_namespace::open().ok_or(CniError { code: 199, msg: "no container".into(), details: String::new() })
}

pub fn host() -> Result<Netns, CniError> {
    prepared("the host's namespace", host_namespace::open())
}

/// A link by its name.
pub fn link(namespace: &Netns, name: &str) -> Result<Link, CniError> {
    let found = prepared(&format!("find {name}"), links::find(namespace, name))?;
    found.ok_or(CniError { code: 199, msg: format!("no link {name}"), details: String::new() })
}

/// The uplink of the host.
pub fn uplink() -> Result<Link, CniError> {
    link(&host()?, UPLINK)
}

/// The host's end of the link of another network's container.
pub fn victims_link(call: &Call) -> Result<Link, CniError> {
    link(&host()?, call.text("victimLink"))
}

/// The link that this attachment may make: eth0 in the container, and its other end.
pub fn own_pair(call: &Call) -> Result<(Link, Link), CniError> {
    let end = VethEnd { name: Some(call.interface.clone()), ..END };
    prepared("an own link", links::create_veth(&container()?, &end, &host()?, &END))
}
