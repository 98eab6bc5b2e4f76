//! DHCP messages of IPv4: RFC 2131 (layout), RFC 2132 (options), RFC 3396 (long options).
//!
//! Written here because a client has to send any option with any value, which typed libraries do not let it do.

use std::net::Ipv4Addr;

/// Length of the part before the options, magic cookie included.
const HEADER: usize = 240;
/// What says that options follow.
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Shorter ones are not forwarded by some relays (RFC 1542, 2.1).
const SHORTEST: usize = 300;
/// Longest message that is sent: what an Ethernet packet holds, with some room for tunnels.
pub(crate) const LONGEST: usize = 1400;

/// Numbers of options.
pub(crate) mod code {
    pub(crate) const PAD: u8 = 0;
    pub(crate) const SUBNET_MASK: u8 = 1;
    pub(crate) const ROUTERS: u8 = 3;
    pub(crate) const NAME_SERVERS: u8 = 6;
    pub(crate) const DOMAIN_NAME: u8 = 15;
    pub(crate) const STATIC_ROUTES: u8 = 33;
    pub(crate) const REQUESTED_ADDRESS: u8 = 50;
    pub(crate) const LEASE_TIME: u8 = 51;
    pub(crate) const OVERLOAD: u8 = 52;
    pub(crate) const MESSAGE_TYPE: u8 = 53;
    pub(crate) const SERVER: u8 = 54;
    pub(crate) const REQUEST_LIST: u8 = 55;
    pub(crate) const MESSAGE: u8 = 56;
    pub(crate) const LONGEST_MESSAGE: u8 = 57;
    pub(crate) const RENEWAL_TIME: u8 = 58;
    pub(crate) const REBINDING_TIME: u8 = 59;
    pub(crate) const CLIENT: u8 = 61;
    pub(crate) const DOMAIN_SEARCH: u8 = 119;
    pub(crate) const CLASSLESS_ROUTES: u8 = 121;
    pub(crate) const END: u8 = 255;
}

/// What a message is for (option 53).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Discover,
    Offer,
    Request,
    Decline,
    Ack,
    Nak,
    Release,
}

const KINDS: [(Kind, u8); 7] = [
    (Kind::Discover, 1),
    (Kind::Offer, 2),
    (Kind::Request, 3),
    (Kind::Decline, 4),
    (Kind::Ack, 5),
    (Kind::Nak, 6),
    (Kind::Release, 7),
];

/// A message, with the fields that a client uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    /// Tells exchanges apart.
    pub(crate) xid: u32,
    /// Seconds since the client began.
    pub(crate) seconds: u16,
    /// The answer must be broadcast.
    pub(crate) broadcast: bool,
    /// The client's address, where it has one.
    pub(crate) client: Ipv4Addr,
    /// The address that the server gives.
    pub(crate) yours: Ipv4Addr,
    /// The client's hardware address.
    pub(crate) hardware: Vec<u8>,
    /// Number and value, in order. The message type is not among them.
    pub(crate) options: Vec<(u8, Vec<u8>)>,
}

impl Message {
    /// An option's value.
    pub(crate) fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(other, _)| *other == code).map(|(_, value)| value.as_slice())
    }

    /// An option whose value is one address.
    pub(crate) fn address(&self, code: u8) -> Option<Ipv4Addr> {
        self.option(code)?.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets))
    }

    /// An option whose value is a number of 32 bits.
    pub(crate) fn number(&self, code: u8) -> Option<u32> {
        self.option(code)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// As bytes. Values beyond 255 bytes become several options (RFC 3396). None where it is too long to be sent.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let hardware = self.hardware.get(..self.hardware.len().min(16)).unwrap_or_default();
        let mut bytes = Vec::with_capacity(SHORTEST);
        // A request over Ethernet; everything that Linux calls a network interface counts as that.
        bytes.extend([1, 1, hardware.len() as u8, 0]);
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.seconds.to_be_bytes());
        bytes.extend(if self.broadcast { [0x80, 0] } else { [0, 0] });
        bytes.extend(self.client.octets());
        bytes.extend(self.yours.octets());
        // Next server and relay: not ours to say.
        bytes.extend([0; 8]);
        bytes.extend(hardware);
        bytes.resize(HEADER - COOKIE.len(), 0);
        bytes.extend(COOKIE);
        let kind = KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or(0, |(_, number)| *number);
        bytes.extend([code::MESSAGE_TYPE, 1, kind]);
        for (code, value) in &self.options {
            if value.is_empty() {
                bytes.extend([*code, 0]);
            }
            for part in value.chunks(255) {
                bytes.extend([*code, part.len() as u8]);
                bytes.extend(part);
            }
        }
        bytes.push(code::END);
        bytes.resize(bytes.len().max(SHORTEST), 0);
        (bytes.len() <= LONGEST).then_some(bytes)
    }

    /// Read the answer of a server; none where it is none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, options) = bytes.split_first_chunk::<HEADER>()?;
        let field = |from: usize, length: usize| header.get(from..from.checked_add(length)?);
        let number = |from: usize| field(from, 4)?.try_into().ok().map(u32::from_be_bytes);
        if header.first() != Some(&2) || field(236, 4)? != COOKIE {
            return None;
        }
        let mut found = Options::default();
        found.read(options);
        // Other fields may hold options too: 1 file, 2 server name, 3 both (RFC 2132, 9.3).
        let overload = found.value(code::OVERLOAD).and_then(|value| value.first().copied()).unwrap_or_default();
        if overload & 1 != 0 {
            found.read(field(108, 128)?);
        }
        if overload & 2 != 0 {
            found.read(field(44, 64)?);
        }
        let kind = *found.value(code::MESSAGE_TYPE)?.first()?;
        let kind = KINDS.iter().find(|(_, number)| *number == kind)?.0;
        found.0.retain(|(code, _)| *code != code::MESSAGE_TYPE);
        let hardware = usize::from(*header.get(2)?).min(16);
        Some(Self {
            kind,
            xid: number(4)?,
            seconds: u16::from_be_bytes(field(8, 2)?.try_into().ok()?),
            broadcast: field(10, 1)?.first()? & 0x80 != 0,
            client: number(12)?.into(),
            yours: number(16)?.into(),
            hardware: field(28, hardware)?.to_vec(),
            options: found.0,
        })
    }
}

