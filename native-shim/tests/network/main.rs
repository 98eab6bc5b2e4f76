//! Namespaces, links, bridges, addresses, routes, rules, neighbours and sysctls against the real kernel, each test in
//! network namespaces of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod addresses;
mod announcements;
mod background;
mod bridges;
mod foreground;
mod links;
mod namespaces;
mod routes;
mod rules_and_neighbors;
#[allow(dead_code, reason = "shared with the tests of the firewall, which use more of it")]
#[path = "../firewall/support.rs"]
mod support;
mod sysctls;
mod taps;
mod traffic_control;
mod virtual_links;

use libtest_mimic::{Arguments, Trial};
use weir_native::link::{self, LinkChanges, VethEnd};
use weir_native::netns::Netns;

fn main() {
    let arguments = Arguments::from_args();
    // Before any other thread exists: only then can a process enter a user namespace.
    if let Err(reason) = support::become_root() {
        println!("skipped: all tests of the network: {reason}");
        return;
    }
    let mut tests: Vec<Trial> = namespaces::tests();
    tests.extend(links::tests());
    tests.extend(virtual_links::tests());
    tests.extend(taps::tests());
    tests.extend(bridges::tests());
    tests.extend(addresses::tests());
    tests.extend(announcements::tests());
    tests.extend(routes::tests());
    tests.extend(rules_and_neighbors::tests());
    tests.extend(sysctls::tests());
    tests.extend(traffic_control::tests());
    tests.extend(background::tests());
    tests.extend(foreground::tests());
    libtest_mimic::run(&arguments, tests).exit();
}

/// Two namespaces joined by a veth pair that is up.
struct Pair {
    left: Netns,
    left_link: u32,
    right: Netns,
    right_link: u32,
}

fn joined() -> Pair {
    let (left, right) = (Netns::create().unwrap(), Netns::create().unwrap());
    let (left_made, right_made) = link::create_veth(&left, &named("left"), &right, &named("right")).unwrap();
    let pair = Pair { left, left_link: left_made.index, right, right_link: right_made.index };
    up(&pair.left, pair.left_link);
    up(&pair.right, pair.right_link);
    assert!(link::wait_operational(&pair.left, pair.left_link, std::time::Duration::from_secs(5)).unwrap());
    assert!(link::wait_operational(&pair.right, pair.right_link, std::time::Duration::from_secs(5)).unwrap());
    pair
}

fn named(name: &str) -> VethEnd {
    VethEnd { name: Some(name.to_owned()), ..VethEnd::default() }
}

/// A link with a peer in the same namespace; the index of the first.
fn veth(namespace: &Netns, name: &str, peer: &str) -> u32 {
    link::create_veth(namespace, &named(name), namespace, &named(peer)).unwrap().0.index
}

fn up(namespace: &Netns, index: u32) {
    link::update(namespace, index, &LinkChanges { up: Some(true), ..LinkChanges::default() }).unwrap();
}
