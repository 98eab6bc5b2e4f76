//! One netlink message of netfilter: header, the small netfilter header, attributes.

use super::attributes::{Attributes, Reader, text};
use crate::{Error, ErrorKind, Result};

/// Flags of a request, see netlink(7).
pub(crate) mod flags {
    /// It is a request.
    pub(crate) const REQUEST: u16 = 0x1;
    /// Answer also on success.
    pub(crate) const ACK: u16 = 0x4;
    /// All objects instead of one.
    pub(crate) const DUMP: u16 = 0x300;
    /// Fail where the object exists.
    pub(crate) const EXCL: u16 = 0x200;
    /// Create the object.
    pub(crate) const CREATE: u16 = 0x400;
    /// At the end of the list.
    pub(crate) const APPEND: u16 = 0x800;
}

const HEADER: usize = 16;
const NETFILTER_HEADER: usize = 4;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// The list changed while it was being sent.
const DUMP_INTERRUPTED: u16 = 0x10;
/// The error carries only the header of the refused message.
const CAPPED: u16 = 0x100;
/// The error carries attributes that explain it.
const ACK_ATTRIBUTES: u16 = 0x200;
/// Text of an explanation (NLMSGERR_ATTR_MSG).
const EXPLANATION: u16 = 1;

/// A request before it has its number.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Subsystem in the upper byte, message in the lower.
    pub(crate) kind: u16,
    /// Flags beside `REQUEST`.
    pub(crate) flags: u16,
    /// Address family.
    pub(crate) family: u8,
    /// The netfilter header's last field: the subsystem of a batch.
    pub(crate) resource: u16,
    /// What it is about.
    pub(crate) attributes: Attributes,
}

impl Request {
    /// A request about an object of a family.
    pub(crate) fn new(kind: u16, flags: u16, family: u8, attributes: Attributes) -> Self {
        Self { kind, flags, family, resource: 0, attributes }
    }

    /// Append the bytes of the message.
    pub(crate) fn write(&self, sequence: u32, to: &mut Vec<u8>) -> Result<()> {
        let attributes = self.attributes.encoded()?;
        let length = HEADER + NETFILTER_HEADER + attributes.len();
        let length = u32::try_from(length)
            .map_err(|_| Error::new(ErrorKind::Invalid, "a netlink message would be longer than 4 GiB"))?;
        to.extend_from_slice(&length.to_ne_bytes());
        to.extend_from_slice(&self.kind.to_ne_bytes());
        to.extend_from_slice(&(self.flags | flags::REQUEST).to_ne_bytes());
        to.extend_from_slice(&sequence.to_ne_bytes());
        to.extend_from_slice(&[0; 4]);
        to.extend_from_slice(&[self.family, 0]);
        to.extend_from_slice(&self.resource.to_be_bytes());
        to.extend_from_slice(attributes);
        Ok(())
    }
}

/// The kernel's no to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Why, see errno(3).
    pub(crate) errno: i32,
    /// The kernel's own words, if it had any.
    pub(crate) explanation: Option<String>,
}

impl Refusal {
    /// As an error of what was being done.
    pub(crate) fn error(&self, doing: &str, hint: &str) -> Error {
        let mut message = format!("{doing}: {}", std::io::Error::from_raw_os_error(self.errno));
        if let Some(explanation) = &self.explanation {
            message.push_str(&format!(" ({explanation})"));
        }
        if !hint.is_empty() {
            message.push_str(": ");
            message.push_str(hint);
        }
        Error::new(ErrorKind::from_errno(self.errno), message)
    }
}

/// What a received message says.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    /// An object: its attributes.
    Object(&'a [u8]),
    /// Done without fault.
    Acknowledged,
    /// Refused.
    Refused(Refusal),
    /// End of a list; the error number is 0 or negative.
    Done(i32),
}

/// A received message.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// Number of the request that it answers.
    pub(crate) sequence: u32,
    /// The list that it belongs to changed while it was being sent.
    pub(crate) interrupted: bool,
    /// What it says.
    pub(crate) content: Content<'a>,
}

/// The messages in a received datagram; stops at the first that is cut off.
pub(crate) fn received(datagram: &[u8]) -> impl Iterator<Item = Received<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let header: &[u8; HEADER] = rest.first_chunk()?;
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let payload = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        let flags = u16::from_ne_bytes([f0, f1]);
        let content = match u16::from_ne_bytes([k0, k1]) {
            NLMSG_ERROR => refusal(payload, flags)?,
            NLMSG_DONE => Content::Done(leading_i32(payload).unwrap_or(0)),
            _ => Content::Object(payload.get(NETFILTER_HEADER..)?),
        };
        let sequence = u32::from_ne_bytes([s0, s1, s2, s3]);
        Some(Received { sequence, interrupted: flags & DUMP_INTERRUPTED != 0, content })
    })
}

fn leading_i32(bytes: &[u8]) -> Option<i32> {
    bytes.first_chunk().map(|four| i32::from_ne_bytes(*four))
}

fn refusal(payload: &[u8], flags: u16) -> Option<Content<'_>> {
    let code = leading_i32(payload)?;
    if code == 0 {
        return Some(Content::Acknowledged);
    }
    // The header of the refused message follows, and its body too unless capped; then the explanation.
    let body = payload.get(4..8).and_then(|bytes| bytes.first_chunk()).map_or(0, |four| u32::from_ne_bytes(*four));
    let body = if flags & CAPPED != 0 { HEADER } else { usize::try_from(body).ok()?.next_multiple_of(4) };
    let explanation = (flags & ACK_ATTRIBUTES != 0)
        .then(|| payload.get(4 + body..))
        .flatten()
        .and_then(|attributes| Reader::find(attributes, EXPLANATION))
        .map(text);
    Some(Content::Refused(Refusal { errno: code.saturating_neg(), explanation }))
}
