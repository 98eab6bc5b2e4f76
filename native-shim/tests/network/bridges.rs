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
        test("a_bridge_keeps_its_hardware_address_where_asked_to", keep_mac),
        test("a_bridge_without_ports_is_deleted_and_others_stay", unused),
        test("a_bridge_is_not_deleted_under_a_port_that_comes", unused_race),
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
    let options = BridgeOptions { mtu: Some(1400), ..BridgeOptions::default() };
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

fn keep_mac(namespace: &Netns) {
    let kept = bridge::create(namespace, "br0", &BridgeOptions { keep_mac: true, ..BridgeOptions::default() }).unwrap();
    let other =
        bridge::create(namespace, "br1", &BridgeOptions { keep_mac: true, ..BridgeOptions::default() }).unwrap();
    let follows = plain(namespace, "br2");
    let mac = |index: u32| link::info(namespace, index).unwrap().mac;
    let (before, free) = (mac(kept), mac(follows));
    assert_eq!(before[0] & 3, 2, "local, and of one station: {before:?}");
    assert_ne!(before, mac(other));
    for (bridge, name, peer) in [(kept, "port0", "peer0"), (follows, "port1", "peer1")] {
        let port = veth(namespace, name, peer);
        let lowest = link::LinkChanges { mac: Some(vec![2, 0, 0, 0, 0, bridge as u8]), ..Default::default() };
        link::update(namespace, port, &lowest).unwrap();
        bridge::attach(namespace, bridge, port, &PortOptions::default()).unwrap();
    }
    assert_eq!(mac(kept), before);
    assert_ne!(mac(follows), free);
}

fn unused(namespace: &Netns) {
    let bridge = plain(namespace, "br0");
    let port = veth(namespace, "port0", "peer0");
    bridge::attach(namespace, bridge, port, &PortOptions::default()).unwrap();
    assert!(!bridge::delete_unused(namespace, bridge).unwrap());
    assert!(link::find(namespace, "br0").unwrap().is_some());
    link::delete(namespace, port).unwrap();
    assert!(bridge::delete_unused(namespace, bridge).unwrap());
    assert_eq!(link::find(namespace, "br0").unwrap(), None);
    assert_eq!(bridge::delete_unused(namespace, bridge).unwrap_err().kind, ErrorKind::NotFound);
    let link = veth(namespace, "eth0", "eth1");
    assert_eq!(bridge::delete_unused(namespace, link).unwrap_err().kind, ErrorKind::Invalid);
    assert!(link::find(namespace, "eth0").unwrap().is_some());
}

/// A bridge that is attached to is never deleted, whoever comes first.
fn unused_race(namespace: &Netns) {
    for round in 0..60 {
        let bridge = plain(namespace, "br0");
        let port = veth(namespace, "port0", "peer0");
        // Each with a handle of its own, as two commands have.
        let own = || namespace.enter(Netns::current).unwrap().unwrap();
        let (attacher, deleter) = (own(), own());
        let (attached, deleted) = std::thread::scope(|scope| {
            let attached = scope.spawn(|| bridge::attach(&attacher, bridge, port, &PortOptions::default()).is_ok());
            let deleted = scope.spawn(|| bridge::delete_unused(&deleter, bridge).unwrap());
            (attached.join().unwrap(), deleted.join().unwrap())
        });
        assert_ne!(attached, deleted, "round {round}");
        assert_eq!(link::info(namespace, port).unwrap().controller, attached.then_some(bridge), "round {round}");
        link::delete(namespace, port).unwrap();
        if attached {
            link::delete(namespace, bridge).unwrap();
        }
    }
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
    let options = BridgeOptions { vlan_filtering: true, ..BridgeOptions::default() };
    let other = bridge::create(namespace, "br1", &options).unwrap();
    assert!(bridge::vlan_filtering(namespace, other).unwrap());
}

fn vlans(namespace: &Netns) {
    let options = BridgeOptions { vlan_filtering: true, ..BridgeOptions::default() };
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
