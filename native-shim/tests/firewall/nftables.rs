//! What nft(8) prints of rule sets that were made here, and what the kernel does with them.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};

use libtest_mimic::Trial;
use weir_native::ErrorKind;
use weir_native::netns::Netns;
use weir_native::nftables::*;

use super::support::{ruleset, run, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("every_match_reads_as_nft_would_write_it", every_match),
        test("several_values_become_anonymous_sets", several_values),
        test("maps_and_sets_with_their_elements_read_back", maps_and_sets),
        test("interval_sets_take_prefixes_and_ranges", interval_sets),
        test("address_and_port_are_translated_by_statement_and_by_map", translation),
        test("what_is_there_is_neither_created_again_nor_changed", ensure_twice),
        test("a_failed_step_leaves_nothing_and_is_named", failed_step),
        test("rules_are_listed_by_chain_with_comment_and_deleted_by_handle", list_and_delete),
        test("deleting_and_making_again_works_in_one_batch", rebuild),
        test("chains_that_are_jumped_to_are_busy", busy_chain),
        test("lists_of_what_is_missing_are_empty", missing_lists),
        test("racing_writers_all_succeed", racing_writers),
        test("a_large_batch_is_one_transaction", large_batch),
        test("names_and_comments_that_the_kernel_cannot_hold_are_refused", bad_names),
        test("bridge_tables_guard_by_ether_type", bridge_family),
        test("connections_reach_the_translated_destination", packets),
    ]
}

fn table(family: Family) -> Table {
    Table { family, name: "weir_test".into() }
}

fn chain(name: &str, base: Option<(ChainType, Hook, i32)>, rules: Vec<Rule>) -> Command {
    let base =
        base.map(|(chain_type, hook, priority)| BaseChain { chain_type, hook, priority, policy: Policy::Accept });
    Command::EnsureChain(EnsuredChain { name: name.into(), base, rules })
}

fn rule(statements: Vec<Statement>) -> Rule {
    Rule { statements, comment: String::new() }
}

fn is(field: Field, values: Vec<Value>) -> Statement {
    Statement::MatchField(FieldMatch { field, comparison: Comparison::Equal, values })
}

fn is_not(field: Field, values: Vec<Value>) -> Statement {
    Statement::MatchField(FieldMatch { field, comparison: Comparison::NotEqual, values })
}

fn accept() -> Statement {
    Statement::Verdict(Verdict::Accept)
}

fn ip(text: &str) -> Value {
    Value::Address(text.parse().unwrap())
}

fn net(text: &str) -> Value {
    Value::Network(text.parse().unwrap())
}

fn name(text: &str) -> Value {
    Value::Name(text.into())
}

