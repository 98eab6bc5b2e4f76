//! Tests of the store inside one process: layout, order, take-over of odd directories, and the index against the files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Instant;

use proptest::prelude::*;

use super::files::OPENED;
use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn range(first: &str, last: &str, except: Option<&str>) -> AddressRange {
    AddressRange { first: ip(first), last: ip(last), except: except.map(ip) }
}

fn owner(number: usize) -> Attachment {
    Attachment::new(format!("c{number}"), "eth0")
}

/// Make the index of a data directory impossible, so that the files alone are used.
fn forbid_index(root: &Path) {
    fs::write(root.join(".weir-index"), "in the way").unwrap();
}

#[test]
fn files_are_those_of_host_local() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path(), "net").unwrap();
    assert_eq!(store.list().unwrap(), []);
    assert!(!temp.path().join("net").exists(), "reading creates nothing");
    let ranges = [range("10.0.0.1", "10.0.0.6", Some("10.0.0.1"))];
    assert_eq!(store.allocate(&owner(1), 0, &ranges).unwrap(), ip("10.0.0.2"));
    let file = temp.path().join("net/10.0.0.2");
    assert_eq!(fs::read(&file).unwrap(), b"c1\r\neth0");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(temp.path().join("net/last_reserved_ip.0")).unwrap(), b"10.0.0.2");
    assert_eq!(fs::metadata(temp.path().join("net")).unwrap().permissions().mode() & 0o777, 0o755);
    let v6 = [range("2001:DB8::a", "2001:db8::ffff:ffff", None)];
    assert_eq!(store.allocate(&owner(1), 1, &v6).unwrap(), ip("2001:db8::a"));
    let names: BTreeSet<_> =
        fs::read_dir(temp.path().join("net")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let expected = ["10.0.0.2", "2001:db8::a", "last_reserved_ip.0", "last_reserved_ip.1", "lock"];
    assert_eq!(names, expected.map(String::from).into());
}

#[test]
fn allocation_goes_round_once_and_skips_the_gateway() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path(), "net").unwrap();
    let ranges = [range("10.0.0.1", "10.0.0.3", Some("10.0.0.1")), range("10.0.1.1", "10.0.1.2", None)];
    assert_eq!(store.count_free(&ranges).unwrap(), 4);
    let got: Vec<_> = (0..4).map(|n| store.allocate(&owner(n), 0, &ranges).unwrap().to_string()).collect();
    assert_eq!(got, ["10.0.0.2", "10.0.0.3", "10.0.1.1", "10.0.1.2"]);
    assert_eq!(store.count_free(&ranges).unwrap(), 0);
    assert_eq!(store.allocate(&owner(9), 0, &ranges).unwrap_err().kind, ErrorKind::Exhausted);
    assert_eq!(store.allocate(&owner(1), 0, &ranges).unwrap_err().kind, ErrorKind::AlreadyExists);
    assert_eq!(store.release(&owner(1)).unwrap(), [ip("10.0.0.3")]);
    assert!(store.release(&owner(1)).unwrap().is_empty());
    assert_eq!(store.allocate(&owner(9), 0, &ranges).unwrap(), ip("10.0.0.3"));
}

#[test]
fn a_given_address_is_given_once_and_only_its_owner_gives_it_back() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path(), "net").unwrap();
    store.reserve(&owner(1), 0, ip("10.0.0.9")).unwrap();
    for n in [1, 2] {
        assert_eq!(store.reserve(&owner(n), 0, ip("10.0.0.9")).unwrap_err().kind, ErrorKind::Busy);
    }
    assert_eq!(store.release_address(&owner(2), ip("10.0.0.9")).unwrap_err().kind, ErrorKind::Busy);
    assert_eq!(store.release_address(&owner(1), ip("10.0.0.8")).unwrap_err().kind, ErrorKind::NotFound);
    store.release_address(&owner(1), ip("::ffff:10.0.0.9")).unwrap();
    assert!(store.find(&owner(1)).unwrap().is_empty());
    assert_eq!(store.allocate(&owner(3), 0, &[range("10.0.0.1", "10.0.0.20", None)]).unwrap(), ip("10.0.0.10"));
}

