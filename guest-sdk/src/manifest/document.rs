//! Writes the document at compile time.

use super::Manifest;

/// Text that is being written at compile time; counts only, where the buffer is too small.
pub(super) struct Writer<const N: usize> {
    pub(super) buffer: [u8; N],
    pub(super) length: usize,
}

impl<const N: usize> Writer<N> {
    const fn byte(mut self, byte: u8) -> Self {
        if self.length < N {
            #[allow(clippy::indexing_slicing, reason = "checked above; const code has no get_mut")]
            {
                self.buffer[self.length] = byte;
            }
        }
        self.length += 1;
        self
    }

    const fn raw(mut self, text: &str) -> Self {
        let mut rest = text.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            self = self.byte(*first);
            rest = tail;
        }
        self
    }

    /// A JSON string: quotes, backslashes and control characters escaped.
    const fn string(mut self, text: &str) -> Self {
        self = self.byte(b'"');
        let mut rest = text.as_bytes();
        while let Some((first, tail)) = rest.split_first() {
            self = match *first {
                b'"' => self.raw("\\\""),
                b'\\' => self.raw("\\\\"),
                control if control < 0x20 => {
                    self.raw("\\u00").byte(hexadecimal(control >> 4)).byte(hexadecimal(control & 15))
                }
                other => self.byte(other),
            };
            rest = tail;
        }
        self.byte(b'"')
    }

    const fn strings(mut self, texts: &[&str]) -> Self {
        self = self.byte(b'[');
        let mut rest = texts;
        while let Some((first, tail)) = rest.split_first() {
            self = self.string(first).comma_before(tail.len());
            rest = tail;
        }
        self.byte(b']')
    }

    const fn number(self, value: u64) -> Self {
        let written = if value < 10 { self } else { self.number(value / 10) };
        written.byte(b'0' + (value % 10) as u8)
    }

    const fn comma_before(self, following: usize) -> Self {
        if following == 0 { self } else { self.byte(b',') }
    }
}

const fn hexadecimal(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

pub(super) const fn write<const N: usize>(manifest: &Manifest<'_>) -> Writer<N> {
    let mut out = Writer { buffer: [0; N], length: 0 };
    out = out.raw("{\"manifestVersion\":2,\"name\":").string(manifest.name);
    out = out.raw(",\"description\":").string(manifest.description);
    out = out.raw(",\"version\":").string(manifest.version);
    out = out.raw(",\"cniVersions\":").strings(manifest.cni_versions);
    out = out.raw(",\"needs\":[");
    let mut needs = manifest.needs;
    while let Some(((interface, reason), rest)) = needs.split_first() {
        out = out.raw("{\"interface\":").string(interface).raw(",\"reason\":").string(reason).byte(b'}');
        out = out.comma_before(rest.len());
        needs = rest;
    }
    out = out.raw("],\"asks\":[");
    let mut asks = manifest.asks;
    while let Some(((key, values, reason), rest)) = asks.split_first() {
        out = out.raw("{\"key\":").string(key).raw(",\"values\":").strings(values);
        out = out.raw(",\"reason\":").string(reason).byte(b'}').comma_before(rest.len());
        asks = rest;
    }
    out = out.raw("],\"limits\":[");
    let mut limits = manifest.limits;
    while let Some(((limit, value, reason), rest)) = limits.split_first() {
        out = out.raw("{\"limit\":").string(limit).raw(",\"value\":").number(*value);
        out = out.raw(",\"reason\":").string(reason).byte(b'}').comma_before(rest.len());
        limits = rest;
    }
    out.raw("]}")
}
