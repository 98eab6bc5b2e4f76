//! Links: find, make, change, delete, wait.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use weir_native::ErrorKind;
use weir_native::link::{self, LinkChanges, OperationalState, VethEnd};
use weir_native::netns::Netns;

use super::support::{run, test};
use super::{named, up, veth};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("a_link_is_found_by_name_alternative_name_and_index", find),
        test("what_is_not_there_is_none_or_not_found", missing),
        test("all_changes_arrive_in_one_request", changes),
        test("a_refused_change_says_what_the_kernel_says", refused_change),
        test("names_that_the_kernel_would_misread_are_refused", bad_names),
        test("a_veth_pair_has_each_end_where_and_as_it_was_asked_for", veth_across),
        test("a_veth_pair_may_live_in_one_namespace_under_random_names", veth_in_one),
        test("a_taken_name_is_reported_with_its_end", veth_taken),
        test("deleting_one_end_deletes_both_and_only_once", delete),
        test("a_link_deleted_at_once_is_gone_on_return_from_both_ends", delete_at_once),
        test("a_link_is_operational_when_both_ends_are_up", operational),
        test("a_list_of_many_links_is_complete", many),
    ]
}

fn find(namespace: &Netns) {
    let index = veth(namespace, "eth0", "peer0");
    run(namespace, &["ip", "link", "property", "add", "dev", "eth0", "altname", "a-rather-long-alternative-name"]);
    run(namespace, &["ip", "link", "property", "add", "dev", "eth0", "altname", "short"]);
    for name in ["eth0", "short", "a-rather-long-alternative-name"] {
        let found = link::find(namespace, name).unwrap().expect(name);
        assert_eq!((found.index, found.name.as_str()), (index, "eth0"));
        assert_eq!(found.kind.as_deref(), Some("veth"));
    }
    assert_eq!(link::find_by_index(namespace, index).unwrap().unwrap().name, "eth0");
    let loopback = link::find(namespace, "lo").unwrap().unwrap();
    assert!(loopback.loopback && !loopback.up);
    assert_eq!((loopback.kind, loopback.mtu), (None, 65536));
}

fn missing(namespace: &Netns) {
    for name in ["eth0", "a-rather-long-alternative-name", "", "lo\0", "..", "a/b"] {
        assert_eq!(link::find(namespace, name).unwrap(), None, "{name:?}");
    }
    assert_eq!(link::find_by_index(namespace, 4711).unwrap(), None);
    assert_eq!(link::info(namespace, 4711).unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(link::info(namespace, 0).unwrap_err().kind, ErrorKind::Invalid);
    let up = LinkChanges { up: Some(true), ..LinkChanges::default() };
    assert_eq!(link::update(namespace, 4711, &up).unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(link::delete(namespace, 4711).unwrap_err().kind, ErrorKind::NotFound);
}

fn changes(namespace: &Netns) {
    let index = veth(namespace, "eth0", "peer0");
    let all = LinkChanges {
        up: Some(true),
        name: Some("net0".into()),
        mtu: Some(1300),
        mac: Some(vec![2, 0, 0, 0, 0, 0x42]),
        promiscuous: Some(true),
        all_multicast: Some(true),
        tx_queue_length: Some(77),
        alias: Some("an alias".into()),
    };
    link::update(namespace, index, &all).unwrap();
    let now = link::info(namespace, index).unwrap();
    assert_eq!((now.name.as_str(), now.mtu, now.tx_queue_length), ("net0", 1300, 77));
    assert_eq!(now.mac, [2, 0, 0, 0, 0, 0x42]);
    assert!(now.up && now.promiscuous && now.all_multicast);
    assert_eq!(now.alias.as_deref(), Some("an alias"));

    let back =
        LinkChanges { up: Some(false), promiscuous: Some(false), alias: Some(String::new()), ..LinkChanges::default() };
    link::update(namespace, index, &back).unwrap();
    let now = link::info(namespace, index).unwrap();
    assert!(!now.up && !now.promiscuous && now.all_multicast);
    assert_eq!((now.alias, now.mtu), (None, 1300));

    link::update(namespace, index, &LinkChanges::default()).unwrap();
}

fn refused_change(namespace: &Netns) {
    let index = veth(namespace, "eth0", "peer0");
    let changes = LinkChanges { mtu: Some(10), ..LinkChanges::default() };
    let error = link::update(namespace, index, &changes).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("mtu 10"), "{error}");
    assert!(error.message.contains("mtu less than device minimum"), "{error}");
    let changes = LinkChanges { mac: Some(Vec::new()), ..LinkChanges::default() };
    assert_eq!(link::update(namespace, index, &changes).unwrap_err().kind, ErrorKind::Invalid);
    let changes = LinkChanges { name: Some("peer0".into()), ..LinkChanges::default() };
    assert_eq!(link::update(namespace, index, &changes).unwrap_err().kind, ErrorKind::AlreadyExists);
}

fn bad_names(namespace: &Netns) {
    for name in ["", ".", "..", "a/b", "a b", "a:b", "eth%d", "nul\0", "sixteen-is-a-lot"] {
        let error = link::create_veth(namespace, &named(name), namespace, &VethEnd::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid, "{name:?}");
    }
    assert_eq!(link::list(namespace).unwrap().len(), 1, "nothing was made");
}

fn veth_across(container: &Netns) {
    let host = Netns::create().unwrap();
    // So that the two ends have different indices.
    veth(&host, "filler0", "filler1");
    let inner = VethEnd { name: Some("eth0".into()), mac: Some(vec![0x0a, 1, 2, 3, 4, 5]), mtu: Some(1400) };
    let outer = VethEnd { name: None, mac: Some(vec![0x0a, 1, 2, 3, 4, 6]), mtu: Some(1450) };
    let (inside, outside) = link::create_veth(container, &inner, &host, &outer).unwrap();

    let near = link::info(container, inside.index).unwrap();
    assert_eq!((near.name.as_str(), near.mtu, near.mac.as_slice()), ("eth0", 1400, &[0x0a, 1, 2, 3, 4, 5][..]));
    let far = link::info(&host, outside.index).unwrap();
    assert_eq!((far.name.as_str(), far.mtu, far.mac.as_slice()), (&*outside.name, 1450, &[0x0a, 1, 2, 3, 4, 6][..]));
    assert_eq!((near.lower, far.lower), (Some(far.index), Some(near.index)));
    assert_ne!(near.index, far.index);
    assert!(!near.up && !far.up);
    let digits = far.name.strip_prefix("veth").unwrap();
    assert!(digits.len() == 8 && digits.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)), "{digits}");
    assert_eq!(link::list(container).unwrap().len(), 2);
}

