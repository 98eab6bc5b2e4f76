//! Elements of sets and maps: written, and read back.

use std::net::IpAddr;

use ipnet::IpNet;

use super::kind::Kind;
use super::operand::{bounds, exact, operand, successor};
use super::set::{Shape, ShapeData};
use super::types::{Element, ElementData, Value};
use super::{comment, verdict};
use crate::netfilter::attributes::{Attributes, Reader, number, text};
use crate::{Error, ErrorKind, Result};

const LIST_ELEMENT: u16 = 1;
const KEY: u16 = 1;
const DATA: u16 = 2;
const FLAGS: u16 = 3;
const USER_DATA: u16 = 6;
const DATA_VALUE: u16 = 1;
const INTERVAL_END: u32 = 1;
/// Elements in the answer to a listing (NFTA_SET_ELEM_LIST_ELEMENTS).
const ELEMENTS: u16 = 3;

fn invalid<T>(why: &str) -> Result<T> {
    Err(Error::new(ErrorKind::Invalid, why))
}

/// Several values as one key or datum: each padded, unless there is only one.
fn combined(kinds: &[Kind], values: &[Value]) -> Result<Vec<u8>> {
    if kinds.len() != values.len() {
        return invalid(&format!("{} values given for a key or datum of {} parts", values.len(), kinds.len()));
    }
    if let ([kind], [value]) = (kinds, values) {
        return exact(*kind, value);
    }
    let mut bytes = Vec::new();
    for (kind, value) in kinds.iter().zip(values) {
        bytes.extend(exact(*kind, value)?);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    Ok(bytes)
}

fn end_of_interval(list: &mut Attributes, key: &[u8]) {
    list.nested(LIST_ELEMENT, |attributes| {
        attributes.number(FLAGS, INTERVAL_END).nested(KEY, |datum| {
            datum.bytes(DATA_VALUE, key);
        });
    });
}

/// Append an element to a list; `with_data` is false where elements are to be deleted.
pub(super) fn write(list: &mut Attributes, shape: &Shape, element: &Element, with_data: bool) -> Result<()> {
    let (key, end) = match (shape.key.as_slice(), element.key.as_slice()) {
        ([kind], [value]) if shape.interval => {
            let (first, last) = bounds(*kind, &operand(*kind, value)?)?;
            (first, successor(&last))
        }
        (kinds, values) => (combined(kinds, values)?, None),
    };
    let data = match (&shape.data, &element.data) {
        _ if !with_data => None,
        (ShapeData::None, ElementData::None) => None,
        (ShapeData::Verdict, ElementData::Verdict(verdict)) => Some(verdict::encode(verdict)),
        (ShapeData::Values(kinds), ElementData::Values(values)) => {
            let mut datum = Attributes::new();
            datum.bytes(DATA_VALUE, &combined(kinds, values)?);
            Some(datum)
        }
        _ => return invalid("the data of the element is not what the set maps to"),
    };
    let comment = if with_data { comment::encode(&element.comment)? } else { None };
    list.nested(LIST_ELEMENT, |attributes| {
        attributes.nested(KEY, |datum| {
            datum.bytes(DATA_VALUE, &key);
        });
        if let Some(data) = &data {
            attributes.group(DATA, data);
        }
        if let Some(comment) = &comment {
            attributes.bytes(USER_DATA, comment);
        }
    });
    if let Some(end) = end {
        end_of_interval(list, &end);
    }
    Ok(())
}

/// Append the keys of an anonymous set without intervals.
pub(super) fn write_keys(list: &mut Attributes, keys: &[Vec<u8>]) {
    for key in keys {
        list.nested(LIST_ELEMENT, |attributes| {
            attributes.nested(KEY, |datum| {
                datum.bytes(DATA_VALUE, key);
            });
        });
    }
}

/// Append intervals that do not overlap, given by first and last.
pub(super) fn write_intervals(list: &mut Attributes, intervals: &[(Vec<u8>, Vec<u8>)]) {
    for (first, last) in intervals {
        write_keys(list, std::slice::from_ref(first));
        if let Some(end) = successor(last) {
            end_of_interval(list, &end);
        }
    }
}

fn value(kind: Kind, bytes: &[u8]) -> Option<Value> {
    Some(match kind {
        Kind::Ipv4 => Value::Address(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        Kind::Ipv6 => Value::Address(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        Kind::Ether => Value::Mac(bytes.to_vec()),
        Kind::InterfaceName => Value::Name(text(bytes)),
        _ if kind.is_host_order() => Value::Number(u32::from_ne_bytes(bytes.try_into().ok()?)),
        _ => Value::Number(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))),
    })
}

fn values(kinds: &[Kind], mut bytes: &[u8]) -> Option<Vec<Value>> {
    let mut found = Vec::with_capacity(kinds.len());
    for kind in kinds {
        found.push(value(*kind, bytes.get(..kind.width())?)?);
        bytes = bytes.get(kind.padded()..).unwrap_or_default();
    }
    Some(found)
}

/// An interval as value: one, a prefix or a range.
fn interval(kind: Kind, first: &[u8], end: Option<&[u8]>) -> Option<Value> {
    let last: Vec<u8> = match end {
        Some(end) => predecessor(end)?,
        None => vec![0xff; kind.width()],
    };
    let (from, to) = (value(kind, first)?, value(kind, &last)?);
    if first == last {
        return Some(from);
    }
    Some(match (from, to) {
        (Value::Address(from), Value::Address(to)) => {
            let longest = u8::try_from(first.len() * 8).ok()?;
            let prefix = (0..longest).filter_map(|length| IpNet::new(from, length).ok());
            let mut prefix = prefix.filter(|net| net.network() == from && net.broadcast() == to);
            prefix.next().map_or(Value::AddressRange(from, to), Value::Network)
        }
        (Value::Number(from), Value::Number(to)) => Value::NumberRange(from, to),
        (Value::Name(from), _) => Value::Name(format!("{from}*")),
        (from, _) => from,
    })
}

fn predecessor(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut previous = bytes.to_vec();
    for byte in previous.iter_mut().rev() {
        let borrow = *byte == 0;
        *byte = byte.wrapping_sub(1);
        if !borrow {
            return Some(previous);
        }
    }
    None
}

/// One end of an interval, or a whole element, as the kernel lists it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Listed<'a> {
    key: &'a [u8],
    /// Ends come before beginnings of the same key.
    begins: bool,
    attributes: &'a [u8],
}

