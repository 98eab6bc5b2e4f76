//! Rules as text, close to what `nft list` prints, so that tests can be read.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::bindings::weir::cni::nftables::{
    Comparison, Element, ElementData, Field, FieldMatch, Rule, SetMatch, Statement, Value, Verdict,
};
use crate::mac::MacAddress;

/// A rule.
pub(crate) fn rule(rule: &Rule) -> String {
    let mut words: Vec<String> = rule.statements.iter().map(statement).collect();
    if !rule.comment.is_empty() {
        words.push(format!("comment {:?}", rule.comment));
    }
    words.join(" ")
}

/// An element of a set or map.
pub(crate) fn element(element: &Element) -> String {
    let key = join(&element.key, " . ");
    match &element.data {
        ElementData::None => key,
        ElementData::Verdict(to) => format!("{key} : {}", verdict(to)),
        ElementData::Values(values) => format!("{key} : {}", join(values, " . ")),
    }
}

fn statement(part: &Statement) -> String {
    match part {
        Statement::MatchField(condition) => field_match(condition),
        Statement::MatchSet(condition) => {
            format!("{} {}@{}", fields(condition), not(condition.comparison), condition.set)
        }
        Statement::Counter => "counter".to_owned(),
        Statement::SetMark(change) => format!("meta mark set mark and not {:#x} or {:#x}", change.mask, change.value),
        Statement::DestinationNat(to) => match (IpAddr::from(to.address), to.port) {
            (IpAddr::V6(address), Some(port)) => format!("dnat to [{address}]:{port}"),
            (address, Some(port)) => format!("dnat to {address}:{port}"),
            (address, None) => format!("dnat to {address}"),
        },
        Statement::DestinationNatByMap(lookup) => format!("dnat to {} map @{}", fields(lookup), lookup.set),
        Statement::Masquerade => "masquerade".to_owned(),
        Statement::Verdict(to) => verdict(to),
        Statement::VerdictByMap(lookup) => format!("{} vmap @{}", fields(lookup), lookup.set),
    }
}

fn verdict(to: &Verdict) -> String {
    match to {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Return => "return".to_owned(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
    }
}

fn not(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "",
        Comparison::NotEqual => "!= ",
    }
}

fn field_match(condition: &FieldMatch) -> String {
    let values = match condition.values.as_slice() {
        [one] => value(one),
        several => format!("{{ {} }}", join(several, ", ")),
    };
    format!("{} {}{values}", field(condition.field), not(condition.comparison))
}

fn fields(lookup: &SetMatch) -> String {
    lookup.fields.iter().map(|part| field(*part)).collect::<Vec<_>>().join(" . ")
}

fn join(values: &[Value], between: &str) -> String {
    values.iter().map(value).collect::<Vec<_>>().join(between)
}

fn value(value: &Value) -> String {
    match value {
        Value::Address(address) => IpAddr::from(*address).to_string(),
        Value::Network(network) => IpNet::from(*network).trunc().to_string(),
        Value::Number(number) => number.to_string(),
        Value::NumberRange((first, last)) => format!("{first}-{last}"),
        Value::AddressRange((first, last)) => format!("{}-{}", IpAddr::from(*first), IpAddr::from(*last)),
        Value::Name(name) => format!("{name:?}"),
        Value::Mac(bytes) => MacAddress::from(bytes.clone()).to_string(),
        Value::AnyBit(bits) => format!("& {bits:#x} != 0"),
        Value::Masked((mask, left)) => format!("& {mask:#x} == {left:#x}"),
    }
}

fn field(field: Field) -> &'static str {
    match field {
        Field::IpSource => "ip saddr",
        Field::IpDestination => "ip daddr",
        Field::Ip6Source => "ip6 saddr",
        Field::Ip6Destination => "ip6 daddr",
        Field::TransportProtocol => "meta l4proto",
        Field::SourcePort => "th sport",
        Field::DestinationPort => "th dport",
        Field::InputInterface => "iifname",
        Field::OutputInterface => "oifname",
        Field::Mark => "meta mark",
        Field::NetworkProtocol => "meta nfproto",
        Field::EtherSource => "ether saddr",
        Field::EtherDestination => "ether daddr",
        Field::DestinationAddressType => "fib daddr type",
        Field::ConnectionState => "ct state",
        Field::ConnectionStatus => "ct status",
    }
}