fn veth_in_one(namespace: &Netns) {
    let (one, other) = link::create_veth(namespace, &VethEnd::default(), namespace, &VethEnd::default()).unwrap();
    assert_ne!(one.name, other.name);
    assert_eq!(link::info(namespace, one.index).unwrap().name, one.name);
    assert_eq!(link::info(namespace, other.index).unwrap().name, other.name);
}

fn veth_taken(container: &Netns) {
    let host = Netns::create().unwrap();
    veth(container, "eth0", "x0");
    veth(&host, "veth0", "x0");
    let error = link::create_veth(container, &named("eth0"), &host, &VethEnd::default()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    assert!(error.message.contains("link eth0 exists already in the container namespace"), "{error}");
    let error = link::create_veth(container, &named("eth1"), &host, &named("veth0")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    assert!(error.message.contains("link veth0 exists already in the host namespace"), "{error}");
    assert_eq!(link::find(container, "eth1").unwrap(), None, "nothing is left of the attempt");
}

fn delete(container: &Netns) {
    let host = Netns::create().unwrap();
    let (inside, outside) = link::create_veth(container, &named("eth0"), &host, &VethEnd::default()).unwrap();
    link::delete(container, inside.index).unwrap();
    assert_eq!(link::find_by_index(&host, outside.index).unwrap(), None);
    assert_eq!(link::delete(&host, outside.index).unwrap_err().kind, ErrorKind::NotFound);
}

fn delete_at_once(container: &Netns) {
    let host = Netns::create().unwrap();
    let (inside, outside) = link::create_veth(container, &named("eth0"), &host, &VethEnd::default()).unwrap();
    let background = link::delete_at_once(container, inside.index).unwrap();
    assert_eq!(link::find(container, "eth0").unwrap(), None);
    assert_eq!(link::find_by_index(&host, outside.index).unwrap(), None);
    assert_eq!(link::delete_at_once(container, inside.index).unwrap_err().kind, ErrorKind::NotFound);
    let again = link::create_veth(container, &named("eth0"), &host, &VethEnd::default()).unwrap().0;
    assert_eq!(link::info(container, again.index).unwrap().name, "eth0", "the name is free, the socket in order");
    if let Some(background) = background {
        background.wait();
    }
    // What cannot be deleted is refused with the kernel's reason.
    assert_eq!(link::delete_at_once(container, 1).unwrap_err().kind, ErrorKind::Unsupported);
}

fn operational(container: &Netns) {
    let host = Netns::create().unwrap();
    let (inside, outside) = link::create_veth(container, &named("eth0"), &host, &VethEnd::default()).unwrap();
    up(container, inside.index);
    let start = Instant::now();
    assert!(!link::wait_operational(container, inside.index, Duration::from_millis(30)).unwrap());
    assert!(start.elapsed() >= Duration::from_millis(30));
    let info = link::info(container, inside.index).unwrap();
    assert!(info.operational_state != OperationalState::Up && !info.carrier, "{info:?}");
    up(&host, outside.index);
    assert!(link::wait_operational(container, inside.index, Duration::from_secs(5)).unwrap());
    assert_eq!(link::info(container, inside.index).unwrap().operational_state, OperationalState::Up);
    // The loopback interface never says "up".
    up(container, 1);
    assert!(link::wait_operational(container, 1, Duration::ZERO).unwrap());
    assert_eq!(link::wait_operational(container, 4711, Duration::from_secs(5)).unwrap_err().kind, ErrorKind::NotFound);
}

fn many(namespace: &Netns) {
    for number in 0..60 {
        veth(namespace, &format!("a{number}"), &format!("b{number}"));
    }
    let links = link::list(namespace).unwrap();
    assert_eq!(links.len(), 121);
    for number in 0..60 {
        assert!(links.iter().any(|link| link.name == format!("b{number}")), "b{number}");
    }
}