#[test]
fn files_of_very_old_plugins_count_for_the_whole_container() {
    let temp = tempfile::tempdir().unwrap();
    let net = temp.path().join("net");
    fs::create_dir(&net).unwrap();
    fs::write(net.join("10.0.0.2"), "c1").unwrap();
    fs::write(net.join("10.0.0.3"), "c1\r\neth0\n").unwrap();
    fs::write(net.join("10.0.0.4"), " c2 \n").unwrap();
    for (name, content) in [("last_reserved_ip.0", "nonsense"), ("README", "c1"), ("010.0.0.9", "c1")] {
        fs::write(net.join(name), content).unwrap();
    }
    fs::create_dir(net.join("10.0.0.5")).unwrap();
    symlink("/etc/passwd", net.join("10.0.0.6")).unwrap();
    let store = Store::open(temp.path(), "net").unwrap();
    assert_eq!(store.find(&owner(1)).unwrap(), [ip("10.0.0.2"), ip("10.0.0.3")]);
    assert_eq!(store.find(&owner(2)).unwrap(), [ip("10.0.0.4")]);
    let ranges = [range("10.0.0.2", "10.0.0.7", None)];
    assert_eq!(store.count_free(&ranges).unwrap(), 1);
    assert_eq!(store.allocate(&owner(3), 0, &ranges).unwrap(), ip("10.0.0.7"), "a directory and a link are taken too");
    assert_eq!(store.release(&owner(1)).unwrap(), [ip("10.0.0.3")], "first what has the interface's name");
    assert_eq!(store.release(&owner(1)).unwrap(), [ip("10.0.0.2")], "then what has none");
    assert!(net.join("README").exists());
}

#[test]
fn retain_takes_back_what_nobody_has_any_more() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path(), "net").unwrap();
    for n in 1..=3 {
        store.reserve(&owner(n), 0, ip(&format!("10.0.0.{n}"))).unwrap();
    }
    let net = temp.path().join("net");
    fs::write(net.join("10.0.0.4"), "c1").unwrap();
    fs::write(net.join("10.0.0.5"), "c9").unwrap();
    fs::write(net.join("10.0.0.6"), "").unwrap();
    fs::write(net.join("10.0.0.7"), "c2\r\nnet1").unwrap();
    let gone = store.retain(&[owner(1), owner(2)]).unwrap();
    let gone: Vec<_> = gone.into_iter().map(|lease| lease.address.to_string()).collect();
    assert_eq!(gone, ["10.0.0.3", "10.0.0.5", "10.0.0.6", "10.0.0.7"]);
    assert_eq!(store.list().unwrap().len(), 3);
    assert!(store.find(&owner(3)).unwrap().is_empty());
    assert_eq!(store.find(&owner(1)).unwrap(), [ip("10.0.0.1"), ip("10.0.0.4")]);
}

#[test]
fn names_and_links_cannot_lead_out_of_the_directory() {
    let temp = tempfile::tempdir().unwrap();
    for network in ["", ".", "..", "../x", "a/b", "/etc", "a\0b", ".weir-index", &"x".repeat(256)] {
        assert_eq!(Store::open(temp.path(), network).unwrap_err().kind, ErrorKind::Invalid, "{network:?}");
    }
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), temp.path().join("net")).unwrap();
    let store = Store::open(temp.path(), "net").unwrap();
    store.allocate(&owner(1), 0, &[range("10.0.0.1", "10.0.0.9", None)]).unwrap_err();
    store.list().unwrap_err();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn ranges_that_mean_nothing_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path(), "net").unwrap();
    for ranges in [&[][..], &[range("10.0.0.2", "10.0.0.1", None)], &[range("10.0.0.2", "fd00::1", None)]] {
        assert_eq!(store.allocate(&owner(1), 0, ranges).unwrap_err().kind, ErrorKind::Invalid);
    }
    for owner in [Attachment::new("", "eth0"), Attachment::new("c", ""), Attachment::new("a\r\nb", "eth0")] {
        assert_eq!(store.reserve(&owner, 0, ip("10.0.0.1")).unwrap_err().kind, ErrorKind::Invalid);
    }
    assert!(!temp.path().join("net").exists());
}

