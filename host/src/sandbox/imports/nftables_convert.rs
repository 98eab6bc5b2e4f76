//! The contract's words for nftables, and those of `weir-native`: the same, one to one.

use weir_native::Result;
use weir_native::nftables as native;

use super::convert;
use crate::sandbox::bindings::cni::nftables::{
    self as wit, Comparison, DataType, Element, ElementData, Family, Field, Hook, Policy, SetData, Statement, Value,
    Verdict,
};

pub(super) fn table(table: wit::Table) -> native::Table {
    let family = match table.family {
        Family::Ip => native::Family::Ip,
        Family::Ip6 => native::Family::Ip6,
        Family::Inet => native::Family::Inet,
        Family::Bridge => native::Family::Bridge,
    };
    native::Table { family, name: table.name }
}

pub(super) fn command(command: wit::Command) -> Result<native::Command> {
    Ok(match command {
        wit::Command::EnsureTable => native::Command::EnsureTable,
        wit::Command::EnsureChain(chain) => native::Command::EnsureChain(native::EnsuredChain {
            name: chain.name,
            base: chain.base.map(base_chain),
            rules: convert::all(chain.rules, rule)?,
        }),
        wit::Command::EnsureSet(set) => native::Command::EnsureSet(native::Set {
            name: set.name,
            key: set.key.into_iter().map(data_type).collect(),
            data: match set.data {
                SetData::None => native::SetData::None,
                SetData::Verdict => native::SetData::Verdict,
                SetData::Values(types) => native::SetData::Values(types.into_iter().map(data_type).collect()),
            },
            interval: set.interval,
        }),
        wit::Command::AddRule(new) => {
            native::Command::AddRule(native::NewRule { chain: new.chain, first: new.first, rule: rule(new.rule)? })
        }
        wit::Command::AddElements((set, elements)) => {
            native::Command::AddElements(set, convert::all(elements, element)?)
        }
        wit::Command::DeleteRules((chain, handles)) => native::Command::DeleteRules(chain, handles),
        wit::Command::DeleteElements((set, elements)) => {
            native::Command::DeleteElements(set, convert::all(elements, element)?)
        }
        wit::Command::FlushChain(chain) => native::Command::FlushChain(chain),
        wit::Command::DeleteChain(chain) => native::Command::DeleteChain(chain),
        wit::Command::DeleteSet(set) => native::Command::DeleteSet(set),
        wit::Command::DeleteTable => native::Command::DeleteTable,
    })
}

fn base_chain(base: wit::BaseChain) -> native::BaseChain {
    native::BaseChain {
        chain_type: match base.type_ {
            wit::ChainType::Filter => native::ChainType::Filter,
            wit::ChainType::Nat => native::ChainType::Nat,
            wit::ChainType::Route => native::ChainType::Route,
        },
        hook: hook(base.hook),
        priority: base.priority,
        policy: match base.policy {
            Policy::Accept => native::Policy::Accept,
            Policy::Drop => native::Policy::Drop,
        },
    }
}

pub(super) fn hook(hook: Hook) -> native::Hook {
    match hook {
        Hook::Prerouting => native::Hook::Prerouting,
        Hook::Input => native::Hook::Input,
        Hook::Forward => native::Hook::Forward,
        Hook::Output => native::Hook::Output,
        Hook::Postrouting => native::Hook::Postrouting,
    }
}

pub(super) fn base_chain_out(chain: native::BaseChainInfo) -> wit::BaseChainInfo {
    let native::BaseChain { chain_type, hook, priority, policy } = chain.base;
    wit::BaseChainInfo {
        table: wit::Table {
            family: match chain.table.family {
                native::Family::Ip => Family::Ip,
                native::Family::Ip6 => Family::Ip6,
                native::Family::Inet => Family::Inet,
                native::Family::Bridge => Family::Bridge,
            },
            name: chain.table.name,
        },
        name: chain.name,
        base: wit::BaseChain {
            type_: match chain_type {
                native::ChainType::Filter => wit::ChainType::Filter,
                native::ChainType::Nat => wit::ChainType::Nat,
                native::ChainType::Route => wit::ChainType::Route,
            },
            hook: match hook {
                native::Hook::Prerouting => Hook::Prerouting,
                native::Hook::Input => Hook::Input,
                native::Hook::Forward => Hook::Forward,
                native::Hook::Output => Hook::Output,
                native::Hook::Postrouting => Hook::Postrouting,
            },
            priority,
            policy: match policy {
                native::Policy::Accept => Policy::Accept,
                native::Policy::Drop => Policy::Drop,
            },
        },
    }
}

fn rule(rule: wit::Rule) -> Result<native::Rule> {
    Ok(native::Rule { statements: convert::all(rule.statements, statement)?, comment: rule.comment })
}

fn statement(statement: Statement) -> Result<native::Statement> {
    Ok(match statement {
        Statement::MatchField(m) => native::Statement::MatchField(native::FieldMatch {
            field: field(m.field),
            comparison: comparison(m.comparison),
            values: convert::all(m.values, value)?,
        }),
        Statement::MatchSet(m) => native::Statement::MatchSet(set_match(m)),
        Statement::Counter => native::Statement::Counter,
        Statement::SetMark(change) => {
            native::Statement::SetMark(native::MarkChange { mask: change.mask, value: change.value })
        }
        Statement::DestinationNat(to) => native::Statement::DestinationNat(native::Destination {
            address: convert::address(to.address),
            port: to.port,
        }),
        Statement::DestinationNatByMap(m) => native::Statement::DestinationNatByMap(set_match(m)),
        Statement::Masquerade => native::Statement::Masquerade,
        Statement::Verdict(v) => native::Statement::Verdict(verdict(v)),
        Statement::VerdictByMap(m) => native::Statement::VerdictByMap(set_match(m)),
    })
}