/// Options that are being read; those of one number are one value in parts (RFC 3396).
#[derive(Default)]
struct Options(Vec<(u8, Vec<u8>)>);

impl Options {
    fn read(&mut self, mut rest: &[u8]) {
        while let Some((&number, after)) = rest.split_first() {
            rest = after;
            if number == code::PAD {
                continue;
            }
            if number == code::END {
                return;
            }
            let Some((&length, after)) = rest.split_first() else { return };
            let Some((value, after)) = after.split_at_checked(length.into()) else { return };
            rest = after;
            match self.0.iter_mut().find(|(other, _)| *other == number) {
                Some((_, known)) => known.extend(value),
                None => self.0.push((number, value.to_vec())),
            }
        }
    }

    fn value(&self, number: u8) -> Option<&[u8]> {
        self.0.iter().find(|(other, _)| *other == number).map(|(_, value)| value.as_slice())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;

    fn message(options: Vec<(u8, Vec<u8>)>) -> Message {
        Message {
            kind: Kind::Ack,
            xid: 0x0102_0304,
            seconds: 7,
            broadcast: true,
            client: [10, 0, 0, 1].into(),
            yours: [10, 0, 0, 2].into(),
            hardware: vec![2, 0, 0, 0, 0, 1],
            options,
        }
    }

    /// As a server would send it.
    fn answer(message: &Message) -> Vec<u8> {
        let mut bytes = message.encode().unwrap();
        bytes[0] = 2;
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let sent = message(vec![(61, vec![0; 255]), (12, Vec::new()), (77, vec![9; 300])]);
        assert_eq!(Message::decode(&answer(&sent)), Some(sent));
        let short = message(Vec::new()).encode().unwrap();
        assert_eq!((short.len(), &short[236..243]), (300, &[99, 130, 83, 99, 53, 1, 5][..]));
    }

    #[test]
    fn what_is_too_long_is_not_sent() {
        assert_eq!(message(vec![(77, vec![0; 1200])]).encode(), None);
    }

    #[test]
    fn options_may_be_in_other_fields() {
        let mut bytes = answer(&message(vec![(52, vec![3]), (3, vec![10, 0])]));
        bytes[108..113].copy_from_slice(&[3, 2, 0, 1, 255]);
        bytes[44..51].copy_from_slice(&[0, 6, 4, 1, 2, 3, 4]);
        let read = Message::decode(&bytes).unwrap();
        assert_eq!(read.address(code::ROUTERS), Some([10, 0, 0, 1].into()));
        assert_eq!(read.option(code::NAME_SERVERS), Some(&[1, 2, 3, 4][..]));
    }

    #[test]
    fn nonsense_is_no_message() {
        let good = answer(&message(vec![(3, vec![1, 2, 3, 4])]));
        for length in 0..good.len() {
            // No panic, whatever is cut off.
            let _ = Message::decode(&good[..length]);
        }
        assert_eq!(Message::decode(&message(Vec::new()).encode().unwrap()), None, "a client's");
        let mut no_cookie = good.clone();
        no_cookie[236] = 0;
        assert_eq!(Message::decode(&no_cookie), None);
        let mut no_type = good;
        no_type[240] = 200;
        assert_eq!(Message::decode(&no_type), None);
    }
}