#[test]
fn the_index_notices_every_change_that_it_did_not_make() {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path(), "net").unwrap();
    let ranges = [range("10.0.0.1", "10.0.0.4", None)];
    for n in 1..=4 {
        store.allocate(&owner(n), 0, &ranges).unwrap();
    }
    let net = temp.path().join("net");
    fs::remove_file(net.join("10.0.0.2")).unwrap();
    assert!(store.find(&owner(2)).unwrap().is_empty());
    assert_eq!(store.allocate(&owner(5), 0, &ranges).unwrap(), ip("10.0.0.2"));
    fs::remove_file(net.join("10.0.0.3")).unwrap();
    fs::write(net.join("10.0.0.3"), "c7\r\neth0").unwrap();
    assert_eq!(store.find(&owner(7)).unwrap(), [ip("10.0.0.3")]);
    assert!(store.find(&owner(3)).unwrap().is_empty());
    // The directory replaced by a copy.
    fs::rename(&net, temp.path().join("old")).unwrap();
    fs::create_dir(&net).unwrap();
    assert_eq!(store.count_free(&ranges).unwrap(), 4);
    // The index damaged.
    store.allocate(&owner(1), 0, &ranges).unwrap();
    let table = temp.path().join(".weir-index/net/attachments");
    fs::write(&table, vec![0xff; 5000]).unwrap();
    assert_eq!(store.find(&owner(1)).unwrap(), [ip("10.0.0.1")]);
    fs::write(&table, "").unwrap();
    assert_eq!(store.find(&owner(1)).unwrap(), [ip("10.0.0.1")]);
}