/// The elements in the answers to a listing. Those that cannot be read are left out.
pub(super) fn decode(shape: &Shape, answers: &[Vec<u8>]) -> Vec<Element> {
    let mut listed: Vec<_> = answers
        .iter()
        .filter_map(|answer| Reader::find(answer, ELEMENTS))
        .flat_map(Reader::new)
        .filter_map(|(_, attributes)| {
            let key = Reader::find(attributes, KEY).and_then(|datum| Reader::find(datum, DATA_VALUE))?;
            let flags = Reader::find(attributes, FLAGS).and_then(number).unwrap_or(0);
            Some(Listed { key, begins: flags & INTERVAL_END == 0, attributes })
        })
        .collect();
    if shape.interval {
        listed.sort();
    }
    let mut elements = Vec::new();
    for (index, one) in listed.iter().enumerate().filter(|(_, one)| one.begins) {
        let key = match shape.key.as_slice() {
            [kind] if shape.interval => {
                interval(*kind, one.key, listed.get(index + 1).map(|next| next.key)).map(|value| vec![value])
            }
            kinds => values(kinds, one.key),
        };
        let datum = Reader::find(one.attributes, DATA).unwrap_or_default();
        let data = match &shape.data {
            ShapeData::None => Some(ElementData::None),
            ShapeData::Verdict => verdict::decode(datum).map(ElementData::Verdict),
            ShapeData::Values(kinds) => {
                Reader::find(datum, DATA_VALUE).and_then(|bytes| values(kinds, bytes)).map(ElementData::Values)
            }
        };
        let comment = Reader::find(one.attributes, USER_DATA).map(comment::decode).unwrap_or_default();
        if let Some((key, data)) = key.zip(data) {
            elements.push(Element { key, data, comment });
        }
    }
    elements
}

/// The attributes for one message about elements: table, set, the elements.
pub(super) fn message(table: &str, set: &str, id: Option<u32>, elements: &Attributes) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.text(1, table).text(2, set);
    if let Some(id) = id {
        attributes.number(4, id);
    }
    attributes.group(ELEMENTS, elements);
    attributes
}
