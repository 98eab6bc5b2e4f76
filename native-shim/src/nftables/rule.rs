//! Rules: statements turned into the kernel's expressions, with the anonymous sets that they need.

use std::collections::HashMap;

use super::expression::{Base, Expressions, Operator, REGISTER_BYTES, VERDICT, ct, meta, register};
use super::kind::Kind;
use super::operand::{Operand, address_bytes, bounds, operand, successor};
use super::set::{ANONYMOUS_NAME, Shape, ShapeData};
use super::types::{Comparison, Family, Field, FieldMatch, MarkChange, Rule, SetMatch, Statement, Value};
use super::{element, verdict};
use crate::netfilter::attributes::Attributes;
use crate::{Error, ErrorKind, Result};

pub(super) const FAMILY_IPV4: u8 = 2;
pub(super) const FAMILY_IPV6: u8 = 10;
const ETHERNET: u16 = 1;

/// An anonymous set that must be created before its rule.
#[derive(Debug)]
pub(super) struct AnonymousSet {
    pub(super) id: u32,
    pub(super) shape: Shape,
    pub(super) count: usize,
    pub(super) elements: Attributes,
}

/// A rule ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    pub(super) sets: Vec<AnonymousSet>,
    pub(super) expressions: Expressions,
}

/// What a rule is compiled with.
#[derive(Debug)]
pub(super) struct Compiler<'a> {
    family: Family,
    shapes: &'a HashMap<String, Shape>,
    next_id: &'a mut u32,
    out: Compiled,
    /// What the rule has already made sure of: network protocol, and whether frames are Ethernet.
    network: Option<u8>,
    ethernet: bool,
}

fn invalid<T>(why: String) -> Result<T> {
    Err(Error::new(ErrorKind::Invalid, why))
}

/// Compile a rule of a table. `shapes`: of the named maps that it may look up.
pub(super) fn compile(
    family: Family,
    rule: &Rule,
    shapes: &HashMap<String, Shape>,
    next_id: &mut u32,
) -> Result<Compiled> {
    let network = match family {
        Family::Ip => Some(FAMILY_IPV4),
        Family::Ip6 => Some(FAMILY_IPV6),
        Family::Inet | Family::Bridge => None,
    };
    let out = Compiled::default();
    let mut compiler = Compiler { family, shapes, next_id, out, network, ethernet: family == Family::Bridge };
    for statement in &rule.statements {
        compiler.statement(statement)?;
    }
    Ok(compiler.out)
}