/// host-local's own iteration, step by step, as a model.
fn model(ranges: &[AddressRange], last: Option<IpAddr>, taken: &BTreeSet<u128>) -> Option<u128> {
    use super::index::number;
    let found = last.and_then(|last| ranges.iter().position(|r| r.contains(last)).map(|at| (at, number(last))));
    let (mut at, mut current) = found.map_or((0, None), |(at, last)| (at, Some(last)));
    let mut start = None;
    loop {
        let next = match current {
            None => number(ranges[0].first),
            Some(current) if current == number(ranges[at].last) => {
                at = (at + 1) % ranges.len();
                number(ranges[at].first)
            }
            Some(current) => current + 1,
        };
        current = Some(next);
        match start {
            None => start = Some(next),
            Some(start) if start == next => return None,
            Some(_) => {}
        }
        if ranges[at].except.map(number) != Some(next) && !taken.contains(&next) {
            return Some(next);
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Allocate(usize),
    Reserve(usize, u8),
    Release(usize),
    Remove(u8),
    Meddle(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..30_usize).prop_map(Step::Allocate),
        1 => (0..30_usize, 0..40_u8).prop_map(|(o, a)| Step::Reserve(o, a)),
        2 => (0..30_usize).prop_map(Step::Release),
        1 => (0..40_u8).prop_map(Step::Remove),
        1 => (0..40_u8).prop_map(Step::Meddle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_and_the_files_alone_and_host_locals_order_give_the_same(
        steps in prop::collection::vec(step(), 1..60),
        gateway in prop::option::of(0..40_u8),
    ) {
        let (with, without) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        forbid_index(without.path());
        let roots = [with.path(), without.path()];
        let stores = roots.map(|root| Store::open(root, "net").unwrap());
        // Two ranges, the first across the border of two bitmaps.
        let at = |offset: u8| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_ffec + u32::from(offset)));
        let except = gateway.map(at);
        let ranges = [
            AddressRange { first: at(10), last: at(29), except },
            AddressRange { first: at(0), last: at(4), except },
        ];
        for step in steps {
            let taken: BTreeSet<u128> =
                stores[0].list().unwrap().iter().map(|lease| index::number(lease.address)).collect();
            let last = fs::read_to_string(roots[0].join("net/last_reserved_ip.0")).ok().map(|text| ip(&text));
            let outcomes = [0, 1].map(|n| {
                let store = &stores[n];
                let kind = |e: Error| e.kind;
                match step {
                    Step::Allocate(o) => store.allocate(&owner(o), 0, &ranges).map(|a| vec![a]).map_err(kind),
                    Step::Reserve(o, a) => store.reserve(&owner(o), 0, at(a)).map(|()| vec![]).map_err(kind),
                    Step::Release(o) => store.release(&owner(o)).map_err(kind),
                    Step::Remove(a) => {
                        let _ = fs::remove_file(roots[n].join("net").join(at(a).to_string()));
                        Ok(vec![])
                    }
                    Step::Meddle(a) => {
                        let file = roots[n].join("net").join(at(a).to_string());
                        let _ = fs::create_dir_all(roots[n].join("net"));
                        let _ = fs::remove_file(&file);
                        let _ = fs::write(file, "c3\r\neth0");
                        Ok(vec![])
                    }
                }
            });
            prop_assert_eq!(&outcomes[0], &outcomes[1], "{:?}", step);
            if let (Step::Allocate(_), Ok(got)) = (&step, &outcomes[0]) {
                prop_assert_eq!(model(&ranges, last, &taken), got.first().map(|a| index::number(*a)));
            }
            prop_assert_eq!(stores[0].list().unwrap(), stores[1].list().unwrap());
            prop_assert_eq!(stores[0].count_free(&ranges).unwrap(), stores[1].count_free(&ranges).unwrap());
            for o in 0..30 {
                prop_assert_eq!(stores[0].find(&owner(o)).unwrap(), stores[1].find(&owner(o)).unwrap());
            }
        }
        prop_assert!(!roots[0].join("net").exists() || roots[0].join(".weir-index/net/attachments").exists());
    }
}

/// Allocate, find and release once; how many files each opened.
fn opened(store: &Store, ranges: &[AddressRange], size: usize) -> [usize; 3] {
    let newcomer = Attachment::new("newcomer", "eth0");
    let count = |name: &str, operation: &mut dyn FnMut()| {
        OPENED.with(|opened| opened.set(0));
        let start = Instant::now();
        operation();
        println!("{size:6} addresses: {name} {:?}", start.elapsed());
        OPENED.with(std::cell::Cell::get)
    };
    let mut address = None;
    [
        count("allocate", &mut || address = Some(store.allocate(&newcomer, 0, ranges).unwrap())),
        count("find", &mut || assert_eq!(store.find(&newcomer).ok(), address.map(|a| vec![a]))),
        count("release", &mut || assert_eq!(store.release(&newcomer).ok(), address.map(|a| vec![a]))),
    ]
}

#[test]
fn a_full_pool_costs_no_more_files_than_an_empty_one() {
    const SIZE: usize = 60_000;
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(temp.path(), "net").unwrap();
    let ranges = [range("10.0.0.1", "10.1.255.254", None)];
    store.reserve(&owner(0), 0, ip("10.1.0.1")).unwrap();
    let empty = opened(&store, &ranges, 0);
    let net = temp.path().join("net");
    for n in 1..=SIZE {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n as u32);
        fs::write(net.join(address.to_string()), format!("c{n}\r\neth0")).unwrap();
    }
    let start = Instant::now();
    assert_eq!(store.find(&owner(77)).unwrap(), [ip("10.0.0.77")]);
    println!("{SIZE:6} addresses: index made anew {:?}", start.elapsed());
    let full = opened(&store, &ranges, SIZE);
    assert_eq!(empty, full, "files opened for allocate, find, release");
    assert!(full.iter().all(|opened| *opened < 16), "{full:?}");
    assert_eq!(store.count_free(&ranges).unwrap(), 131_070 - SIZE as u64 - 1);
}
