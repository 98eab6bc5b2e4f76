//! Values as the bytes that the kernel compares.

use std::net::IpAddr;

use super::kind::Kind;
use super::types::Value;
use crate::{Error, ErrorKind, Result};

/// A value of one kind, ready to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    /// These bytes.
    Exact(Vec<u8>),
    /// After masking these bytes.
    Masked {
        /// Mask.
        mask: Vec<u8>,
        /// What is left.
        value: Vec<u8>,
    },
    /// As `Masked`, for a mask that is a prefix.
    Prefix {
        /// Mask.
        mask: Vec<u8>,
        /// What is left.
        value: Vec<u8>,
    },
    /// Any of these bits.
    AnyBit(Vec<u8>),
    /// From the first to the last, in network order.
    Range(Vec<u8>, Vec<u8>),
    /// Begins with these bytes.
    Start(Vec<u8>),
}

const NAME_MAX: usize = 15;

fn invalid(kind: Kind, value: &Value) -> Error {
    Error::new(ErrorKind::Invalid, format!("{value:?} is no {}, or out of range for one", kind.name()))
}

/// The bytes of an address.
pub(super) fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn address(kind: Kind, address: IpAddr) -> Option<Vec<u8>> {
    match (kind, address) {
        (Kind::Ipv4, IpAddr::V4(_)) | (Kind::Ipv6, IpAddr::V6(_)) => Some(address_bytes(address)),
        _ => None,
    }
}

/// A number in the byte order of its kind.
fn number(kind: Kind, number: u32) -> Option<Vec<u8>> {
    if matches!(kind, Kind::Ipv4 | Kind::Ipv6 | Kind::Ether | Kind::InterfaceName) {
        return None;
    }
    if kind.is_host_order() {
        return Some(number.to_ne_bytes().to_vec());
    }
    network_number(kind, number)
}

/// A number in network order, whatever the order of its kind.
fn network_number(kind: Kind, number: u32) -> Option<Vec<u8>> {
    let bytes = number.to_be_bytes();
    let (over, value) = bytes.split_at_checked(4usize.checked_sub(kind.width())?)?;
    over.iter().all(|byte| *byte == 0).then(|| value.to_vec())
}

fn name(text: &str) -> Option<Operand> {
    let (start, any) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
    if !(1..=NAME_MAX).contains(&start.len()) || start.bytes().any(|byte| byte == 0 || byte == b'/') {
        return None;
    }
    let mut bytes = start.as_bytes().to_vec();
    if any {
        return Some(Operand::Start(bytes));
    }
    bytes.resize(Kind::InterfaceName.width(), 0);
    Some(Operand::Exact(bytes))
}

fn mask(length: usize, prefix: u8) -> Vec<u8> {
    let mut left = u32::from(prefix);
    let mut bytes = Vec::with_capacity(length);
    for _ in 0..length {
        let bits = left.min(8);
        bytes.push(u8::try_from(0xff00_u32 >> bits & 0xff).unwrap_or(0));
        left -= bits;
    }
    bytes
}

fn network(kind: Kind, network: ipnet::IpNet) -> Option<Operand> {
    let value = address(kind, network.network())?;
    if network.prefix_len() == network.max_prefix_len() {
        return Some(Operand::Exact(value));
    }
    Some(Operand::Prefix { mask: mask(value.len(), network.prefix_len()), value })
}

/// A value as an operand of a kind.
pub(super) fn operand(kind: Kind, value: &Value) -> Result<Operand> {
    let found = match value {
        Value::Address(ip) => address(kind, *ip).map(Operand::Exact),
        Value::Network(net) => network(kind, *net),
        Value::Number(n) => number(kind, *n).map(Operand::Exact),
        Value::NumberRange(first, last) if first <= last && number(kind, *first).is_some() => {
            network_number(kind, *first).zip(network_number(kind, *last)).map(|(a, b)| Operand::Range(a, b))
        }
        Value::AddressRange(first, last) if first <= last => {
            address(kind, *first).zip(address(kind, *last)).map(|(a, b)| Operand::Range(a, b))
        }
        Value::NumberRange(..) | Value::AddressRange(..) => None,
        Value::Name(text) if kind == Kind::InterfaceName => name(text),
        Value::Mac(bytes) if kind == Kind::Ether && bytes.len() == kind.width() => Some(Operand::Exact(bytes.clone())),
        Value::Name(_) | Value::Mac(_) => None,
        Value::AnyBit(bits) => number(kind, *bits).map(Operand::AnyBit),
        Value::Masked(mask, left) => {
            number(kind, *mask).zip(number(kind, *left)).map(|(mask, value)| Operand::Masked { mask, value })
        }
    };
    found.ok_or_else(|| invalid(kind, value))
}

