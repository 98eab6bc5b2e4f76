//! Macvlan, ipvlan, vlan, dummy, ifb and vrf links, and links that change their controller or namespace.

use libtest_mimic::Trial;
use weir_native::ErrorKind;
use weir_native::bridge::{self, BridgeOptions};
use weir_native::link::{self, LinkChanges};
use weir_native::netns::Netns;
use weir_native::virtual_link::{self, IpvlanMode, LinkKind, LinkOptions, MacvlanMode, MacvlanOptions};

use super::support::{run, test};
use super::{up, veth};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("every_kind_is_made_as_asked_for_and_described", kinds),
        test("a_link_is_made_in_another_namespace_than_the_link_below_it", across),
        test("a_name_that_the_lower_links_namespace_has_is_no_hindrance", name_of_below),
        test("a_taken_name_is_refused_in_every_namespace", taken),
        test("a_vlan_id_is_given_once_per_lower_link", vlan_twice),
        test("impossible_links_are_refused_before_the_kernel_is_asked", impossible),
        test("nothing_is_left_where_the_kernel_refuses_an_option", refused_option),
        test("a_link_of_another_kind_is_described_as_none", other_kinds),
        test("a_link_is_put_under_a_controller_and_released", controller),
        test("a_moved_link_arrives_under_its_new_name_with_its_changes", moved),
        test("a_move_to_a_taken_name_changes_nothing", moved_to_taken_name),
        test("a_move_whose_change_is_refused_is_taken_back", moved_and_refused),
        test("a_move_within_a_namespace_is_a_change", moved_nowhere),
    ]
}

fn macvlan(mode: MacvlanMode) -> LinkKind {
    LinkKind::Macvlan(MacvlanOptions { mode, broadcast_queue_length: None })
}

/// Make it, or say that this kernel cannot.
fn make(
    test: &str,
    namespace: &Netns,
    name: &str,
    kind: &LinkKind,
    options: &LinkOptions,
    lower: Option<(&Netns, u32)>,
) -> Option<u32> {
    match virtual_link::create(namespace, name, kind, options, lower) {
        Ok(index) => Some(index),
        Err(error) if error.kind == ErrorKind::Unsupported => {
            println!("skipped: {test}, for {kind:?}: {error}");
            None
        }
        Err(error) => panic!("{kind:?}: {error}"),
    }
}

fn kinds(namespace: &Netns) {
    let lower = veth(namespace, "low", "far");
    // A VLAN link comes up only on one that is up.
    up(namespace, lower);
    let modes = [MacvlanMode::Bridge, MacvlanMode::Private, MacvlanMode::Vepa, MacvlanMode::Source];
    let mut wanted: Vec<LinkKind> = modes.into_iter().map(macvlan).collect();
    wanted.push(LinkKind::Macvlan(MacvlanOptions { mode: MacvlanMode::Bridge, broadcast_queue_length: Some(2000) }));
    wanted.extend([LinkKind::Vlan(0), LinkKind::Vlan(7), LinkKind::Vlan(4094)]);
    wanted.extend([LinkKind::Dummy, LinkKind::Ifb, LinkKind::Vrf(77)]);
    let own_mac = LinkOptions {
        mtu: Some(1400),
        mac: Some(vec![2, 0, 0, 0, 0, 9]),
        up: true,
        alias: Some("what for".to_owned()),
    };
    let stands = |kind: &LinkKind| matches!(kind, LinkKind::Macvlan(_) | LinkKind::Vlan(_) | LinkKind::Ipvlan(_));
    for kind in wanted {
        let below = stands(&kind).then_some((namespace, lower));
        let options =
            if kind == LinkKind::Vrf(77) { LinkOptions { mtu: None, ..own_mac.clone() } } else { own_mac.clone() };
        let Some(index) = make("every_kind", namespace, "it0", &kind, &options, below) else { continue };
        let info = link::info(namespace, index).unwrap();
        assert_eq!((info.name.as_str(), info.up, info.alias.as_deref()), ("it0", true, Some("what for")), "{kind:?}");
        assert_eq!(info.mac, [2, 0, 0, 0, 0, 9], "{kind:?}");
        assert!(options.mtu.is_none_or(|mtu| info.mtu == mtu), "{kind:?}: {}", info.mtu);
        assert_eq!(info.lower, below.map(|_| lower), "{kind:?}");
        let described = virtual_link::describe(namespace, index).unwrap();
        match (&kind, &described) {
            // The kernel says what queue it uses, asked for or not.
            (LinkKind::Macvlan(asked), Some(LinkKind::Macvlan(have))) => {
                assert_eq!(asked.mode, have.mode);
                assert!(asked.broadcast_queue_length.is_none_or(|length| have.broadcast_queue_length == Some(length)));
            }
            _ => assert_eq!(described.as_ref(), Some(&kind)),
        }
        link::delete(namespace, index).unwrap();
    }
    // These have the lower link for themselves, or its hardware address.
    let mut passthru_and_ipvlan = vec![macvlan(MacvlanMode::Passthru)];
    passthru_and_ipvlan.extend([IpvlanMode::L2, IpvlanMode::L3, IpvlanMode::L3s].map(LinkKind::Ipvlan));
    for kind in passthru_and_ipvlan {
        let options = LinkOptions { up: true, ..LinkOptions::default() };
        let Some(index) = make("every_kind", namespace, "it0", &kind, &options, Some((namespace, lower))) else {
            continue;
        };
        let info = link::info(namespace, index).unwrap();
        assert_eq!((info.up, info.mac), (true, link::info(namespace, lower).unwrap().mac), "{kind:?}");
        let described = virtual_link::describe(namespace, index).unwrap();
        match described {
            Some(LinkKind::Macvlan(have)) => assert_eq!(macvlan(have.mode), kind),
            other => assert_eq!(other, Some(kind)),
        }
        link::delete(namespace, index).unwrap();
    }
}

