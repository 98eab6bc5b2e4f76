//! Policy routing rules, and entries of the neighbour table.

use libtest_mimic::Trial;
use weir_native::ErrorKind;
use weir_native::family::IpFamily;
use weir_native::neighbor::{self, Neighbor};
use weir_native::netns::Netns;
use weir_native::rule::{self, Rule};

use super::support::{run, test};
use super::veth;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("a_rule_reads_back_with_all_its_fields_and_goes", rules),
        test("the_same_rule_twice_is_refused_and_a_missing_one_is_gone_already", rule_conflicts),
        test("rules_of_each_family_are_listed", rule_families),
        test("a_neighbour_is_added_replaced_and_removed", neighbors),
        test("proxy_entries_are_kept_apart", proxies),
    ]
}

fn full(family: IpFamily) -> Rule {
    let (source, destination) = match family {
        IpFamily::Ipv4 => ("10.0.0.0/24", "10.1.0.0/16"),
        IpFamily::Ipv6 => ("fd00::/64", "fd01::/32"),
    };
    Rule {
        source: Some(source.parse().unwrap()),
        destination: Some(destination.parse().unwrap()),
        input_interface: Some("lo".into()),
        output_interface: Some("eth0".into()),
        mark: Some((0x10, 0xf0)),
        priority: Some(123),
        ..Rule::to_table(family, 1000)
    }
}

fn rules(namespace: &Netns) {
    for family in [IpFamily::Ipv4, IpFamily::Ipv6] {
        let before = rule::list(namespace, None).unwrap();
        rule::add(namespace, &full(family)).unwrap();
        assert!(rule::list(namespace, Some(family)).unwrap().contains(&full(family)));
        assert_eq!(rule::list(namespace, None).unwrap().len(), before.len() + 1);
        rule::remove(namespace, &full(family)).unwrap();
        assert_eq!(rule::list(namespace, None).unwrap(), before);
    }
    rule::add(namespace, &Rule { source: Some("10.9.0.0/16".parse().unwrap()), ..Rule::to_table(IpFamily::Ipv4, 7) })
        .unwrap();
    let text = run(namespace, &["ip", "rule", "show"]);
    assert!(text.contains("from 10.9.0.0/16 lookup 7"), "{text}");
}

fn rule_conflicts(namespace: &Netns) {
    let rule = full(IpFamily::Ipv4);
    rule::add(namespace, &rule).unwrap();
    let error = rule::add(namespace, &rule).unwrap_err();
    assert_eq!(error.kind, ErrorKind::AlreadyExists);
    assert!(error.message.contains("from 10.0.0.0/24 to 10.1.0.0/16"), "{error}");
    rule::remove(namespace, &rule).unwrap();
    rule::remove(namespace, &rule).unwrap();
    let mixed = Rule { source: Some("fd00::/64".parse().unwrap()), ..rule };
    assert_eq!(rule::add(namespace, &mixed).unwrap_err().kind, ErrorKind::Invalid);
}

fn rule_families(namespace: &Netns) {
    let tables =
        |family| -> Vec<u32> { rule::list(namespace, family).unwrap().iter().map(|rule| rule.table).collect() };
    assert_eq!(tables(Some(IpFamily::Ipv4)), [255, 254, 253]);
    assert_eq!(tables(Some(IpFamily::Ipv6)), [255, 254]);
    assert_eq!(tables(None), [255, 254, 253, 255, 254]);
}

fn entry(link: u32, address: &str, last: u8) -> Neighbor {
    Neighbor { link, address: address.parse().unwrap(), mac: vec![2, 0, 0, 0, 0, last], permanent: true, proxy: false }
}

fn neighbors(namespace: &Netns) {
    let link = veth(namespace, "eth0", "peer0");
    super::up(namespace, link);
    let other = veth(namespace, "eth1", "peer1");
    super::up(namespace, other);
    neighbor::add(namespace, &entry(other, "10.0.0.7", 7)).unwrap();
    for address in ["10.0.0.5", "fd00::5"] {
        neighbor::add(namespace, &entry(link, address, 1)).unwrap();
        let second = entry(link, address, 2);
        neighbor::add(namespace, &second).unwrap();
        let found = neighbor::list(namespace, Some(link)).unwrap();
        let found: Vec<_> = found.iter().filter(|entry| entry.permanent).collect();
        assert_eq!(found, [&second]);
        neighbor::remove(namespace, link, second.address).unwrap();
        neighbor::remove(namespace, link, second.address).unwrap();
        assert!(!neighbor::list(namespace, None).unwrap().contains(&second));
    }
    assert!(neighbor::list(namespace, None).unwrap().contains(&entry(other, "10.0.0.7", 7)));
    let nameless = Neighbor { mac: Vec::new(), ..entry(link, "10.0.0.5", 1) };
    assert_eq!(neighbor::add(namespace, &nameless).unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(neighbor::add(namespace, &entry(4711, "10.0.0.5", 1)).unwrap_err().kind, ErrorKind::NotFound);
    neighbor::remove(namespace, 4711, nameless.address).unwrap();
}

fn proxies(_: &Netns) {
    // Both ends up: kernels before 6.12 forget proxy entries when a link has no carrier, which they see some time later.
    let pair = super::joined();
    let (namespace, link) = (&pair.left, pair.left_link);
    let proxy = Neighbor { mac: Vec::new(), permanent: false, proxy: true, ..entry(link, "fd00::9", 0) };
    neighbor::add(namespace, &proxy).unwrap();
    let text = run(namespace, &["ip", "-6", "neighbour", "show", "proxy"]);
    assert!(text.contains("fd00::9 dev left proxy"), "{text}");
    assert!(neighbor::list(namespace, Some(link)).unwrap().contains(&proxy));
    neighbor::remove(namespace, link, proxy.address).unwrap();
    assert_eq!(run(namespace, &["ip", "-6", "neighbour", "show", "proxy"]).trim(), "");
}
