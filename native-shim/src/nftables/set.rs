//! Sets and maps: what they hold, and how their definition is written and read.

use super::kind::Kind;
use super::types::{Set, SetData};
use crate::netfilter::attributes::{Attributes, Reader, number};
use crate::{Error, ErrorKind, Result};

const TABLE: u16 = 1;
const NAME: u16 = 2;
const FLAGS: u16 = 3;
const KEY_TYPE: u16 = 4;
const KEY_LENGTH: u16 = 5;
const DATA_TYPE: u16 = 6;
const DATA_LENGTH: u16 = 7;
const DESCRIPTION: u16 = 9;
const DESCRIPTION_SIZE: u16 = 1;
const ID: u16 = 10;
const USER_DATA: u16 = 13;
/// Types in the user data: byte order of the key and of the data, for nft(8) to print them by.
const KEY_ORDER: u8 = 0;
const DATA_ORDER: u8 = 1;

const FLAG_ANONYMOUS: u32 = 1;
const FLAG_CONSTANT: u32 = 2;
const FLAG_INTERVAL: u32 = 4;
const FLAG_MAP: u32 = 8;
/// The data type of verdict maps.
const TYPE_VERDICT: u32 = 0xffff_ff00;
/// Longest name the kernel takes.
const NAME_MAX: usize = 255;
/// The kernel gives each anonymous set a number in place of the `%d`.
pub(super) const ANONYMOUS_NAME: &str = "__set%d";

/// What a set maps to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ShapeData {
    None,
    Verdict,
    Values(Vec<Kind>),
}

/// What a set or map holds: enough to write and read its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) key: Vec<Kind>,
    pub(super) data: ShapeData,
    pub(super) interval: bool,
}

