//! DHCP options as configurations write them: a number, or one of the names of dhcp-options(5).

use std::fmt;

use serde::de::{Deserializer, Visitor};
use weir_sdk::cni_spec::quoted::Quoted;

/// Option 1.
pub(crate) const SUBNET_MASK: u8 = 1;
/// Option 3.
pub(crate) const ROUTERS: u8 = 3;
/// Option 6.
pub(crate) const NAME_SERVERS: u8 = 6;
/// Option 15.
pub(crate) const DOMAIN_NAME: u8 = 15;
/// Option 119.
pub(crate) const DOMAIN_SEARCH: u8 = 119;

/// Padding, message type, server and end: they make the message what it is.
pub(crate) const OF_THE_PROTOCOL: [u8; 4] = [0, 53, 54, 255];

/// The names that configurations may use.
const NAMES: [(&str, u8); 6] = [
    ("dhcp-client-identifier", 61),
    ("subnet-mask", SUBNET_MASK),
    ("routers", ROUTERS),
    ("host-name", 12),
    ("user-class", 77),
    ("vendor-class-identifier", 60),
];

/// Read an option: 0 to 255 as a number or as text, or a name; null and an empty text are none.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    deserializer.deserialize_any(Reader)
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Option<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number of a DHCP option, 0 to 255, or its name")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
        match u8::try_from(number) {
            Ok(code) => Ok(Some(code)),
            Err(_) => Err(E::custom(format_args!("{number} is no DHCP option: they are 0 to 255"))),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::custom(format_args!("{number} is no DHCP option: they are 0 to 255"))),
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.is_empty() {
            return Ok(None);
        }
        let named = NAMES.iter().find(|(name, _)| *name == text).map(|(_, code)| *code);
        match named.or_else(|| text.parse().ok()) {
            Some(code) => Ok(Some(code)),
            None => Err(E::custom(format_args!("{} is no DHCP option: give its number, 0 to 255", Quoted(text)))),
        }
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}
