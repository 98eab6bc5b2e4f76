//! Values in the words of nft(8).

use std::net::IpAddr;

use weir_sdk::IpNet;
use weir_sdk::net::nftables::{Field, Value};

const PROTOCOLS: &[(&str, u32)] = &[
    ("icmp", 1),
    ("tcp", 6),
    ("udp", 17),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("sctp", 132),
    ("udplite", 136),
];
const NETWORK_PROTOCOLS: &[(&str, u32)] = &[("ipv4", 2), ("ipv6", 10)];
const STATES: &[(&str, u32)] = &[("invalid", 1), ("established", 2), ("related", 4), ("new", 8), ("untracked", 64)];
const STATUSES: &[(&str, u32)] =
    &[("expected", 1), ("seen-reply", 2), ("assured", 4), ("confirmed", 8), ("snat", 16), ("dnat", 32), ("dying", 512)];
const ADDRESS_TYPES: &[(&str, u32)] = &[
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
];

/// A kind of value in words, for errors.
pub(super) fn describe(field: Field) -> &'static str {
    match field {
        Field::IpSource | Field::IpDestination => "an IPv4 address, prefix or range",
        Field::Ip6Source | Field::Ip6Destination => "an IPv6 address, prefix or range",
        Field::SourcePort | Field::DestinationPort => "a port or a range of ports",
        Field::InputInterface | Field::OutputInterface => "a name of an interface, which has at most 15 bytes",
        Field::TransportProtocol => "a transport protocol",
        Field::NetworkProtocol => "ipv4 or ipv6",
        Field::Mark => "a packet mark",
        Field::EtherSource | Field::EtherDestination => "an Ethernet address",
        Field::DestinationAddressType => "a type of address",
        Field::ConnectionState => "a connection state",
        Field::ConnectionStatus => "a connection status",
    }
}

/// A word as a value of a field.
pub(super) fn value(field: Field, word: &str) -> Option<Value> {
    match field {
        Field::IpSource | Field::IpDestination => addresses(word, true),
        Field::Ip6Source | Field::Ip6Destination => addresses(word, false),
        Field::InputInterface | Field::OutputInterface => {
            let fits = (1..=15).contains(&word.trim_end_matches('*').len()) && !word.contains('/');
            fits.then(|| Value::from(word))
        }
        Field::EtherSource | Field::EtherDestination => mac(word),
        Field::TransportProtocol => numbers(word, PROTOCOLS, u8::MAX.into()),
        Field::NetworkProtocol => numbers(word, NETWORK_PROTOCOLS, u8::MAX.into()),
        Field::SourcePort | Field::DestinationPort => numbers(word, &[], u16::MAX.into()),
        Field::Mark => numbers(word, &[], u32::MAX),
        Field::ConnectionState => named(word, STATES),
        Field::ConnectionStatus => named(word, STATUSES),
        Field::DestinationAddressType => named(word, ADDRESS_TYPES),
    }
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hexadecimal) if !hexadecimal.starts_with('+') => u32::from_str_radix(hexadecimal, 16).ok(),
        Some(_) => None,
        None if text.starts_with('+') => None,
        None => text.parse().ok(),
    }
}

fn named(word: &str, names: &[(&str, u32)]) -> Option<Value> {
    names.iter().find(|(name, _)| *name == word).map(|(_, number)| Value::Number(*number))
}

fn numbers(word: &str, names: &[(&str, u32)], max: u32) -> Option<Value> {
    if let Some(value) = named(word, names) {
        return Some(value);
    }
    let limited = |text: &str| number(text).filter(|number| *number <= max);
    match word.split_once('-') {
        None => limited(word).map(Value::Number),
        Some((first, last)) => {
            limited(first).zip(limited(last)).filter(|(first, last)| first <= last).map(Value::NumberRange)
        }
    }
}

fn addresses(word: &str, is_ipv4: bool) -> Option<Value> {
    let address = |text: &str| text.parse::<IpAddr>().ok().filter(|address| address.is_ipv4() == is_ipv4);
    if word.contains('/') {
        let network = word.parse::<IpNet>().ok().filter(|network| network.addr().is_ipv4() == is_ipv4)?;
        return Some(Value::from(network.trunc()));
    }
    match word.split_once('-') {
        None => address(word).map(Value::from),
        Some((first, last)) => {
            let (first, last) = address(first).zip(address(last)).filter(|(first, last)| first <= last)?;
            Some(Value::AddressRange((first.into(), last.into())))
        }
    }
}

fn mac(word: &str) -> Option<Value> {
    let byte = |text: &str| (text.len() == 2).then(|| u8::from_str_radix(text, 16).ok()).flatten();
    let bytes: Vec<u8> = word.split(':').map(byte).collect::<Option<_>>()?;
    (bytes.len() == 6).then_some(Value::Mac(bytes))
}
