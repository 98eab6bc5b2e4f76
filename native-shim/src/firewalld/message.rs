//! Messages of D-Bus: calls with texts as arguments, answers with a text or a boolean.

use super::bus::Method;
use crate::{Error, ErrorKind, Result};

/// Fixed part of a header, with the length of the fields that follow.
pub(super) const START: usize = 16;
/// Answers that we ask for are far shorter; the protocol allows 128 MiB.
const LENGTH_MAX: usize = 1 << 20;

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
/// Do not start a service that is not running.
const NO_AUTO_START: u8 = 2;
const PROTOCOL: u8 = 1;

const FIELD_PATH: u8 = 1;
const FIELD_INTERFACE: u8 = 2;
const FIELD_MEMBER: u8 = 3;
const FIELD_ERROR_NAME: u8 = 4;
const FIELD_REPLY_SERIAL: u8 = 5;
const FIELD_DESTINATION: u8 = 6;
const FIELD_SIGNATURE: u8 = 8;

/// What a call returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    signature: String,
    body: Vec<u8>,
    big_endian: bool,
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// The result of a call, by the call's number.
    Result { to: u32, answer: Answer },
    /// The refusal of a call.
    Error { to: u32, words: String },
    /// Something else.
    Other,
}

impl Answer {
    /// The first value, where it is a boolean.
    pub(super) fn boolean(&self) -> Option<bool> {
        self.signature.starts_with('b').then_some(())?;
        Some(Reader { bytes: &self.body, at: 0, big_endian: self.big_endian }.number()? != 0)
    }

    /// The first value, where it is a text.
    fn text(&self) -> Option<String> {
        self.signature.starts_with('s').then_some(())?;
        Reader { bytes: &self.body, at: 0, big_endian: self.big_endian }.text()
    }
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

fn put_number(bytes: &mut Vec<u8>, number: usize) -> Result<()> {
    let number = u32::try_from(number).map_err(|_| Error::new(ErrorKind::Invalid, "too long for D-Bus"))?;
    pad(bytes, 4);
    bytes.extend_from_slice(&number.to_le_bytes());
    Ok(())
}

fn put_text(bytes: &mut Vec<u8>, text: &str) -> Result<()> {
    if text.contains('\0') || text.len() > LENGTH_MAX {
        return Err(Error::new(ErrorKind::Invalid, format!("{text:?} cannot be sent over D-Bus")));
    }
    put_number(bytes, text.len())?;
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    Ok(())
}

fn put_signature(bytes: &mut Vec<u8>, signature: &str) {
    bytes.push(u8::try_from(signature.len()).unwrap_or(0));
    bytes.extend_from_slice(signature.as_bytes());
    bytes.push(0);
}

/// A call of a method.
pub(super) fn call(serial: u32, method: &Method<'_>, member: &str, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for argument in arguments {
        put_text(&mut body, argument)?;
    }
    let mut fields = Vec::new();
    let texts = [
        (FIELD_PATH, "o", method.path),
        (FIELD_INTERFACE, "s", method.interface),
        (FIELD_MEMBER, "s", member),
        (FIELD_DESTINATION, "s", method.destination),
    ];
    for (field, signature, text) in texts {
        pad(&mut fields, 8);
        fields.push(field);
        put_signature(&mut fields, signature);
        put_text(&mut fields, text)?;
    }
    if !arguments.is_empty() {
        pad(&mut fields, 8);
        fields.push(FIELD_SIGNATURE);
        put_signature(&mut fields, "g");
        put_signature(&mut fields, &"s".repeat(arguments.len()));
    }
    let mut message = vec![b'l', METHOD_CALL, NO_AUTO_START, PROTOCOL];
    put_number(&mut message, body.len())?;
    message.extend_from_slice(&serial.to_le_bytes());
    put_number(&mut message, fields.len())?;
    message.extend_from_slice(&fields);
    pad(&mut message, 8);
    message.extend_from_slice(&body);
    Ok(message)
}

/// Reads values; nothing where the bytes end too early.
#[derive(Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big_endian: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4);
        let bytes: [u8; 4] = self.take(4)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Some(text)
    }

    fn signature(&mut self) -> Option<String> {
        let length = usize::from(self.byte()?);
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.take(1)?;
        Some(text)
    }
}

fn garbled() -> Error {
    Error::new(ErrorKind::Io, "the D-Bus system bus sent a message that cannot be read")
}

