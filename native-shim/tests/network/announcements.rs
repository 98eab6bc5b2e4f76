//! Gratuitous ARP and unsolicited neighbour advertisements, seen from the other end of the wire.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use weir_native::address::{self, NewAddress};
use weir_native::neighbor::{self, Neighbor};
use weir_native::netns::Netns;
use weir_native::{ErrorKind, link, sysctl};

use super::support::{run, test};
use super::{Pair, joined, veth};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("an_announced_ipv4_address_moves_in_the_neighbours_table", |_| ipv4()),
        test("an_announced_ipv6_address_moves_in_the_neighbours_table", |_| ipv6()),
        test("a_secondary_address_is_announced_as_itself", |_| secondary()),
        test("a_router_is_announced_as_a_router", |_| router()),
        test("announcing_on_a_link_that_is_down_is_refused", down),
    ]
}

const STALE: [u8; 6] = [2, 0, 0, 0, 0, 0x99];

/// Let the right side believe that `address` is somewhere else.
fn mislead(pair: &Pair, address: IpAddr) {
    let entry = Neighbor { link: pair.right_link, address, mac: STALE.to_vec(), permanent: false, proxy: false };
    neighbor::add(&pair.right, &entry).unwrap();
}

fn believed(pair: &Pair, address: IpAddr) -> Vec<u8> {
    let entries = neighbor::list(&pair.right, Some(pair.right_link)).unwrap();
    entries.into_iter().find(|entry| entry.address == address).map(|entry| entry.mac).unwrap_or_default()
}

fn assert_learned(pair: &Pair, address: IpAddr) {
    let truth = link::info(&pair.left, pair.left_link).unwrap().mac;
    let start = Instant::now();
    while believed(pair, address) != truth {
        assert!(start.elapsed() < Duration::from_secs(5), "{address} was not announced");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn give(pair: &Pair, left: &[&str], right: &str) {
    let new = |network: &str| NewAddress { network: network.parse().unwrap(), no_dad: true, no_prefix_route: false };
    let addresses: Vec<_> = left.iter().map(|network| new(network)).collect();
    address::add(&pair.left, pair.left_link, &addresses).unwrap();
    address::add(&pair.right, pair.right_link, &[new(right)]).unwrap();
}

fn ipv4() {
    let pair = joined();
    give(&pair, &["10.0.0.1/24"], "10.0.0.2/24");
    let address = "10.0.0.1".parse().unwrap();
    mislead(&pair, address);
    assert_eq!(believed(&pair, address), STALE);
    address::announce(&pair.left, pair.left_link, &[address]).unwrap();
    assert_learned(&pair, address);
    let entries = neighbor::list(&pair.left, None).unwrap();
    assert!(!entries.iter().any(|entry| entry.address == address), "nothing is left of the question: {entries:?}");
}

fn ipv6() {
    let pair = joined();
    give(&pair, &["fd00::1/64"], "fd00::2/64");
    let address = "fd00::1".parse().unwrap();
    mislead(&pair, address);
    address::announce(&pair.left, pair.left_link, &[address]).unwrap();
    assert_learned(&pair, address);
}

fn secondary() {
    let pair = joined();
    give(&pair, &["10.0.0.1/24", "10.0.0.3/24", "10.0.0.5/32"], "10.0.0.2/24");
    for address in ["10.0.0.3", "10.0.0.5"].map(|address| address.parse().unwrap()) {
        mislead(&pair, address);
        address::announce(&pair.left, pair.left_link, &[address]).unwrap();
        assert_learned(&pair, address);
    }
}

fn router() {
    let pair = joined();
    give(&pair, &["fd00::1/64"], "fd00::2/64");
    let address = "fd00::1".parse().unwrap();
    for (forwarding, shown) in [("1", true), ("0", false)] {
        sysctl::set(&pair.left, "net/ipv6/conf/all/forwarding", forwarding).unwrap();
        mislead(&pair, address);
        address::announce(&pair.left, pair.left_link, &[address]).unwrap();
        assert_learned(&pair, address);
        let text = run(&pair.right, &["ip", "-6", "neighbour", "show", "fd00::1"]);
        assert_eq!(text.contains(" router "), shown, "{text}");
    }
}

fn down(namespace: &Netns) {
    let index = veth(namespace, "eth0", "peer0");
    let error = address::announce(namespace, index, &["10.0.0.1".parse().unwrap()]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("eth0"), "{error}");
    address::announce(namespace, index, &[]).unwrap();
}
