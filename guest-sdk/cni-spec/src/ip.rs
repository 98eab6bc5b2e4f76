//! Addresses as CNI writes them, and serde adapters (`#[serde(with = "cni_spec::ip::net")]`) for configurations.
//!
//! Texts are read as Go reads them: no leading zeros in IPv4, no zone, an IPv4-mapped IPv6 address is IPv4, and an empty
//! text for an optional address means none.

use std::{fmt, net::IpAddr};

use ipnet::IpNet;

use crate::quoted::Quoted;

/// A text that is no address, or no address with a prefix length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseIpError {
    /// No address.
    Address(String),
    /// No address with a prefix length.
    Network(String),
}

impl fmt::Display for ParseIpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(text) => write!(f, "{} is not an IP address", Quoted(text)),
            Self::Network(text) => {
                write!(f, "{} is not an address with a prefix length, such as 10.1.0.5/16", Quoted(text))
            }
        }
    }
}

impl std::error::Error for ParseIpError {}

/// Read an address.
pub fn parse_address(text: &str) -> Result<IpAddr, ParseIpError> {
    text.parse::<IpAddr>().map(|address| address.to_canonical()).map_err(|_| ParseIpError::Address(text.to_owned()))
}

/// Read an address with a prefix length; host bits are kept.
pub fn parse_net(text: &str) -> Result<IpNet, ParseIpError> {
    let refuse = || ParseIpError::Network(text.to_owned());
    let (address, prefix) = text.split_once('/').ok_or_else(refuse)?;
    if !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refuse());
    }
    let address = address.parse::<IpAddr>().map_err(|_| refuse())?;
    let prefix = prefix.parse::<u8>().map_err(|_| refuse())?;
    IpNet::new(address, prefix).map_err(|_| refuse())
}

/// Adapter for an `IpNet`.
pub mod net {
    use ipnet::IpNet;
    use serde::{Deserializer, Serializer};

    /// Write it.
    pub fn serialize<S: Serializer>(net: &IpNet, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(net)
    }

    /// Read it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNet, D::Error> {
        deserializer.deserialize_str(super::TextVisitor(super::parse_net, "an address with a prefix length"))
    }
}

/// Adapter for an `Option<IpNet>`: none is an empty text. Use it with `#[serde(default)]`.
pub mod optional_net {
    use ipnet::IpNet;
    use serde::{Deserializer, Serializer};

    /// Write it.
    pub fn serialize<S: Serializer>(net: &Option<IpNet>, serializer: S) -> Result<S::Ok, S::Error> {
        match net {
            Some(net) => serializer.collect_str(net),
            None => serializer.serialize_str(""),
        }
    }

    /// Read it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpNet>, D::Error> {
        deserializer.deserialize_str(super::TextVisitor(
            |text| if text.is_empty() { Ok(None) } else { super::parse_net(text).map(Some) },
            "an address with a prefix length",
        ))
    }
}

/// Adapter for an `Option<IpAddr>`: none is an empty text. Use it with `#[serde(default)]`.
pub mod optional_address {
    use std::net::IpAddr;

    use serde::{Deserializer, Serializer};

    /// Write it.
    pub fn serialize<S: Serializer>(address: &Option<IpAddr>, serializer: S) -> Result<S::Ok, S::Error> {
        match address {
            Some(address) => serializer.collect_str(address),
            None => serializer.serialize_str(""),
        }
    }

    /// Read it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
        deserializer.deserialize_str(super::TextVisitor(
            |text| if text.is_empty() { Ok(None) } else { super::parse_address(text).map(Some) },
            "an IP address",
        ))
    }
}

/// Reads a text by a function.
struct TextVisitor<T>(fn(&str) -> Result<T, ParseIpError>, &'static str);

impl<T> serde::de::Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_kept() {
        assert_eq!(parse_net("10.1.2.3/16").map(|net| net.to_string()), Ok("10.1.2.3/16".to_owned()));
        assert_eq!(parse_net("2001:db8::5/64").map(|net| net.to_string()), Ok("2001:db8::5/64".to_owned()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in [
            "",
            "/",
            "10.0.0.1",
            "10.0.0.1/",
            "10.0.0.1/33",
            "10.0.0.1/-1",
            "10.0.0.1/+8",
            "::/129",
            "010.0.0.1/8",
            "1/8",
            "a/8",
            "10.0.0.1/8/8",
            " 10.0.0.1/8",
            "fe80::1%eth0/64",
        ] {
            assert_eq!(parse_net(bad), Err(ParseIpError::Network(bad.to_owned())));
        }
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert_eq!(parse_address("::ffff:10.0.0.1").map(|address| address.is_ipv4()), Ok(true));
        for bad in ["", "10.0.0.01", "10.0.0", "fe80::1%eth0", "10.0.0.1/24"] {
            assert!(parse_address(bad).is_err(), "{bad:?}");
        }
    }
}