impl Compiler<'_> {
    fn statement(&mut self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::MatchField(condition) => self.match_field(condition)?,
            Statement::MatchSet(lookup) => {
                self.load_key(lookup)?;
                let inverted = lookup.comparison == Comparison::NotEqual;
                self.out.expressions.lookup(register(0), &lookup.set, None, None, inverted);
            }
            Statement::Counter => self.out.expressions.counter(),
            Statement::SetMark(change) => self.set_mark(*change),
            Statement::DestinationNat(to) => {
                let address = address_bytes(to.address);
                self.out.expressions.immediate(register(0), &address);
                let port = to.port.map(|port| {
                    self.out.expressions.immediate(register(address.len()), &port.to_be_bytes());
                    register(address.len())
                });
                let family = if to.address.is_ipv4() { FAMILY_IPV4 } else { FAMILY_IPV6 };
                self.out.expressions.destination_nat(family, register(0), port);
            }
            Statement::DestinationNatByMap(lookup) => self.nat_by_map(lookup)?,
            Statement::Masquerade => self.out.expressions.masquerade(),
            Statement::Verdict(verdict) => self.out.expressions.verdict(&verdict::encode(verdict)),
            Statement::VerdictByMap(lookup) => {
                self.load_key(lookup)?;
                self.out.expressions.lookup(register(0), &lookup.set, None, Some(VERDICT), false);
            }
        }
        Ok(())
    }

    /// mark = (mark and not mask) or value, as the and-xor that the kernel has.
    fn set_mark(&mut self, change: MarkChange) {
        if change.mask == u32::MAX {
            self.out.expressions.immediate(register(0), &change.value.to_ne_bytes());
        } else {
            let kept = !(change.mask | change.value);
            self.out.expressions.meta(register(0), meta::MARK);
            self.out.expressions.bitwise(register(0), &kept.to_ne_bytes(), &change.value.to_ne_bytes());
        }
        self.out.expressions.set_meta(register(0), meta::MARK);
    }

    fn nat_by_map(&mut self, lookup: &SetMatch) -> Result<()> {
        let Some(shape) = self.shapes.get(&lookup.set) else {
            let message = format!("there is no map {:?} to translate by: create it first", lookup.set);
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let (family, port) = match &shape.data {
            ShapeData::Values(kinds) => match kinds.as_slice() {
                [Kind::Ipv4] => (FAMILY_IPV4, None),
                [Kind::Ipv6] => (FAMILY_IPV6, None),
                [Kind::Ipv4, Kind::Port] => (FAMILY_IPV4, Some(register(4))),
                [Kind::Ipv6, Kind::Port] => (FAMILY_IPV6, Some(register(16))),
                _ => return invalid(format!("the map {:?} holds no address, or address and port", lookup.set)),
            },
            _ => return invalid(format!("{:?} is no map of addresses", lookup.set)),
        };
        self.load_key(lookup)?;
        self.out.expressions.lookup(register(0), &lookup.set, None, Some(register(0)), false);
        self.out.expressions.destination_nat(family, register(0), port);
        Ok(())
    }

    fn load_key(&mut self, lookup: &SetMatch) -> Result<()> {
        let length: usize = lookup.fields.iter().map(|field| Kind::from(*field).padded()).sum();
        if length == 0 || length > REGISTER_BYTES {
            return invalid(format!("the key for set {:?} has {length} bytes; 1 to 64 are possible", lookup.set));
        }
        for field in &lookup.fields {
            self.guard(*field)?;
        }
        let mut byte = 0;
        for field in &lookup.fields {
            self.load(*field, register(byte));
            byte += Kind::from(*field).padded();
        }
        Ok(())
    }

    /// Make sure of the protocol that a header field belongs to, as nft(8) does.
    fn guard(&mut self, field: Field) -> Result<()> {
        let wanted = match field {
            Field::IpSource | Field::IpDestination => FAMILY_IPV4,
            Field::Ip6Source | Field::Ip6Destination => FAMILY_IPV6,
            Field::EtherSource | Field::EtherDestination if !self.ethernet => {
                self.out.expressions.meta(register(0), meta::INPUT_TYPE);
                self.out.expressions.compare(register(0), Operator::Equal, &ETHERNET.to_ne_bytes());
                self.ethernet = true;
                return Ok(());
            }
            _ => return Ok(()),
        };
        if self.network == Some(wanted) {
            return Ok(());
        }
        match self.family {
            Family::Ip | Family::Ip6 => {
                return invalid(format!("{field:?} cannot be matched in a table of family {:?}", self.family));
            }
            Family::Inet => {
                self.out.expressions.meta(register(0), meta::NETWORK_PROTOCOL);
                self.out.expressions.compare(register(0), Operator::Equal, &[wanted]);
            }
            Family::Bridge => {
                let ether_type: u16 = if wanted == FAMILY_IPV4 { 0x0800 } else { 0x86dd };
                self.out.expressions.meta(register(0), meta::PROTOCOL);
                self.out.expressions.compare(register(0), Operator::Equal, &ether_type.to_be_bytes());
            }
        }
        self.network = Some(wanted);
        Ok(())
    }

    fn load(&mut self, field: Field, to: u32) {
        let out = &mut self.out.expressions;
        let width = Kind::from(field).width();
        match field {
            Field::IpSource => out.payload(to, Base::Network, 12, width),
            Field::IpDestination => out.payload(to, Base::Network, 16, width),
            Field::Ip6Source => out.payload(to, Base::Network, 8, width),
            Field::Ip6Destination => out.payload(to, Base::Network, 24, width),
            Field::SourcePort => out.payload(to, Base::Transport, 0, width),
            Field::DestinationPort => out.payload(to, Base::Transport, 2, width),
            Field::EtherDestination => out.payload(to, Base::Link, 0, width),
            Field::EtherSource => out.payload(to, Base::Link, 6, width),
            Field::TransportProtocol => out.meta(to, meta::TRANSPORT_PROTOCOL),
            Field::NetworkProtocol => out.meta(to, meta::NETWORK_PROTOCOL),
            Field::InputInterface => out.meta(to, meta::INPUT_NAME),
            Field::OutputInterface => out.meta(to, meta::OUTPUT_NAME),
            Field::Mark => out.meta(to, meta::MARK),
            Field::DestinationAddressType => out.destination_type(to),
            Field::ConnectionState => out.ct(to, ct::STATE),
            Field::ConnectionStatus => out.ct(to, ct::STATUS),
        }
    }

    fn match_field(&mut self, condition: &FieldMatch) -> Result<()> {
        let kind = Kind::from(condition.field);
        let operands = condition.values.iter().map(|value| operand(kind, value)).collect::<Result<Vec<_>>>()?;
        self.guard(condition.field)?;
        self.load(condition.field, register(0));
        let equal = condition.comparison == Comparison::Equal;
        match operands.as_slice() {
            [] => return invalid(format!("a match of {:?} has no value to compare with", condition.field)),
            [single] => self.compare(kind, single, equal),
            several => match any_of_bits(several) {
                Some(bits) => self.compare(kind, &bits, equal),
                None => self.compare_several(kind, several, equal)?,
            },
        }
        if let (Field::NetworkProtocol, true, [Value::Number(number)]) =
            (condition.field, equal, condition.values.as_slice())
        {
            self.network = u8::try_from(*number).ok();
        }
        Ok(())
    }

    /// Compare what was loaded with one operand.
    fn compare(&mut self, kind: Kind, with: &Operand, equal: bool) {
        let out = &mut self.out.expressions;
        let (same, different) =
            if equal { (Operator::Equal, Operator::NotEqual) } else { (Operator::NotEqual, Operator::Equal) };
        match with {
            Operand::Exact(bytes) | Operand::Start(bytes) => out.compare(register(0), same, bytes),
            Operand::Masked { mask, value } | Operand::Prefix { mask, value } => {
                out.bitwise(register(0), mask, &vec![0; mask.len()]);
                out.compare(register(0), same, value);
            }
            Operand::AnyBit(bits) => {
                let none = vec![0; bits.len()];
                out.bitwise(register(0), bits, &none);
                out.compare(register(0), different, &none);
            }
            Operand::Range(first, last) => {
                if kind.is_host_order() {
                    out.network_order(register(0));
                }
                if equal {
                    out.compare(register(0), Operator::GreaterOrEqual, first);
                    out.compare(register(0), Operator::LessOrEqual, last);
                } else {
                    out.outside(register(0), first, last);
                }
            }
        }
    }

    /// Compare what was loaded with any of several operands, by an anonymous set.
    fn compare_several(&mut self, kind: Kind, operands: &[Operand], equal: bool) -> Result<()> {
        let exact: Option<Vec<Vec<u8>>> = operands
            .iter()
            .map(|operand| match operand {
                Operand::Exact(bytes) => Some(bytes.clone()),
                _ => None,
            })
            .collect();
        let mut elements = Attributes::new();
        let (interval, count) = if let Some(mut keys) = exact {
            keys.sort();
            keys.dedup();
            element::write_keys(&mut elements, &keys);
            (false, keys.len())
        } else {
            let intervals = merged(operands.iter().map(|one| bounds(kind, one)).collect::<Result<Vec<_>>>()?);
            element::write_intervals(&mut elements, &intervals);
            if kind.is_host_order() {
                self.out.expressions.network_order(register(0));
            }
            (true, intervals.len() * 2)
        };
        *self.next_id += 1;
        let id = *self.next_id;
        let shape = Shape { key: vec![kind], data: ShapeData::None, interval };
        self.out.sets.push(AnonymousSet { id, shape, count, elements });
        self.out.expressions.lookup(register(0), ANONYMOUS_NAME, Some(id), None, !equal);
        Ok(())
    }
}

/// Several tests for bits are one test for all of them.
fn any_of_bits(operands: &[Operand]) -> Option<Operand> {
    let mut operands = operands.iter();
    let Operand::AnyBit(first) = operands.next()? else { return None };
    let mut all = first.clone();
    for operand in operands {
        let Operand::AnyBit(bits) = operand else { return None };
        all.iter_mut().zip(bits).for_each(|(all, bit)| *all |= bit);
    }
    Some(Operand::AnyBit(all))
}

/// Sorted, and joined where they overlap or touch: the kernel refuses overlapping elements.
fn merged(mut intervals: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(Vec<u8>, Vec<u8>)> {
    intervals.sort();
    let mut out: Vec<(Vec<u8>, Vec<u8>)> = Vec::with_capacity(intervals.len());
    for (first, last) in intervals {
        match out.last_mut() {
            Some((_, end)) if successor(end).is_none_or(|next| first <= next) => {
                if last > *end {
                    *end = last;
                }
            }
            _ => out.push((first, last)),
        }
    }
    out
}