fn lookup(fields: Vec<Field>, set: &str) -> SetMatch {
    SetMatch { fields, comparison: Comparison::Equal, set: set.into() }
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

fn port_map() -> Set {
    Set {
        name: "m".into(),
        key: vec![DataType::Ipv4Address, DataType::TransportProtocol, DataType::Port],
        data: SetData::Values(vec![DataType::Ipv4Address, DataType::Port]),
        interval: false,
    }
}

fn port_element(port: u32, to: &str) -> Element {
    Element {
        key: vec![ip("192.0.2.1"), Value::Number(6), Value::Number(port)],
        data: ElementData::Values(vec![ip(to), Value::Number(8080)]),
        comment: format!("to {to}"),
    }
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

fn ensure_twice(namespace: &Netns) {
    let base = Some((ChainType::Filter, Hook::Input, 0));
    let commands = |comment: &str| {
        let mut first = rule(vec![accept()]);
        first.comment = comment.into();
        [
            Command::EnsureTable,
            Command::EnsureSet(port_map()),
            chain("in", base, vec![first.clone()]),
            chain("in", base, vec![first]),
        ]
    };
    let table = table(Family::Inet);
    apply(namespace, &table, &commands("one")).unwrap();
    let before = run(namespace, &["nft", "-a", "list", "ruleset"]);
    apply(namespace, &table, &commands("two")).unwrap();
    assert_eq!(run(namespace, &["nft", "-a", "list", "ruleset"]), before);
    assert_eq!(list_rules(namespace, &table, None).unwrap().len(), 1);
}

fn failed_step(namespace: &Netns) {
    let jump = rule(vec![Statement::Verdict(Verdict::Jump("nowhere".into()))]);
    let commands = [
        Command::EnsureTable,
        chain("c", None, vec![]),
        Command::AddRule(NewRule { chain: "c".into(), first: false, rule: jump }),
        Command::AddRule(NewRule { chain: "c".into(), first: false, rule: rule(vec![accept()]) }),
    ];
    let error = apply(namespace, &table(Family::Ip), &commands).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains("add rule") && error.message.contains("\"c\""), "{error}");
    assert_eq!(ruleset(namespace), "");

    let wrong = [Command::EnsureTable, chain("c", None, vec![rule(vec![is(Field::Ip6Source, vec![ip("fd00::1")])])])];
    let error = apply(namespace, &table(Family::Ip), &wrong).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert_eq!(ruleset(namespace), "");
}

fn list_and_delete(namespace: &Netns) {
    let table = table(Family::Inet);
    let commented = |comment: String| Rule { statements: vec![accept()], comment };
    let many = (0..300).map(|number| commented(format!("rule {number}"))).collect();
    let commands = [
        Command::EnsureTable,
        chain("a", None, many),
        chain("b", None, vec![commented("x".repeat(127))]),
        Command::AddRule(NewRule { chain: "a".into(), first: true, rule: commented("first".into()) }),
    ];
    apply(namespace, &table, &commands).unwrap();
    assert_eq!(list_chains(namespace, &table).unwrap(), ["a", "b"]);
    let listed = list_rules(namespace, &table, Some("a")).unwrap();
    assert_eq!(listed.len(), 301);
    assert_eq!(listed[0].comment, "first");
    assert_eq!(listed[300].comment, "rule 299");
    assert!(listed.iter().all(|rule| rule.chain == "a"));
    assert_eq!(list_rules(namespace, &table, None).unwrap().len(), 302);
    assert_eq!(list_rules(namespace, &table, Some("b")).unwrap()[0].comment, "x".repeat(127));
    let handles = listed[1..].iter().map(|rule| rule.handle).collect();
    apply(namespace, &table, &[Command::DeleteRules("a".into(), handles)]).unwrap();
    assert_eq!(list_rules(namespace, &table, Some("a")).unwrap(), listed[..1]);
    let again = apply(namespace, &table, &[Command::DeleteRules("a".into(), vec![listed[5].handle])]).unwrap_err();
    assert_eq!(again.kind, ErrorKind::NotFound);
    apply(namespace, &table, &[Command::FlushChain("a".into()), Command::DeleteChain("b".into())]).unwrap();
    assert_eq!(ruleset(namespace), "table inet weir_test {\nchain a {\n}\n}");
}

fn rebuild(namespace: &Netns) {
    let table = table(Family::Ip);
    let create = [Command::EnsureTable, chain("c", None, vec![rule(vec![accept()])])];
    apply(namespace, &table, &create).unwrap();
    let again = [
        Command::DeleteTable,
        Command::EnsureTable,
        chain("c", None, vec![rule(vec![Statement::Verdict(Verdict::Drop)])]),
    ];
    apply(namespace, &table, &again).unwrap();
    assert_eq!(ruleset(namespace), "table ip weir_test {\nchain c {\ndrop\n}\n}");
    apply(namespace, &table, &[Command::DeleteTable]).unwrap();
    assert_eq!(ruleset(namespace), "");
    assert_eq!(apply(namespace, &table, &[Command::DeleteTable]).unwrap_err().kind, ErrorKind::NotFound);
}

fn busy_chain(namespace: &Netns) {
    let table = table(Family::Ip);
    let jump = rule(vec![Statement::Verdict(Verdict::Jump("a".into()))]);
    apply(namespace, &table, &[Command::EnsureTable, chain("a", None, vec![]), chain("b", None, vec![jump])]).unwrap();
    let error = apply(namespace, &table, &[Command::DeleteChain("a".into())]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Busy);
    assert!(error.message.contains("delete chain \"a\""), "{error}");
    apply(namespace, &table, &[Command::DeleteChain("b".into()), Command::DeleteChain("a".into())]).unwrap();
}

fn missing_lists(namespace: &Netns) {
    let table = table(Family::Inet);
    assert_eq!(list_rules(namespace, &table, None).unwrap(), []);
    assert_eq!(list_rules(namespace, &table, Some("c")).unwrap(), []);
    assert_eq!(list_chains(namespace, &table).unwrap(), Vec::<String>::new());
    assert_eq!(list_elements(namespace, &table, "s").unwrap(), []);
    apply(namespace, &table, &[Command::EnsureTable]).unwrap();
    assert_eq!(list_rules(namespace, &table, Some("c")).unwrap(), []);
    assert_eq!(list_elements(namespace, &table, "s").unwrap(), []);
}

fn racing_writers(namespace: &Netns) {
    let table = table(Family::Inet);
    std::thread::scope(|scope| {
        for writer in 0..6 {
            let table = &table;
            scope.spawn(move || {
                for round in 0..20 {
                    let added = Rule { statements: vec![accept()], comment: format!("{writer}/{round}") };
                    let commands = [
                        Command::EnsureTable,
                        Command::EnsureSet(port_map()),
                        chain("c", Some((ChainType::Filter, Hook::Input, 0)), vec![]),
                        Command::AddRule(NewRule { chain: "c".into(), first: false, rule: added }),
                    ];
                    // A handle of its own for each transaction, as another process would have.
                    let own = namespace.enter(|| Netns::current().unwrap()).unwrap();
                    apply(&own, table, &commands).unwrap();
                }
            });
        }
    });
    assert_eq!(list_rules(namespace, &table, Some("c")).unwrap().len(), 120);
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

fn bad_names(namespace: &Netns) {
    let table = table(Family::Ip);
    let kind = |commands: &[Command]| apply(namespace, &table, commands).unwrap_err().kind;
    assert_eq!(kind(&[Command::EnsureTable, chain("", None, vec![])]), ErrorKind::Invalid);
    assert_eq!(kind(&[Command::EnsureTable, chain(&"x".repeat(256), None, vec![])]), ErrorKind::Invalid);
    let long = Rule { statements: vec![accept()], comment: "x".repeat(128) };
    assert_eq!(kind(&[Command::EnsureTable, chain("c", None, vec![long])]), ErrorKind::Invalid);
    assert_eq!(
        kind(&[Command::EnsureTable, chain("c", None, vec![rule(vec![is(Field::Mark, vec![])])])]),
        ErrorKind::Invalid
    );
    assert_eq!(ruleset(namespace), "");
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
