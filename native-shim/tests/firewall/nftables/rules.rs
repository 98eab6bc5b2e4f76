//! What nft(8) prints of rules, and where the kernel sends connections by them.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};

use libtest_mimic::Trial;
use weir_native::netns::Netns;
use weir_native::nftables::*;

use super::{accept, chain, ip, is, is_not, lookup, name, net, port_map, rule, table};
use crate::support::{ruleset, run, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("every_match_reads_as_nft_would_write_it", every_match),
        test("several_values_become_anonymous_sets", several_values),
        test("address_and_port_are_translated_by_statement_and_by_map", translation),
        test("bridge_tables_guard_by_ether_type", bridge_family),
        test("connections_reach_the_translated_destination", packets),
    ]
}

/// Put rules into a chain of an inet table and compare what nft prints of them.
fn assert_rules(namespace: &Netns, family: Family, rules: Vec<(Vec<Statement>, &str)>) {
    let expected: Vec<&str> = rules.iter().map(|(_, text)| *text).collect();
    let rules = rules.into_iter().map(|(statements, _)| rule(statements)).collect();
    apply(namespace, &table(family), &[Command::EnsureTable, chain("c", None, rules)]).unwrap();
    let printed = ruleset(namespace);
    let printed: Vec<&str> = printed.lines().filter(|line| !line.ends_with('{') && *line != "}").collect();
    assert_eq!(printed, expected);
}

fn every_match(namespace: &Netns) {
    let rules = vec![
        (vec![is(Field::IpSource, vec![ip("10.0.0.1")]), accept()], "ip saddr 10.0.0.1 accept"),
        (vec![is_not(Field::IpDestination, vec![net("10.1.0.0/20")]), accept()], "ip daddr != 10.1.0.0/20 accept"),
        (
            vec![
                is(
                    Field::IpSource,
                    vec![Value::AddressRange("10.0.0.1".parse().unwrap(), "10.0.0.9".parse().unwrap())],
                ),
                accept(),
            ],
            "ip saddr 10.0.0.1-10.0.0.9 accept",
        ),
        (vec![is(Field::Ip6Source, vec![net("fd00::/61")]), accept()], "ip6 saddr fd00::/61 accept"),
        (vec![is_not(Field::Ip6Destination, vec![ip("fd00::1")]), accept()], "ip6 daddr != fd00::1 accept"),
        (
            vec![
                is(Field::TransportProtocol, vec![Value::Number(6)]),
                is(Field::DestinationPort, vec![Value::Number(80)]),
                accept(),
            ],
            "tcp dport 80 accept",
        ),
        (
            vec![
                is(Field::TransportProtocol, vec![Value::Number(17)]),
                is_not(Field::SourcePort, vec![Value::NumberRange(1000, 2000)]),
                accept(),
            ],
            "udp sport != 1000-2000 accept",
        ),
        (vec![is(Field::InputInterface, vec![name("eth0")]), accept()], "iifname \"eth0\" accept"),
        (vec![is_not(Field::OutputInterface, vec![name("veth*")]), accept()], "oifname != \"veth*\" accept"),
        (vec![is(Field::Mark, vec![Value::Number(0x2000)]), accept()], "meta mark 0x00002000 accept"),
        (
            vec![is(Field::Mark, vec![Value::Masked(0xff00, 0x2000)]), accept()],
            "meta mark & 0x0000ff00 == 0x00002000 accept",
        ),
        (vec![is(Field::Mark, vec![Value::AnyBit(0x2000)]), accept()], "meta mark & 0x00002000 != 0x00000000 accept"),
        (vec![is(Field::Mark, vec![Value::NumberRange(1, 300)]), accept()], "meta mark 0x00000001-0x0000012c accept"),
        (vec![is(Field::NetworkProtocol, vec![Value::Number(10)]), accept()], "meta nfproto 10 accept"),
        (
            vec![is(Field::EtherSource, vec![Value::Mac(vec![2, 0, 0, 0, 0, 1])]), accept()],
            "ether saddr 02:00:00:00:00:01 accept",
        ),
        (vec![is(Field::DestinationAddressType, vec![Value::Number(2)]), accept()], "fib daddr type 2 accept"),
        (vec![is(Field::ConnectionState, vec![Value::AnyBit(6)]), accept()], "ct state 0x2,0x4 accept"),
        (vec![is(Field::ConnectionStatus, vec![Value::AnyBit(32)]), accept()], "ct status 0x20 accept"),
        (vec![Statement::Counter, accept()], "counter packets 0 bytes 0 accept"),
        (vec![Statement::SetMark(MarkChange { mask: 0, value: 0x2000 })], "meta mark set meta mark | 0x00002000"),
        (
            vec![Statement::SetMark(MarkChange { mask: 0xff00, value: 0x100 })],
            "meta mark set meta mark & 0xffff01ff | 0x00000100",
        ),
        (vec![Statement::SetMark(MarkChange { mask: u32::MAX, value: 5 })], "meta mark set 0x00000005"),
        (vec![Statement::Verdict(Verdict::Drop)], "drop"),
        (vec![Statement::Verdict(Verdict::Return)], "return"),
    ];
    assert_rules(namespace, Family::Inet, rules);
}

