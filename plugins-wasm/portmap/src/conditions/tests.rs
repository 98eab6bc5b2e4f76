//! What is understood, and what is refused by which word.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use weir_sdk::net::IpFamily;
use weir_sdk::net::nftables::{Batch, Chain, Rule, Table};
use weir_sdk::testing::World;

use super::parse;

/// The conditions as a rule of the model, which prints it much as nft(8) does.
fn read(text: &str, family: IpFamily) -> String {
    let world = World::new();
    let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let rule = parse(&words, family).unwrap().into_iter().fold(Rule::new(), Rule::statement);
    let chain = Chain::regular("c").rule(rule);
    Batch::new(Table::ip("t")).ensure_table().ensure_chain(chain).apply(&weir_sdk::Netns::host().unwrap()).unwrap();
    world.host().nft_rules("ip", "t", "c").remove(0)
}

fn refused(text: &str, family: IpFamily) -> String {
    let error = parse(&[text.to_owned()], family).unwrap_err();
    assert_eq!(error.code, 7);
    error.msg
}

#[test]
fn matches_are_understood_in_the_words_of_nft() {
    for (words, expected) in [
        ("ip saddr 192.0.2.1", "ip saddr 192.0.2.1"),
        ("ip saddr != 192.168.1.7/24", "ip saddr != 192.168.1.0/24"),
        ("ip daddr == 10.0.0.1-10.0.0.9", "ip daddr 10.0.0.1-10.0.0.9"),
        ("ip daddr { 10.0.0.1, 10.1.0.0/16 }", "ip daddr { 10.0.0.1, 10.1.0.0/16 }"),
        ("ip daddr != {10.0.0.1,10.0.0.2,}", "ip daddr != { 10.0.0.1, 10.0.0.2 }"),
        ("tcp dport 80-90", "meta l4proto 6 th dport 80-90"),
        ("udp sport != { 53, 5353 }", "meta l4proto 17 th sport != { 53, 5353 }"),
        ("th dport 0x50", "th dport 80"),
        ("iifname eth0", "iifname \"eth0\""),
        ("meta oifname != \"veth*\"", "oifname != \"veth*\""),
        ("meta mark 0x10", "meta mark 16"),
        ("mark & 0x2000 == 0x2000", "meta mark & 0x2000 == 0x2000"),
        ("meta mark and 0x2000 != 0", "meta mark != & 0x2000 == 0x0"),
        ("meta l4proto { tcp, 17 }", "meta l4proto { 6, 17 }"),
        ("ip protocol tcp", "meta l4proto 6"),
        ("ct state established,related", "ct state & 0x6 != 0"),
        ("ct state { new, untracked }", "ct state { 8, 64 }"),
        ("ct status != dnat", "ct status != & 0x20 != 0"),
        ("fib daddr type local", "fib daddr type 2"),
        ("ether saddr 02:00:00:00:00:01", "ether saddr 02:00:00:00:00:01"),
        ("ip saddr 10.0.0.1 iifname != eth0", "ip saddr 10.0.0.1 iifname != \"eth0\""),
    ] {
        assert_eq!(read(words, IpFamily::Ipv4), expected, "{words}");
    }
    assert_eq!(read("ip6 saddr != fd00::/8", IpFamily::Ipv6), "ip6 saddr != fd00::/8");
}

#[test]
fn no_conditions_are_no_statements() {
    assert_eq!(parse(&[], IpFamily::Ipv4).unwrap(), []);
    assert_eq!(parse(&[String::new()], IpFamily::Ipv4).unwrap(), []);
}

#[test]
fn what_is_not_understood_is_named() {
    for (words, word) in [
        ("-s 192.0.2.1", "\"-s\""),
        ("ip ttl 5", "\"ttl\""),
        ("ip saddr fd00::1", "\"fd00::1\""),
        ("ip saddr", "\"a match\""),
        ("ip6 saddr fd00::1", "\"ip6\""),
        ("tcp flags syn", "\"flags\""),
        ("tcp dport http", "\"http\""),
        ("tcp dport 65536", "\"65536\""),
        ("tcp dport 90-80", "\"90-80\""),
        ("tcp dport 80, 90", "\",\""),
        ("tcp dport { 80 90 }", "\"90\""),
        ("tcp dport { 80", "\"{\""),
        ("tcp dport { }", "\"{}\""),
        ("meta skuid 0", "\"skuid\""),
        ("iifname a-name-with-16-b", "\"a-name-with-16-b\""),
        ("ct state strange", "\"strange\""),
        ("mark & x == 1", "\"x\""),
        ("ip saddr 10.0.0.1 drop", "\"drop\""),
        ("ip saddr @set", "\"@set\""),
        ("fib saddr type local", "\"saddr\""),
    ] {
        let message = refused(words, IpFamily::Ipv4);
        assert!(message.starts_with("conditionsV4: ") && message.contains(word), "{words}: {message}");
    }
    assert!(refused("ip saddr 10.0.0.1", IpFamily::Ipv6).contains("conditionsV6: \"ip\""));
}