fn set_match(m: wit::SetMatch) -> native::SetMatch {
    native::SetMatch {
        fields: m.fields.into_iter().map(field).collect(),
        comparison: comparison(m.comparison),
        set: m.set,
    }
}

fn comparison(comparison: Comparison) -> native::Comparison {
    match comparison {
        Comparison::Equal => native::Comparison::Equal,
        Comparison::NotEqual => native::Comparison::NotEqual,
    }
}

fn field(field: Field) -> native::Field {
    match field {
        Field::IpSource => native::Field::IpSource,
        Field::IpDestination => native::Field::IpDestination,
        Field::Ip6Source => native::Field::Ip6Source,
        Field::Ip6Destination => native::Field::Ip6Destination,
        Field::TransportProtocol => native::Field::TransportProtocol,
        Field::SourcePort => native::Field::SourcePort,
        Field::DestinationPort => native::Field::DestinationPort,
        Field::InputInterface => native::Field::InputInterface,
        Field::OutputInterface => native::Field::OutputInterface,
        Field::Mark => native::Field::Mark,
        Field::NetworkProtocol => native::Field::NetworkProtocol,
        Field::EtherSource => native::Field::EtherSource,
        Field::EtherDestination => native::Field::EtherDestination,
        Field::DestinationAddressType => native::Field::DestinationAddressType,
        Field::ConnectionState => native::Field::ConnectionState,
        Field::ConnectionStatus => native::Field::ConnectionStatus,
    }
}

fn value(value: Value) -> Result<native::Value> {
    Ok(match value {
        Value::Address(a) => native::Value::Address(convert::address(a)),
        Value::Network(n) => native::Value::Network(convert::network(n)?),
        Value::Number(n) => native::Value::Number(n),
        Value::NumberRange((first, last)) => native::Value::NumberRange(first, last),
        Value::AddressRange((first, last)) => {
            native::Value::AddressRange(convert::address(first), convert::address(last))
        }
        Value::Name(name) => native::Value::Name(name),
        Value::Mac(mac) => native::Value::Mac(mac),
        Value::AnyBit(bits) => native::Value::AnyBit(bits),
        Value::Masked((mask, left)) => native::Value::Masked(mask, left),
    })
}

fn verdict(verdict: Verdict) -> native::Verdict {
    match verdict {
        Verdict::Accept => native::Verdict::Accept,
        Verdict::Drop => native::Verdict::Drop,
        Verdict::Return => native::Verdict::Return,
        Verdict::Jump(chain) => native::Verdict::Jump(chain),
        Verdict::Goto(chain) => native::Verdict::Goto(chain),
    }
}

fn data_type(data_type: DataType) -> native::DataType {
    match data_type {
        DataType::Ipv4Address => native::DataType::Ipv4Address,
        DataType::Ipv6Address => native::DataType::Ipv6Address,
        DataType::TransportProtocol => native::DataType::TransportProtocol,
        DataType::Port => native::DataType::Port,
        DataType::Mark => native::DataType::Mark,
        DataType::InterfaceName => native::DataType::InterfaceName,
        DataType::EtherAddress => native::DataType::EtherAddress,
    }
}

fn element(element: Element) -> Result<native::Element> {
    Ok(native::Element {
        key: convert::all(element.key, value)?,
        data: match element.data {
            ElementData::None => native::ElementData::None,
            ElementData::Verdict(v) => native::ElementData::Verdict(verdict(v)),
            ElementData::Values(values) => native::ElementData::Values(convert::all(values, value)?),
        },
        comment: element.comment,
    })
}

pub(super) fn element_out(element: native::Element) -> Element {
    Element {
        key: element.key.into_iter().map(value_out).collect(),
        data: match element.data {
            native::ElementData::None => ElementData::None,
            native::ElementData::Verdict(v) => ElementData::Verdict(verdict_out(v)),
            native::ElementData::Values(values) => ElementData::Values(values.into_iter().map(value_out).collect()),
        },
        comment: element.comment,
    }
}

fn value_out(value: native::Value) -> Value {
    match value {
        native::Value::Address(a) => Value::Address(convert::address_out(a)),
        native::Value::Network(n) => Value::Network(convert::network_out(n)),
        native::Value::Number(n) => Value::Number(n),
        native::Value::NumberRange(first, last) => Value::NumberRange((first, last)),
        native::Value::AddressRange(first, last) => {
            Value::AddressRange((convert::address_out(first), convert::address_out(last)))
        }
        native::Value::Name(name) => Value::Name(name),
        native::Value::Mac(mac) => Value::Mac(mac),
        native::Value::AnyBit(bits) => Value::AnyBit(bits),
        native::Value::Masked(mask, left) => Value::Masked((mask, left)),
    }
}

fn verdict_out(verdict: native::Verdict) -> Verdict {
    match verdict {
        native::Verdict::Accept => Verdict::Accept,
        native::Verdict::Drop => Verdict::Drop,
        native::Verdict::Return => Verdict::Return,
        native::Verdict::Jump(chain) => Verdict::Jump(chain),
        native::Verdict::Goto(chain) => Verdict::Goto(chain),
    }
}
