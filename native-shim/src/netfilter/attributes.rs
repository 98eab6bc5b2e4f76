//! Netlink attributes as netfilter uses them: length, type, value; numbers in network order.

use crate::{Error, ErrorKind, Result};

const HEADER: usize = 4;
const NESTED: u16 = 0x8000;
/// Upper bits of an attribute type are flags: nested, network byte order.
const TYPE_MASK: u16 = 0x3fff;

/// Attributes that are being written.
#[derive(Debug, Default, Clone)]
pub(crate) struct Attributes {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Attributes {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A value as it is.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = HEADER + value.len();
        match u16::try_from(length) {
            Ok(short) => {
                self.bytes.extend_from_slice(&short.to_ne_bytes());
                self.bytes.extend_from_slice(&kind.to_ne_bytes());
                self.bytes.extend_from_slice(value);
                self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
            }
            Err(_) => self.too_long = true,
        }
        self
    }

    /// A text, with the NUL that the kernel expects at its end.
    pub(crate) fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// A 32 bit number.
    pub(crate) fn number(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// A 64 bit number.
    pub(crate) fn long(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Attributes in an attribute.
    pub(crate) fn nested(&mut self, kind: u16, build: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::new();
        build(&mut inner);
        self.group(kind, &inner)
    }

    /// Attributes that were written before, in an attribute.
    pub(crate) fn group(&mut self, kind: u16, inner: &Self) -> &mut Self {
        self.too_long |= inner.too_long;
        self.bytes(kind | NESTED, &inner.bytes)
    }

    /// What was written; `Invalid` where a value does not fit into an attribute.
    pub(crate) fn encoded(&self) -> Result<&[u8]> {
        if self.too_long {
            let message = "a netlink attribute would be longer than 65535 bytes: use fewer or shorter values";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(&self.bytes)
    }
}

/// Walks over received attributes; stops at the first that is cut off.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Read from the beginning.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The first attribute of a type.
    pub(crate) fn find(bytes: &'a [u8], kind: u16) -> Option<&'a [u8]> {
        Self::new(bytes).find_map(|(found, value)| (found == kind).then_some(value))
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, _) = self.rest.split_first_chunk::<HEADER>()?;
        let [l0, l1, k0, k1] = *header;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let kind = u16::from_ne_bytes([k0, k1]) & TYPE_MASK;
        let value = self.rest.get(HEADER..length)?;
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// A 32 bit number of an attribute.
pub(crate) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// A 64 bit number of an attribute.
pub(crate) fn long(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

/// A text of an attribute, without the NUL at its end.
pub(crate) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut attributes = Attributes::new();
        attributes.text(1, "abc").number(2, 7).nested(3, |inner| {
            inner.long(1, 9);
        });
        let read: Vec<_> = Reader::new(attributes.encoded().unwrap()).collect();
        assert_eq!(read.len(), 3);
        assert_eq!(text(read[0].1), "abc");
        assert_eq!(number(read[1].1), Some(7));
        assert_eq!(Reader::find(read[2].1, 1).and_then(long), Some(9));
    }

    #[test]
    fn a_value_that_does_not_fit_is_an_error() {
        let mut attributes = Attributes::new();
        attributes.nested(1, |inner| {
            inner.bytes(1, &vec![0; 70_000]);
        });
        assert_eq!(attributes.encoded().unwrap_err().kind, ErrorKind::Invalid);
    }

    #[test]
    fn cut_off_attributes_end_the_walk() {
        assert_eq!(Reader::new(&[200, 0, 1, 0, 5]).count(), 0);
        assert_eq!(Reader::new(&[2, 0, 1, 0]).count(), 0);
        assert_eq!(Reader::new(&[1]).count(), 0);
    }
}
