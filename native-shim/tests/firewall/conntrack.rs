//! Connections are forgotten by protocol, family and destination port, and others stay.

use std::net::UdpSocket;

use libtest_mimic::Trial;
use weir_native::conntrack::{FlowFilter, flush};
use weir_native::family::IpFamily;
use weir_native::netns::Netns;
use weir_native::nftables::*;

use super::support::{run, test};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        test("only_connections_that_match_are_forgotten", forget),
        test("without_connections_none_are_forgotten", forget_none),
    ]
}

fn filter(family: IpFamily, destination_port: u16) -> FlowFilter {
    FlowFilter { family, protocol: 17, destination_port }
}

/// A rule that looks at connections makes the kernel track them.
fn track(namespace: &Netns) {
    let table = Table { family: Family::Inet, name: "weir_test".into() };
    let look = Statement::MatchField(FieldMatch {
        field: Field::ConnectionState,
        comparison: Comparison::Equal,
        values: vec![Value::AnyBit(8)],
    });
    let base = BaseChain { chain_type: ChainType::Filter, hook: Hook::Output, priority: 0, policy: Policy::Accept };
    let chain = EnsuredChain {
        name: "out".into(),
        base: Some(base),
        rules: vec![Rule { statements: vec![look, Statement::Counter], comment: String::new() }],
    };
    apply(namespace, &table, &[Command::EnsureTable, Command::EnsureChain(chain)]).unwrap();
}

fn forget(namespace: &Netns) {
    run(namespace, &["ip", "link", "set", "lo", "up"]);
    track(namespace);
    namespace
        .enter(|| {
            for (from, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "[::1]")] {
                for port in [4000, 4001] {
                    let socket = UdpSocket::bind(from).unwrap();
                    socket.send_to(b"!", format!("{to}:{port}")).unwrap();
                }
            }
        })
        .unwrap();
    assert_eq!(flush(namespace, &[filter(IpFamily::Ipv4, 4002)]), Ok(0));
    assert_eq!(flush(namespace, &[filter(IpFamily::Ipv4, 4000), filter(IpFamily::Ipv6, 4001)]), Ok(2));
    assert_eq!(flush(namespace, &[filter(IpFamily::Ipv4, 4000), filter(IpFamily::Ipv6, 4001)]), Ok(0));
    assert_eq!(flush(namespace, &[FlowFilter { protocol: 6, ..filter(IpFamily::Ipv4, 4001) }]), Ok(0));
    assert_eq!(flush(namespace, &[filter(IpFamily::Ipv4, 4001), filter(IpFamily::Ipv6, 4000)]), Ok(2));
}

fn forget_none(namespace: &Netns) {
    assert_eq!(flush(namespace, &[filter(IpFamily::Ipv4, 53), filter(IpFamily::Ipv6, 53)]), Ok(0));
    assert_eq!(flush(namespace, &[]), Ok(0));
}