fn across(container: &Netns) {
    let host = Netns::create().unwrap();
    let lower = veth(&host, "low", "far");
    up(&host, lower);
    for kind in [macvlan(MacvlanMode::Bridge), LinkKind::Vlan(5), LinkKind::Ipvlan(IpvlanMode::L2)] {
        let options = LinkOptions { mtu: Some(1300), up: true, alias: Some("a".to_owned()), mac: None };
        let below = Some((&host, lower));
        let Some(index) = make("a_link_in_another_namespace", container, "eth0", &kind, &options, below) else {
            continue;
        };
        let info = link::info(container, index).unwrap();
        assert_eq!((info.name.as_str(), info.mtu, info.up, info.lower), ("eth0", 1300, true, Some(lower)), "{kind:?}");
        assert_eq!(link::find(container, "eth0").unwrap().map(|found| found.index), Some(index));
        assert_eq!(link::find(&host, "eth0").unwrap(), None, "{kind:?}");
        link::delete(container, index).unwrap();
    }
}

fn name_of_below(container: &Netns) {
    let host = Netns::create().unwrap();
    let lower = veth(&host, "eth0", "far");
    let kind = macvlan(MacvlanMode::Bridge);
    let below = Some((&host, lower));
    let Some(index) = make("a_name_of_below", container, "eth0", &kind, &LinkOptions::default(), below) else { return };
    assert_eq!(link::info(container, index).unwrap().name, "eth0");
    assert_eq!(link::info(&host, lower).unwrap().name, "eth0");
    assert_eq!(link::list(&host).unwrap().len(), 3, "lo, eth0, far");
}

fn taken(container: &Netns) {
    let host = Netns::create().unwrap();
    let lower = veth(&host, "low", "far");
    veth(container, "eth0", "peer0");
    let kind = macvlan(MacvlanMode::Bridge);
    for below in [(&host, lower), (container, link::find(container, "peer0").unwrap().unwrap().index)] {
        let error = virtual_link::create(container, "eth0", &kind, &LinkOptions::default(), Some(below)).unwrap_err();
        if error.kind == ErrorKind::Unsupported {
            println!("skipped: a_taken_name_is_refused: {error}");
            return;
        }
        assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
        assert!(error.message.contains("create macvlan eth0"), "{error}");
    }
    assert_eq!(link::list(container).unwrap().len(), 3);
}

