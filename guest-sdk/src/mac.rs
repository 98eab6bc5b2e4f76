//! Hardware addresses.

use std::fmt;
use std::str::FromStr;

use cni_spec::error::Error;
use cni_spec::quoted::Quoted;

/// A hardware address: six bytes for Ethernet, other lengths for other link types, empty where a link has none.
/// Shown as the kernel and the reference plugins do: `0a:58:0a:01:00:02`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MacAddress(Vec<u8>);

/// The text is no hardware address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseMacError(String);

impl MacAddress {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the link has no hardware address.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The first of these texts that is not empty, as the Ethernet address of one interface: not of a group. None: all are empty.
/// Error 7 where it is something else.
pub fn first_given(texts: &[&str]) -> Result<Option<MacAddress>, Error> {
    let Some(text) = texts.iter().find(|text| !text.is_empty()) else { return Ok(None) };
    let mac: MacAddress = text.parse().map_err(|error| Error::invalid_config(format!("mac: {error}")))?;
    match mac.as_bytes() {
        [first, _, _, _, _, _] if first & 1 == 0 => Ok(Some(mac)),
        _ => Err(Error::invalid_config(format!("mac {} is no Ethernet address of one interface", Quoted(text)))),
    }
}

impl From<Vec<u8>> for MacAddress {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<MacAddress> for Vec<u8> {
    fn from(mac: MacAddress) -> Self {
        mac.0
    }
}

impl FromStr for MacAddress {
    type Err = ParseMacError;

    /// Accepts what Go's `net.ParseMAC` does: 6, 8 or 20 bytes as pairs parted by `:` or `-`, or as groups of four
    /// digits parted by `.`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseMacError(text.to_owned());
        let (separator, digits) = match text.bytes().find(|byte| !byte.is_ascii_hexdigit()) {
            Some(b':') => (':', 2),
            Some(b'-') => ('-', 2),
            Some(b'.') => ('.', 4),
            _ => return Err(error()),
        };
        let mut bytes = Vec::with_capacity(6);
        for group in text.split(separator) {
            if group.len() != digits || !group.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(error());
            }
            let number = u16::from_str_radix(group, 16).map_err(|_| error())?;
            let [high, low] = number.to_be_bytes();
            if digits == 4 {
                bytes.push(high);
            }
            bytes.push(low);
        }
        if matches!(bytes.len(), 6 | 8 | 20) { Ok(Self(bytes)) } else { Err(error()) }
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(":")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ParseMacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no hardware address; write it as 0a:58:0a:01:00:02", Quoted(&self.0))
    }
}

impl std::error::Error for ParseMacError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_read_in_all_three_notations_and_shown_in_one() {
        for text in ["0A:58:0a:01:00:02", "0a-58-0a-01-00-02", "0a58.0a01.0002"] {
            assert_eq!(text.parse::<MacAddress>().map(|mac| mac.to_string()), Ok("0a:58:0a:01:00:02".to_owned()));
        }
    }

    #[test]
    fn the_first_text_that_is_given_counts_and_must_be_of_one_interface() {
        assert_eq!(first_given(&["", ""]), Ok(None));
        let given = first_given(&["", "0a-00-00-00-00-01", "x"]);
        assert_eq!(given.map(|mac| mac.map(|mac| mac.to_string())), Ok(Some("0a:00:00:00:00:01".to_owned())));
        for bad in ["x", "01:00:00:00:00:01", "0a:00:00:00:00:00:00:01"] {
            assert_eq!(first_given(&[bad, "0a:00:00:00:00:01"]).map_err(|error| error.code), Err(7), "{bad}");
        }
    }

    #[test]
    fn text_that_is_no_mac_is_refused() {
        for text in ["", "0a", "0a:58:0a:01:00", "0a:58:0a:01:00:0g", "0a:58:0a:01:00-02", "0a:58:0a:01:00:02:", "é:é"]
        {
            assert!(text.parse::<MacAddress>().is_err(), "{text:?} was accepted");
        }
    }
}
