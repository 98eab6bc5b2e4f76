//! Bridges, ports and VLANs.

use libtest_mimic::Trial;
use weir_native::bridge::{self, BridgeOptions, PortOptions, PortVlan};
use weir_native::link::{self, OperationalState};
use weir_native::netns::Netns;
use weir_native::{Error, ErrorKind};

use super::support::test;
use super::veth;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("a_bridge_is_made_once_as_asked_for", create),
        test("a_port_is_attached_with_its_options_and_comes_up", attach),
        test("attaching_to_what_is_no_bridge_is_refused_and_named", attach_refused),
        test("a_link_that_is_no_port_has_no_port_options", no_port),
        test("vlan_filtering_is_turned_on_and_off", filtering),
        test("vlans_of_ports_and_of_the_bridge_read_back", vlans),
    ]
}

fn plain(namespace: &Netns, name: &str) -> u32 {
    bridge::create(namespace, name, &BridgeOptions::default()).unwrap()
}

/// Whether the kernel refused for want of VLAN filtering; says so.
fn lacks_vlans(error: &Error, test: &str) -> bool {
    let lacks = error.kind == ErrorKind::Unsupported;
    if lacks {
        println!("skipped: {test}: this kernel has no bridge VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING)");
    }
    lacks
}

fn create(namespace: &Netns) {
    let options = BridgeOptions { mtu: Some(1400), vlan_filtering: false };
    let index = bridge::create(namespace, "br0", &options).unwrap();
    let info = link::info(namespace, index).unwrap();
    assert_eq!((info.name.as_str(), info.kind.as_deref(), info.mtu, info.up), ("br0", Some("bridge"), 1400, false));
    assert!(!bridge::vlan_filtering(namespace, index).unwrap());
    let error = bridge::create(namespace, "br0", &options).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    assert!(error.message.contains("br0"), "{error}");
}

fn attach(namespace: &Netns) {
    let bridge = plain(namespace, "br0");
    let port = veth(namespace, "port0", "peer0");
    for (hairpin, isolated) in [(false, false), (true, false), (false, true), (true, true), (false, false)] {
        let options = PortOptions { hairpin, isolated };
        bridge::attach(namespace, bridge, port, &options).unwrap();
        assert_eq!(bridge::port(namespace, port).unwrap(), Some(options));
    }
    let info = link::info(namespace, port).unwrap();
    assert!(info.up);
    assert_eq!(info.controller, Some(bridge));
    assert!(info.operational_state != OperationalState::Up, "the peer is down");
}

fn attach_refused(namespace: &Netns) {
    let port = veth(namespace, "port0", "peer0");
    let other = veth(namespace, "other0", "other1");
    let error = bridge::attach(namespace, other, port, &PortOptions::default()).unwrap_err();
    assert!(error.message.contains(&format!("link with index {port}")), "{error}");
    assert!(!link::info(namespace, port).unwrap().up, "nothing happened");
    assert_eq!(bridge::attach(namespace, 4711, port, &PortOptions::default()).unwrap_err().kind, ErrorKind::Invalid);
    let bridge = plain(namespace, "br0");
    assert_eq!(bridge::attach(namespace, bridge, 4711, &PortOptions::default()).unwrap_err().kind, ErrorKind::NotFound);
    // A bridge cannot be a port of a bridge.
    let inner = plain(namespace, "br1");
    assert!(bridge::attach(namespace, bridge, inner, &PortOptions::default()).is_err());
}

fn no_port(namespace: &Netns) {
    let index = veth(namespace, "eth0", "peer0");
    assert_eq!(bridge::port(namespace, index).unwrap(), None);
    assert_eq!(bridge::vlan_filtering(namespace, index).unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(bridge::port(namespace, 4711).unwrap_err().kind, ErrorKind::NotFound);
}

fn filtering(namespace: &Netns) {
    let index = plain(namespace, "br0");
    match bridge::set_vlan_filtering(namespace, index, true) {
        Err(error) if lacks_vlans(&error, "vlan_filtering_is_turned_on_and_off") => return,
        other => other.unwrap(),
    }
    assert!(bridge::vlan_filtering(namespace, index).unwrap());
    bridge::set_vlan_filtering(namespace, index, false).unwrap();
    assert!(!bridge::vlan_filtering(namespace, index).unwrap());
    let options = BridgeOptions { mtu: None, vlan_filtering: true };
    let other = bridge::create(namespace, "br1", &options).unwrap();
    assert!(bridge::vlan_filtering(namespace, other).unwrap());
}

fn vlans(namespace: &Netns) {
    let options = BridgeOptions { mtu: None, vlan_filtering: true };
    let bridge = match bridge::create(namespace, "br0", &options) {
        Err(error) if lacks_vlans(&error, "vlans_of_ports_and_of_the_bridge_read_back") => return,
        other => other.unwrap(),
    };
    let port = veth(namespace, "port0", "peer0");
    let other = veth(namespace, "port1", "peer1");
    for port in [port, other] {
        bridge::attach(namespace, bridge, port, &PortOptions::default()).unwrap();
    }
    let default = PortVlan { first: 1, last: 1, pvid: true, untagged: true };
    let access = PortVlan { first: 100, last: 100, pvid: true, untagged: true };
    let trunk = PortVlan { first: 200, last: 299, pvid: false, untagged: false };
    assert_eq!(bridge::list_vlans(namespace, port).unwrap(), [default]);

    bridge::add_vlans(namespace, port, &[access, trunk]).unwrap();
    bridge::remove_vlans(namespace, port, &[default]).unwrap();
    assert_eq!(bridge::list_vlans(namespace, port).unwrap(), [access, trunk]);
    assert_eq!(bridge::list_vlans(namespace, other).unwrap(), [default], "the other port is as it was");

    let part = PortVlan { first: 250, last: 260, pvid: false, untagged: false };
    bridge::remove_vlans(namespace, port, &[part]).unwrap();
    assert_eq!(
        bridge::list_vlans(namespace, port).unwrap(),
        [access, PortVlan { last: 249, ..trunk }, PortVlan { first: 261, ..trunk }]
    );

    let own = PortVlan { first: 100, last: 100, pvid: false, untagged: false };
    bridge::add_vlans(namespace, bridge, &[own]).unwrap();
    assert_eq!(bridge::list_vlans(namespace, bridge).unwrap(), [default, own]);
    bridge::remove_vlans(namespace, bridge, &[own]).unwrap();
    assert_eq!(bridge::list_vlans(namespace, bridge).unwrap(), [default]);
}