fn several_values(namespace: &Netns) {
    let rules = vec![
        (
            vec![is(Field::IpSource, vec![ip("10.0.0.2"), ip("10.0.0.1"), ip("10.0.0.2")]), accept()],
            "ip saddr { 10.0.0.1, 10.0.0.2 } accept",
        ),
        (
            vec![is_not(Field::IpSource, vec![net("10.0.0.0/24"), ip("10.9.9.9"), net("10.0.0.0/25")]), accept()],
            "ip saddr != { 10.0.0.0/24, 10.9.9.9 } accept",
        ),
        (
            vec![is(Field::DestinationPort, vec![Value::NumberRange(90, 95), Value::Number(80)]), accept()],
            "th dport { 80, 90-95 } accept",
        ),
        (
            vec![is(Field::DestinationPort, vec![Value::NumberRange(90, 65535), Value::Number(80)]), accept()],
            "th dport { 80, 90-65535 } accept",
        ),
        (
            vec![is(Field::InputInterface, vec![name("veth*"), name("eth0")]), accept()],
            "iifname { \"eth0\", \"veth*\" } accept",
        ),
        (
            vec![is(Field::Mark, vec![Value::Number(2), Value::Number(1)]), accept()],
            "meta mark { 0x00000001, 0x00000002 } accept",
        ),
        (
            vec![is(Field::Mark, vec![Value::NumberRange(1, 300), Value::Number(512)]), accept()],
            "meta mark { 0x00000001-0x0000012c, 0x00000200 } accept",
        ),
        (
            vec![is(Field::ConnectionState, vec![Value::AnyBit(2), Value::AnyBit(4)]), accept()],
            "ct state 0x2,0x4 accept",
        ),
        (
            vec![is(Field::Ip6Source, vec![net("fd00::/64"), net("fe80::/10")]), accept()],
            "ip6 saddr { fd00::/64, fe80::/10 } accept",
        ),
    ];
    assert_rules(namespace, Family::Inet, rules);
}

fn translation(namespace: &Netns) {
    let to = |address: &str, port| {
        Statement::DestinationNat(Destination { address: address.parse::<IpAddr>().unwrap(), port })
    };
    let rules = vec![
        rule(vec![is(Field::TransportProtocol, vec![Value::Number(6)]), to("10.0.0.1", Some(80))]),
        rule(vec![is(Field::TransportProtocol, vec![Value::Number(6)]), to("fd00::1", Some(80))]),
        rule(vec![to("10.0.0.1", None)]),
    ];
    let masquerade = rule(vec![is(Field::IpSource, vec![ip("10.0.0.1")]), Statement::Masquerade]);
    let commands = [
        Command::EnsureTable,
        chain("pre", Some((ChainType::Nat, Hook::Prerouting, -100)), rules),
        chain("post", Some((ChainType::Nat, Hook::Postrouting, 100)), vec![masquerade]),
    ];
    apply(namespace, &table(Family::Inet), &commands).unwrap();
    let expected = "table inet weir_test {\nchain pre {\ntype nat hook prerouting priority -100; policy accept;\n\
        meta l4proto 6 dnat ip to 10.0.0.1:80\nmeta l4proto 6 dnat ip6 to [fd00::1]:80\ndnat ip to 10.0.0.1\n}\n\
        chain post {\ntype nat hook postrouting priority 100; policy accept;\nip saddr 10.0.0.1 masquerade\n}\n}";
    assert_eq!(ruleset(namespace), expected);
}

fn bridge_family(namespace: &Netns) {
    let rules = vec![
        (vec![is(Field::IpSource, vec![ip("10.0.0.1")]), accept()], "ip saddr 10.0.0.1 accept"),
        (
            vec![
                is(Field::InputInterface, vec![name("veth0")]),
                is_not(Field::EtherSource, vec![Value::Mac(vec![2, 0, 0, 0, 0, 1])]),
                Statement::Verdict(Verdict::Drop),
            ],
            "iifname \"veth0\" ether saddr != 02:00:00:00:00:01 drop",
        ),
    ];
    assert_rules(namespace, Family::Bridge, rules);
}

fn packets(namespace: &Netns) {
    run(namespace, &["ip", "link", "set", "lo", "up"]);
    let (listener, port) = namespace
        .enter(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            (listener, port)
        })
        .unwrap();
    let fields = vec![Field::IpDestination, Field::TransportProtocol, Field::DestinationPort];
    let element = Element {
        key: vec![ip("127.0.0.1"), Value::Number(6), Value::Number(81)],
        data: ElementData::Values(vec![ip("127.0.0.1"), Value::Number(port.into())]),
        comment: String::new(),
    };
    let rules = vec![
        rule(vec![
            is(Field::DestinationAddressType, vec![Value::Number(2)]),
            is(Field::TransportProtocol, vec![Value::Number(6)]),
            is(Field::DestinationPort, vec![Value::Number(80)]),
            Statement::DestinationNat(Destination { address: "127.0.0.1".parse().unwrap(), port: Some(port) }),
        ]),
        rule(vec![Statement::DestinationNatByMap(lookup(fields, "m"))]),
    ];
    let commands = [
        Command::EnsureTable,
        Command::EnsureSet(port_map()),
        Command::AddElements("m".into(), vec![element]),
        chain("out", Some((ChainType::Nat, Hook::Output, -100)), rules),
    ];
    apply(namespace, &table(Family::Inet), &commands).unwrap();
    for asked in [80, 81] {
        let mut stream = namespace.enter(|| TcpStream::connect(("127.0.0.1", asked)).unwrap()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        other.write_all(b"!").unwrap();
        let mut read = [0];
        stream.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"!", "port {asked}");
    }
}
