//! Sets and maps with their elements, written and read back.

use libtest_mimic::Trial;
use weir_native::ErrorKind;
use weir_native::netns::Netns;
use weir_native::nftables::*;

use super::{chain, ip, lookup, name, net, port_element, port_map, rule, table};
use crate::support::{ruleset, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("maps_and_sets_with_their_elements_read_back", maps_and_sets),
        test("interval_sets_take_prefixes_and_ranges", interval_sets),
        test("a_large_batch_is_one_transaction", large_batch),
    ]
}

fn maps_and_sets(namespace: &Netns) {
    let table = table(Family::Inet);
    let verdicts = Set { name: "v".into(), key: vec![DataType::Port], data: SetData::Verdict, interval: false };
    let names = Set { name: "n".into(), key: vec![DataType::InterfaceName], data: SetData::None, interval: false };
    let verdict = |port, verdict| Element {
        key: vec![Value::Number(port)],
        data: ElementData::Verdict(verdict),
        comment: String::new(),
    };
    let elements = vec![verdict(80, Verdict::Goto("c".into())), verdict(81, Verdict::Drop)];
    let member = Element { key: vec![name("eth0")], data: ElementData::None, comment: "first".into() };
    let fields = vec![Field::IpDestination, Field::TransportProtocol, Field::DestinationPort];
    let rules = vec![
        rule(vec![Statement::MatchSet(SetMatch {
            fields: vec![Field::InputInterface],
            comparison: Comparison::NotEqual,
            set: "n".into(),
        })]),
        rule(vec![Statement::VerdictByMap(lookup(vec![Field::DestinationPort], "v"))]),
    ];
    let commands = [
        Command::EnsureTable,
        chain("c", None, vec![]),
        Command::EnsureSet(port_map()),
        Command::EnsureSet(verdicts),
        Command::EnsureSet(names),
        Command::AddElements("m".into(), vec![port_element(80, "10.0.0.1"), port_element(81, "10.0.0.2")]),
        Command::AddElements("v".into(), elements.clone()),
        Command::AddElements("n".into(), vec![member.clone()]),
        chain("d", None, rules),
        chain(
            "pre",
            Some((ChainType::Nat, Hook::Prerouting, -100)),
            vec![rule(vec![Statement::DestinationNatByMap(lookup(fields, "m"))])],
        ),
    ];
    apply(namespace, &table, &commands).unwrap();
    let printed = ruleset(namespace);
    for line in [
        "type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service",
        "elements = { 192.0.2.1 . 6 . 80 comment \"to 10.0.0.1\" : 10.0.0.1 . 8080,",
        "type inet_service : verdict",
        "elements = { 80 : goto c, 81 : drop }",
        "elements = { \"eth0\" comment \"first\" }",
        "iifname != @n",
        "th dport vmap @v",
        "dnat ip to ip daddr . meta l4proto . th dport map @m",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "no line {line:?} in\n{printed}");
    }
    let mut read = list_elements(namespace, &table, "m").unwrap();
    read.sort_by_key(|element| element.comment.clone());
    assert_eq!(read, [port_element(80, "10.0.0.1"), port_element(81, "10.0.0.2")]);
    let mut read = list_elements(namespace, &table, "v").unwrap();
    read.sort_by_key(|element| format!("{:?}", element.key));
    assert_eq!(read, elements);
    assert_eq!(list_elements(namespace, &table, "n").unwrap(), [member]);

    // The set is known from the kernel now, not from the batch. Another datum for the same key is a clash.
    let again = apply(namespace, &table, &[Command::AddElements("m".into(), vec![port_element(80, "10.0.0.1")])]);
    assert_eq!(again, Ok(()));
    let clash = apply(namespace, &table, &[Command::AddElements("m".into(), vec![port_element(80, "10.0.0.9")])]);
    assert_eq!(clash.unwrap_err().kind, ErrorKind::AlreadyExists);
    apply(namespace, &table, &[Command::DeleteElements("m".into(), vec![port_element(80, "10.0.0.1")])]).unwrap();
    assert_eq!(list_elements(namespace, &table, "m").unwrap(), [port_element(81, "10.0.0.2")]);
    let gone = apply(namespace, &table, &[Command::DeleteElements("m".into(), vec![port_element(80, "10.0.0.1")])]);
    assert_eq!(gone.unwrap_err().kind, ErrorKind::NotFound);
    let missing = apply(namespace, &table, &[Command::AddElements("no".into(), vec![])]).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound, "{missing}");
}

fn interval_sets(namespace: &Netns) {
    let table = table(Family::Ip);
    let set = Set { name: "s".into(), key: vec![DataType::Ipv4Address], data: SetData::None, interval: true };
    let ports = Set { name: "p".into(), key: vec![DataType::Port], data: SetData::Verdict, interval: true };
    let plain = |value| Element { key: vec![value], data: ElementData::None, comment: String::new() };
    let range = Value::AddressRange("10.0.1.3".parse().unwrap(), "10.0.1.9".parse().unwrap());
    let members = vec![plain(net("10.0.0.0/24")), plain(range), plain(ip("10.2.0.0")), plain(net("255.0.0.0/8"))];
    let verdict = Element {
        key: vec![Value::NumberRange(1024, 65535)],
        data: ElementData::Verdict(Verdict::Accept),
        comment: String::new(),
    };
    let commands = [
        Command::EnsureTable,
        Command::EnsureSet(set),
        Command::EnsureSet(ports),
        Command::AddElements("s".into(), members.clone()),
        Command::AddElements("p".into(), vec![verdict.clone()]),
    ];
    apply(namespace, &table, &commands).unwrap();
    let printed = ruleset(namespace);
    let joined = printed.replace('\n', " ");
    assert!(joined.contains("elements = { 10.0.0.0/24, 10.0.1.3-10.0.1.9, 10.2.0.0, 255.0.0.0/8 }"), "{printed}");
    assert!(printed.contains("elements = { 1024-65535 : accept }"), "{printed}");
    assert_eq!(list_elements(namespace, &table, "s").unwrap(), members);
    assert_eq!(list_elements(namespace, &table, "p").unwrap(), [verdict]);
    apply(namespace, &table, &[Command::DeleteElements("s".into(), vec![plain(net("10.0.0.0/24"))])]).unwrap();
    assert_eq!(list_elements(namespace, &table, "s").unwrap(), members[1..]);
}

fn large_batch(namespace: &Netns) {
    let table = table(Family::Ip);
    let elements = (0..20_000).map(|number| {
        let [_, _, upper, lower] = u32::to_be_bytes(number);
        Element {
            key: vec![ip(&format!("10.0.{upper}.{lower}")), Value::Number(6), Value::Number(80)],
            data: ElementData::Values(vec![ip("10.0.0.1"), Value::Number(80)]),
            comment: format!("{number:0>127}"),
        }
    });
    let commands =
        [Command::EnsureTable, Command::EnsureSet(port_map()), Command::AddElements("m".into(), elements.collect())];
    apply(namespace, &table, &commands).unwrap();
    assert_eq!(list_elements(namespace, &table, "m").unwrap().len(), 20_000);
}