/// A name for a table, chain or set that nft can read as well: it prints names as they are, and what it prints is read
/// again when rules are restored.
pub(super) fn check_name(what: &str, name: &str) -> Result<()> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./\\".contains(&byte));
    if name.is_empty() || name.len() > NAME_MAX || !plain {
        let message = format!(
            "{name:?} is no name for a {what}: it must have 1 to {NAME_MAX} letters, digits, `_`, `-`, `.` or `/`"
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(())
}

impl Shape {
    /// The shape that a definition asks for.
    pub(super) fn of(set: &Set) -> Result<Self> {
        let invalid = |why: &str| Err(Error::new(ErrorKind::Invalid, format!("nftables: set {:?}: {why}", set.name)));
        let kinds = |types: &[super::DataType]| types.iter().map(|one| Kind::from(*one)).collect::<Vec<_>>();
        let key = kinds(&set.key);
        let data = match &set.data {
            SetData::None => ShapeData::None,
            SetData::Verdict => ShapeData::Verdict,
            SetData::Values(types) => ShapeData::Values(kinds(types)),
        };
        // A concatenation is known by a number that has room for five components.
        let several = |kinds: &[Kind]| !(1..=5).contains(&kinds.len()) || Kind::length(kinds) > 64;
        if several(&key) || matches!(&data, ShapeData::Values(kinds) if several(kinds)) {
            return invalid("a key or a value has 1 to 5 parts and at most 64 bytes");
        }
        if set.interval && (key.len() != 1 || key.iter().any(|kind| kind.is_host_order())) {
            return invalid("prefixes and ranges work only for keys of one type, and not for marks");
        }
        Ok(Self { key, data, interval: set.interval })
    }

    /// The shape that the kernel tells of; none where it holds kinds that are not known here.
    pub(super) fn decode(attributes: &[u8]) -> Option<Self> {
        let get = |kind| Reader::find(attributes, kind).and_then(number);
        let flags = get(FLAGS).unwrap_or(0);
        let key = Kind::split(get(KEY_TYPE)?)?;
        if usize::try_from(get(KEY_LENGTH)?).ok()? != Kind::length(&key) {
            return None;
        }
        let data = match get(DATA_TYPE) {
            _ if flags & FLAG_MAP == 0 => ShapeData::None,
            Some(TYPE_VERDICT) => ShapeData::Verdict,
            Some(number) => ShapeData::Values(Kind::split(number)?),
            None => return None,
        };
        Some(Self { key, data, interval: flags & FLAG_INTERVAL != 0 })
    }

    /// The request's attributes for creating a named set.
    pub(super) fn definition(&self, table: &str, name: &str, id: u32) -> Attributes {
        self.write(table, name, id, 0)
    }

    /// The request's attributes for creating the anonymous set of a rule.
    pub(super) fn anonymous(&self, table: &str, id: u32, elements: usize) -> Attributes {
        let mut attributes = self.write(table, ANONYMOUS_NAME, id, FLAG_ANONYMOUS | FLAG_CONSTANT);
        attributes.nested(DESCRIPTION, |description| {
            description.number(DESCRIPTION_SIZE, u32::try_from(elements).unwrap_or(u32::MAX));
        });
        attributes
    }

    fn write(&self, table: &str, name: &str, id: u32, mut flags: u32) -> Attributes {
        let length = |kinds: &[Kind]| u32::try_from(Kind::length(kinds)).unwrap_or(0);
        if self.interval {
            flags |= FLAG_INTERVAL;
        }
        if self.data != ShapeData::None {
            flags |= FLAG_MAP;
        }
        let mut attributes = Attributes::new();
        attributes.text(TABLE, table).text(NAME, name).number(FLAGS, flags);
        attributes.number(KEY_TYPE, Kind::combined(&self.key)).number(KEY_LENGTH, length(&self.key)).number(ID, id);
        match &self.data {
            ShapeData::None => {}
            ShapeData::Verdict => {
                attributes.number(DATA_TYPE, TYPE_VERDICT);
            }
            ShapeData::Values(kinds) => {
                attributes.number(DATA_TYPE, Kind::combined(kinds)).number(DATA_LENGTH, length(kinds));
            }
        }
        let mut orders = order(KEY_ORDER, &self.key);
        if let ShapeData::Values(kinds) = &self.data {
            orders.extend(order(DATA_ORDER, kinds));
        }
        attributes.bytes(USER_DATA, &orders);
        attributes
    }
}

/// The byte order of a key or datum in user data: 1 the machine's, 2 of the network, 0 for several values.
fn order(which: u8, kinds: &[Kind]) -> Vec<u8> {
    let order: u32 = match kinds {
        [Kind::InterfaceName] => 1,
        [single] if single.is_host_order() => 1,
        [_] => 2,
        _ => 0,
    };
    let mut bytes = vec![which, 4];
    bytes.extend_from_slice(&order.to_ne_bytes());
    bytes
}

/// The attributes that name a set, for questions and for deleting it.
pub(super) fn named(table: &str, set: &str) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.text(TABLE, table).text(NAME, set);
    attributes
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::super::types::DataType;
    use super::*;

    #[test]
    fn a_shape_survives_the_way_to_the_kernel_and_back() {
        let set = Set {
            name: "m".into(),
            key: vec![DataType::Ipv4Address, DataType::Port],
            data: SetData::Values(vec![DataType::Ipv4Address, DataType::Port]),
            interval: false,
        };
        let shape = Shape::of(&set).unwrap();
        assert_eq!(Shape::decode(shape.definition("t", "m", 1).encoded().unwrap()), Some(shape));
    }

    #[test]
    fn intervals_of_several_values_or_of_marks_are_refused() {
        let mut set = Set { name: "s".into(), key: vec![DataType::Mark], data: SetData::None, interval: true };
        assert_eq!(Shape::of(&set).unwrap_err().kind, ErrorKind::Invalid);
        set.key = vec![DataType::Ipv4Address, DataType::Port];
        assert_eq!(Shape::of(&set).unwrap_err().kind, ErrorKind::Invalid);
        set.key = vec![];
        assert_eq!(Shape::of(&set).unwrap_err().kind, ErrorKind::Invalid);
    }
}