/// A value that stands for one thing: the only sort that keys without intervals can hold.
pub(super) fn exact(kind: Kind, value: &Value) -> Result<Vec<u8>> {
    match operand(kind, value)? {
        Operand::Exact(bytes) => Ok(bytes),
        _ => Err(Error::new(ErrorKind::Invalid, format!("{value:?} stands for many values; one is wanted here"))),
    }
}

/// First and last, in network order, of what an operand covers.
pub(super) fn bounds(kind: Kind, operand: &Operand) -> Result<(Vec<u8>, Vec<u8>)> {
    let ordered = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if kind.is_host_order() && cfg!(target_endian = "little") {
            bytes.reverse();
        }
        bytes
    };
    Ok(match operand {
        Operand::Exact(bytes) => (ordered(bytes), ordered(bytes)),
        Operand::Prefix { mask, value } => {
            (value.clone(), value.iter().zip(mask).map(|(value, mask)| value | !mask).collect())
        }
        Operand::Range(first, last) => (first.clone(), last.clone()),
        Operand::Start(bytes) => {
            let filled = |fill| bytes.iter().copied().chain(std::iter::repeat(fill)).take(kind.width()).collect();
            (filled(0), filled(0xff))
        }
        Operand::Masked { .. } | Operand::AnyBit(_) => {
            let message = "a masked value or a test for bits cannot be one of several values: make a rule for each";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
    })
}

/// The bytes that follow, as a number; none after the last.
pub(super) fn successor(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut next = bytes.to_vec();
    for byte in next.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return Some(next);
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_the_order_and_width_of_their_kind() {
        assert_eq!(operand(Kind::Port, &Value::Number(8080)).unwrap(), Operand::Exact(vec![0x1f, 0x90]));
        assert_eq!(operand(Kind::Mark, &Value::Number(1)).unwrap(), Operand::Exact(1u32.to_ne_bytes().to_vec()));
        assert!(operand(Kind::Port, &Value::Number(65536)).is_err());
        assert!(operand(Kind::Protocol, &Value::Number(256)).is_err());
        assert!(operand(Kind::Ipv4, &Value::Number(1)).is_err());
    }

    #[test]
    fn a_prefix_becomes_mask_and_network() {
        let net = Value::Network("10.1.2.3/12".parse().unwrap());
        let expected = Operand::Prefix { mask: vec![255, 240, 0, 0], value: vec![10, 0, 0, 0] };
        assert_eq!(operand(Kind::Ipv4, &net).unwrap(), expected);
        assert_eq!(bounds(Kind::Ipv4, &expected).unwrap(), (vec![10, 0, 0, 0], vec![10, 15, 255, 255]));
        assert!(operand(Kind::Ipv6, &net).is_err());
    }

    #[test]
    fn names_are_limited_and_a_star_at_the_end_is_any_rest() {
        assert_eq!(operand(Kind::InterfaceName, &Value::Name("ve*".into())).unwrap(), Operand::Start(b"ve".to_vec()));
        assert!(operand(Kind::InterfaceName, &Value::Name(String::new())).is_err());
        assert!(operand(Kind::InterfaceName, &Value::Name("*".into())).is_err());
        assert!(operand(Kind::InterfaceName, &Value::Name("sixteen-letters!".into())).is_err());
    }

    #[test]
    fn reversed_ranges_are_refused() {
        assert!(operand(Kind::Port, &Value::NumberRange(9, 1)).is_err());
    }

    #[test]
    fn the_successor_carries_and_ends() {
        assert_eq!(successor(&[1, 255]), Some(vec![2, 0]));
        assert_eq!(successor(&[255, 255]), None);
    }
}
