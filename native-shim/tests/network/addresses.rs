//! IP addresses of links.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use weir_native::ErrorKind;
use weir_native::address::{self, NewAddress};
use weir_native::link::{self, LinkChanges, VethEnd};
use weir_native::netns::Netns;
use weir_native::route::{self, RouteFilter};

use super::support::{run, test};
use super::{joined, named, up, veth};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("addresses_of_both_families_read_back_per_link", add_and_list),
        test("ipv4_addresses_have_the_broadcast_address_of_their_prefix", broadcast),
        test("a_second_add_fails_and_leaves_those_before_it", add_twice),
        test("removing_what_is_not_there_is_no_failure", remove),
        test("the_route_to_the_prefix_can_be_left_out", no_prefix_route),
        test("duplicate_detection_is_waited_for", settle),
        test("without_duplicate_detection_there_is_no_wait", no_dad),
        test("an_address_with_another_owner_is_reported", dad_failure),
    ]
}

fn new(network: &str) -> NewAddress {
    NewAddress { network: network.parse().unwrap(), no_dad: true, no_prefix_route: false }
}

fn shown(namespace: &Netns, index: u32) -> Vec<String> {
    // Link-local addresses come and go as the kernel likes.
    let all = address::list(namespace, index).unwrap();
    all.iter().filter(|address| address.scope != 253).map(|address| address.network.to_string()).collect()
}

fn add_and_list(namespace: &Netns) {
    let first = veth(namespace, "eth0", "peer0");
    let second = veth(namespace, "eth1", "peer1");
    address::add(namespace, first, &[new("10.1.2.3/24"), new("fd00::1/64"), new("10.1.2.4/24")]).unwrap();
    address::add(namespace, second, &[new("10.9.9.9/32")]).unwrap();
    assert_eq!(shown(namespace, first), ["10.1.2.3/24", "10.1.2.4/24", "fd00::1/64"]);
    assert_eq!(shown(namespace, second), ["10.9.9.9/32"]);
    let found = address::list(namespace, first).unwrap();
    assert!(found.iter().all(|address| address.scope == 0 && !address.dad_failed), "{found:?}");
    let error = address::add(namespace, 4711, &[new("10.0.0.1/24")]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains("10.0.0.1/24"), "{error}");
    assert_eq!(address::list(namespace, 4711).unwrap_err().kind, ErrorKind::NotFound);
}

fn broadcast(namespace: &Netns) {
    let index = veth(namespace, "eth0", "peer0");
    address::add(namespace, index, &[new("10.1.2.3/24"), new("10.2.0.1/31"), new("10.3.0.1/32")]).unwrap();
    address::add(namespace, 1, &[new("127.0.0.2/8")]).unwrap();
    let text = run(namespace, &["ip", "-4", "-o", "address", "show"]);
    let line = |part: &str| text.lines().find(|line| line.contains(part)).unwrap().to_owned();
    assert!(line("10.1.2.3/24").contains("brd 10.1.2.255 scope global eth0"), "{text}");
    assert!(!line("10.2.0.1/31").contains("brd"), "{text}");
    assert!(!line("10.3.0.1/32").contains("brd"), "{text}");
    assert!(line("127.0.0.2/8").contains("scope host"), "{text}");
}

fn add_twice(namespace: &Netns) {
    let index = veth(namespace, "eth0", "peer0");
    address::add(namespace, index, &[new("10.0.0.2/24")]).unwrap();
    let error =
        address::add(namespace, index, &[new("10.0.0.1/24"), new("10.0.0.2/24"), new("10.0.0.3/24")]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    assert!(error.message.contains("10.0.0.2/24"), "{error}");
    assert_eq!(shown(namespace, index), ["10.0.0.2/24", "10.0.0.1/24"]);
    address::add(namespace, index, &[new("fd00::1/64")]).unwrap();
    assert_eq!(address::add(namespace, index, &[new("fd00::1/64")]).unwrap_err().kind, ErrorKind::AlreadyExists);
}

fn remove(namespace: &Netns) {
    let index = veth(namespace, "eth0", "peer0");
    address::add(namespace, index, &[new("10.0.0.1/24"), new("10.1.0.1/24"), new("fd00::1/64")]).unwrap();
    let gone = ["10.0.0.1/24", "10.0.0.1/24", "10.7.7.7/24", "fd00::1/64", "fd00::2/64"].map(|a| a.parse().unwrap());
    address::remove(namespace, index, &gone).unwrap();
    assert_eq!(shown(namespace, index), ["10.1.0.1/24"]);
    address::remove(namespace, 4711, &gone).unwrap();
    address::remove(namespace, index, &[]).unwrap();
}

fn no_prefix_route(namespace: &Netns) {
    let index = veth(namespace, "eth0", "peer0");
    up(namespace, index);
    let plain = |network: &str| NewAddress { no_prefix_route: true, ..new(network) };
    address::add(namespace, index, &[plain("10.0.0.1/24"), plain("fd00::1/64"), new("10.1.0.1/24")]).unwrap();
    let routes = route::list(namespace, &RouteFilter { link: Some(index), ..RouteFilter::default() }).unwrap();
    let routes: Vec<_> = routes.iter().map(|route| route.destination.to_string()).collect();
    assert_eq!(routes.iter().filter(|route| !route.starts_with("fe80")).collect::<Vec<_>>(), ["10.1.0.0/24"]);
}

fn settle(_: &Netns) {
    let pair = joined();
    let network = "fd00::1/64".parse().unwrap();
    let address = NewAddress { network, no_dad: false, no_prefix_route: false };
    address::add(&pair.left, pair.left_link, &[address]).unwrap();
    let found = address::list(&pair.left, pair.left_link).unwrap();
    assert!(found.iter().any(|address| address.network == network && address.tentative), "{found:?}");
    assert!(!address::wait_settled(&pair.left, pair.left_link, Duration::from_millis(20)).unwrap());
    assert!(address::wait_settled(&pair.left, pair.left_link, Duration::from_secs(10)).unwrap());
    assert!(address::list(&pair.left, pair.left_link).unwrap().iter().all(|address| !address.tentative));
}

fn no_dad(container: &Netns) {
    let host = Netns::create().unwrap();
    let (inside, _) = link::create_veth(container, &named("eth0"), &host, &VethEnd::default()).unwrap();
    address::add(container, inside.index, &[new("fd00::1/64"), new("10.0.0.1/24")]).unwrap();
    let start = Instant::now();
    assert!(address::wait_settled(container, inside.index, Duration::from_secs(5)).unwrap());
    assert!(start.elapsed() < Duration::from_secs(1));
}

fn dad_failure(_: &Netns) {
    let pair = joined();
    address::add(&pair.right, pair.right_link, &[new("fd00::1/64")]).unwrap();
    let address = NewAddress { network: "fd00::1/64".parse().unwrap(), no_dad: false, no_prefix_route: false };
    address::add(&pair.left, pair.left_link, &[address]).unwrap();
    let error = address::wait_settled(&pair.left, pair.left_link, Duration::from_secs(10)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    assert!(error.message.contains("fd00::1"), "{error}");
    let found = address::list(&pair.left, pair.left_link).unwrap();
    assert!(found.iter().any(|address| address.dad_failed && !address.tentative), "{found:?}");
    link::update(&pair.left, pair.left_link, &LinkChanges { up: Some(false), ..LinkChanges::default() }).unwrap();
}