fn vlan_twice(container: &Netns) {
    let host = Netns::create().unwrap();
    let lower = veth(&host, "low", "far");
    let below = Some((&host, lower));
    let kind = LinkKind::Vlan(100);
    let Some(_) = make("a_vlan_id_once", container, "one", &kind, &LinkOptions::default(), below) else { return };
    let error = virtual_link::create(container, "two", &kind, &LinkOptions::default(), below).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    assert!(error.message.contains("VLAN device already exists"), "{error}");
    assert_eq!(link::find(container, "two").unwrap(), None);
}

fn impossible(namespace: &Netns) {
    let lower = veth(namespace, "low", "far");
    let options = LinkOptions::default();
    for (kind, below) in [
        (LinkKind::Vlan(4095), Some((namespace, lower))),
        (LinkKind::Vlan(5), None),
        (macvlan(MacvlanMode::Bridge), None),
        (LinkKind::Ipvlan(IpvlanMode::L2), None),
        (LinkKind::Dummy, Some((namespace, lower))),
        (LinkKind::Vrf(0), None),
    ] {
        let error = virtual_link::create(namespace, "it0", &kind, &options, below).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{kind:?}: {error}");
    }
    for name in ["", "a/b", "eth%d", "sixteen-is-a-lot"] {
        let error = virtual_link::create(namespace, name, &LinkKind::Ifb, &options, None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{name:?}");
    }
    assert_eq!(link::list(namespace).unwrap().len(), 3);
}

fn refused_option(container: &Netns) {
    let host = Netns::create().unwrap();
    let lower = veth(&host, "low", "far");
    let kind = macvlan(MacvlanMode::Bridge);
    for options in [
        LinkOptions { mac: Some(vec![1; 6]), ..LinkOptions::default() },
        LinkOptions { mac: Some(Vec::new()), ..LinkOptions::default() },
        LinkOptions { mtu: Some(9_000_000), ..LinkOptions::default() },
        // Longer than an alias may be (IFALIASZ).
        LinkOptions { alias: Some("long ".repeat(100)), ..LinkOptions::default() },
    ] {
        let error = virtual_link::create(container, "eth0", &kind, &options, Some((&host, lower))).unwrap_err();
        assert!(error.kind != ErrorKind::AlreadyExists, "{error}");
        assert_eq!(link::list(container).unwrap().len(), 1, "{options:?}: {error}");
    }
    let error =
        virtual_link::create(container, "eth0", &kind, &LinkOptions::default(), Some((&host, 4711))).unwrap_err();
    assert_eq!(link::list(container).unwrap().len(), 1, "{error}");
}

fn other_kinds(namespace: &Netns) {
    let index = veth(namespace, "eth0", "peer0");
    let bridge = bridge::create(namespace, "br0", &BridgeOptions::default()).unwrap();
    for index in [1, index, bridge] {
        assert_eq!(virtual_link::describe(namespace, index).unwrap(), None);
    }
    assert_eq!(virtual_link::describe(namespace, 4711).unwrap_err().kind, ErrorKind::NotFound);
}

fn controller(namespace: &Netns) {
    let port = veth(namespace, "port0", "peer0");
    let other = veth(namespace, "other0", "other1");
    let bridge = bridge::create(namespace, "br0", &BridgeOptions::default()).unwrap();
    link::set_controller(namespace, port, Some(bridge)).unwrap();
    assert_eq!(link::info(namespace, port).unwrap().controller, Some(bridge));
    link::set_controller(namespace, port, None).unwrap();
    link::set_controller(namespace, port, None).unwrap();
    assert_eq!(link::info(namespace, port).unwrap().controller, None);
    let error = link::set_controller(namespace, port, Some(other)).unwrap_err();
    assert!(error.message.contains(&format!("under the link with index {other}")), "{error}");
    assert_eq!(link::set_controller(namespace, port, Some(0)).unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(link::set_controller(namespace, 4711, Some(bridge)).unwrap_err().kind, ErrorKind::NotFound);

    let options = LinkOptions { up: true, ..LinkOptions::default() };
    let Some(vrf) = make("a_controller", namespace, "blue", &LinkKind::Vrf(10), &options, None) else { return };
    link::set_controller(namespace, port, Some(vrf)).unwrap();
    assert_eq!(link::info(namespace, port).unwrap().controller, Some(vrf));
}

fn moved(namespace: &Netns) {
    let target = Netns::create().unwrap();
    let index = veth(namespace, "eth0", "peer0");
    // The target has a link of the old name, and one of the old index.
    for number in 0..4 {
        veth(&target, &format!("eth{number}"), &format!("far{number}"));
    }
    up(namespace, index);
    let changes = LinkChanges {
        name: Some("net1".into()),
        alias: Some("eth0".into()),
        mtu: Some(1300),
        mac: Some(vec![2, 0, 0, 0, 0, 7]),
        ..LinkChanges::default()
    };
    let there = link::move_to(namespace, index, &target, &changes).unwrap();
    assert_eq!(link::find(namespace, "eth0").unwrap(), None);
    let info = link::info(&target, there).unwrap();
    assert_ne!(there, index, "that index is taken there");
    assert_eq!((info.name.as_str(), info.alias.as_deref(), info.mtu, info.up), ("net1", Some("eth0"), 1300, false));
    assert_eq!(info.mac, [2, 0, 0, 0, 0, 7]);

    let back =
        LinkChanges { name: Some("eth0".into()), alias: Some(String::new()), up: Some(true), ..LinkChanges::default() };
    let index = link::move_to(&target, there, namespace, &back).unwrap();
    let info = link::info(namespace, index).unwrap();
    assert_eq!((info.name.as_str(), info.alias, info.up), ("eth0", None, true));
}

fn moved_to_taken_name(namespace: &Netns) {
    let target = Netns::create().unwrap();
    let index = veth(namespace, "eth0", "peer0");
    up(namespace, index);
    veth(&target, "eth0", "net1");
    for name in [None, Some("net1".to_owned())] {
        let changes = LinkChanges { name, alias: Some("moved".into()), ..LinkChanges::default() };
        let error = link::move_to(namespace, index, &target, &changes).unwrap_err();
        assert_eq!(error.kind, ErrorKind::AlreadyExists, "{error}");
        let info = link::info(namespace, index).unwrap();
        assert_eq!((info.name.as_str(), info.alias, info.up), ("eth0", None, true));
    }
    assert_eq!(link::move_to(namespace, 4711, &target, &LinkChanges::default()).unwrap_err().kind, ErrorKind::NotFound);
    let lo = link::move_to(namespace, 1, &target, &LinkChanges { name: Some("lo7".into()), ..LinkChanges::default() });
    assert!(lo.is_err());
}

fn moved_and_refused(namespace: &Netns) {
    let target = Netns::create().unwrap();
    let index = veth(namespace, "eth0", "peer0");
    let before = link::info(namespace, index).unwrap();
    for (name, target_has_old_name) in [("net1", false), ("net2", true)] {
        if target_has_old_name {
            veth(&target, "eth0", "far0");
        }
        let links = link::list(&target).unwrap().len();
        let changes = LinkChanges {
            name: Some(name.into()),
            mac: Some(vec![2, 0, 0, 0, 0, 7]),
            mtu: Some(10),
            alias: Some("moved".into()),
            ..LinkChanges::default()
        };
        let index = link::find(namespace, "eth0").unwrap().unwrap().index;
        let error = link::move_to(namespace, index, &target, &changes).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
        assert!(error.message.contains("mtu less than device minimum"), "{error}");
        let now = link::find(namespace, "eth0").unwrap().expect("it is back");
        assert_eq!((now.mac, now.mtu, now.alias), (before.mac.clone(), before.mtu, None));
        assert_eq!(link::list(&target).unwrap().len(), links);
    }
}

fn moved_nowhere(namespace: &Netns) {
    let index = veth(namespace, "eth0", "peer0");
    let changes = LinkChanges { name: Some("net1".into()), ..LinkChanges::default() };
    assert_eq!(link::move_to(namespace, index, namespace, &changes).unwrap(), index);
    assert_eq!(link::info(namespace, index).unwrap().name, "net1");
    assert!(run(namespace, &["ip", "link", "show", "net1"]).contains("net1"));
}