/// Length of a whole message, from its fixed part.
pub(super) fn length(start: &[u8; START]) -> Result<usize> {
    let mut reader = Reader { bytes: start, at: 4, big_endian: start.first() == Some(&b'B') };
    let mut number = || reader.number().and_then(|number| usize::try_from(number).ok());
    let (Some(body), Some(_serial), Some(fields)) = (number(), number(), number()) else { return Err(garbled()) };
    if body > LENGTH_MAX || fields > LENGTH_MAX {
        return Err(Error::new(ErrorKind::Io, format!("the D-Bus system bus sent more than {LENGTH_MAX} bytes")));
    }
    Ok((START + fields).next_multiple_of(8) + body)
}

/// Read a whole message.
pub(super) fn parse(message: &[u8]) -> Result<Reply> {
    parsed(message).ok_or_else(garbled)
}

fn parsed(message: &[u8]) -> Option<Reply> {
    let big_endian = message.first() == Some(&b'B');
    let kind = *message.get(1)?;
    let mut reader = Reader { bytes: message, at: 12, big_endian };
    let fields = usize::try_from(reader.number()?).ok()?;
    let end = START.checked_add(fields)?;
    let (mut to, mut error, mut signature) = (0, String::new(), String::new());
    while reader.at < end {
        reader.align(8);
        if reader.at >= end {
            break;
        }
        let field = reader.byte()?;
        let kind = reader.signature()?;
        match (field, kind.as_str()) {
            (FIELD_REPLY_SERIAL, "u") => to = reader.number()?,
            (FIELD_ERROR_NAME, "s") => error = reader.text()?,
            (FIELD_SIGNATURE, "g") => signature = reader.signature()?,
            (_, "s" | "o") => drop(reader.text()?),
            (_, "g") => drop(reader.signature()?),
            (_, "u") => drop(reader.number()?),
            _ => return None,
        }
    }
    let body = message.get(end.next_multiple_of(8)..)?.to_vec();
    let answer = Answer { signature, body, big_endian };
    Some(match kind {
        METHOD_RETURN => Reply::Result { to, answer },
        ERROR => Reply::Error { to, words: format!("{error}: {}", answer.text().unwrap_or_default()) },
        _ => Reply::Other,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]
mod tests {
    use super::*;

    const METHOD: Method<'static> = Method { destination: "a.b", path: "/a", interface: "a.i" };

    /// A message as the other side sends it.
    fn received(kind: u8, signature: &str, body: &[u8]) -> Vec<u8> {
        let mut fields = vec![FIELD_REPLY_SERIAL, 1, b'u', 0];
        fields.extend_from_slice(&7_u32.to_le_bytes());
        fields.extend_from_slice(&[FIELD_ERROR_NAME, 1, b's', 0, 3, 0, 0, 0, b'x', b'.', b'y', 0, 0, 0, 0, 0]);
        fields.extend_from_slice(&[FIELD_SIGNATURE, 1, b'g', 0, 1, signature.as_bytes()[0], 0]);
        let mut message = vec![b'l', kind, 0, PROTOCOL];
        put_number(&mut message, body.len()).unwrap();
        put_number(&mut message, 1).unwrap();
        put_number(&mut message, fields.len()).unwrap();
        message.extend_from_slice(&fields);
        pad(&mut message, 8);
        message.extend_from_slice(body);
        message
    }

    #[test]
    fn a_call_has_the_length_that_it_says_and_is_aligned() {
        let message = call(3, &METHOD, "doIt", &["one", "three"]).unwrap();
        assert_eq!(length(message[..START].try_into().unwrap()).unwrap(), message.len());
        assert!(message.windows(5).any(|part| part == b"doIt\0"));
        assert!(message.windows(4).any(|part| part == b"\x02ss\0"));
        assert_eq!(parse(&message).unwrap(), Reply::Other);
        assert!(call(3, &METHOD, "doIt", &["nul\0"]).is_err());
    }

    #[test]
    fn results_and_errors_are_read() {
        let message = received(METHOD_RETURN, "b", &[1, 0, 0, 0]);
        assert_eq!(length(message[..START].try_into().unwrap()).unwrap(), message.len());
        let Reply::Result { to: 7, answer } = parse(&message).unwrap() else { panic!("no result") };
        assert_eq!(answer.boolean(), Some(true));
        let message = received(ERROR, "s", &[2, 0, 0, 0, b'n', b'o', 0]);
        assert_eq!(parse(&message).unwrap(), Reply::Error { to: 7, words: "x.y: no".into() });
    }

    #[test]
    fn cut_off_messages_are_errors_and_not_panics() {
        let message = received(METHOD_RETURN, "s", &[2, 0, 0, 0, b'o', b'k', 0]);
        for end in 0..message.len() - 7 {
            assert!(parse(&message[..end]).is_err(), "{end}");
        }
        let mut long = message;
        long[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(length(long[..START].try_into().unwrap()).is_err());
    }
}
