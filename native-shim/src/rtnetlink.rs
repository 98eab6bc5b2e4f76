//! The rtnetlink transport: blocking requests and dumps, with the kernel's own explanation of a refusal.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_ECHO, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NLMSG_OVERRUN, NetlinkMessage, NlasIterator, ParseableParametrized,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::background::Background;
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result, watchdog};

/// Room for one datagram. The kernel cuts dumps into pieces of at most 32 KiB; one link with its virtual functions can
/// be larger, but we never ask for these.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// How often a dump is tried that others changed the table under.
const DUMP_TRIES: u32 = 5;
/// Size of `struct nlmsghdr`.
const HEADER: usize = 16;
/// NLMSGERR_ATTR_MSG: the explanation among the attributes of an extended acknowledgement.
const EXPLANATION: u16 = 1;

/// Why a request failed: the errno, and what the kernel or this module has to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Errno, positive.
    pub(crate) errno: i32,
    /// The extended acknowledgement's text; empty: none.
    pub(crate) explanation: String,
}

/// Result of an exchange with the kernel.
pub(crate) type Outcome<T> = std::result::Result<T, Fault>;

impl Fault {
    fn new(errno: i32, explanation: impl Into<String>) -> Self {
        Self { errno, explanation: explanation.into() }
    }

    fn io(error: &io::Error, explanation: &str) -> Self {
        Self::new(error.raw_os_error().unwrap_or(libc::EIO), explanation)
    }

    /// The error for people: what was `doing` ("add address 10.0.0.1/24 to link 3") when this happened.
    pub(crate) fn during(self, doing: impl fmt::Display) -> Error {
        let mut message = format!("{doing}: {}", io::Error::from_raw_os_error(self.errno));
        if !self.explanation.is_empty() {
            message.push_str(": ");
            message.push_str(&self.explanation);
        }
        if self.errno == libc::EPERM {
            message.push_str("; this needs CAP_NET_ADMIN in the namespace");
        }
        Error::new(ErrorKind::from_errno(self.errno), message)
    }
}

/// What the kernel sent back.
enum Reply<'a> {
    /// A message.
    Data { flags: u16, kind: u16, payload: &'a [u8] },
    /// The request with this sequence number was carried out (none) or refused.
    Ack(u32, Option<Fault>),
    /// A dump is over, well or not.
    Done { flags: u16, fault: Option<Fault> },
}

/// An open rtnetlink socket of one namespace.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    /// Sequence numbers of the first and the last request sent.
    first: u32,
    sequence: u32,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

impl Connection {
    /// Open a socket in the namespace; it stays there wherever the thread goes.
    pub(crate) fn open(namespace: &Netns, timeout: Duration) -> Result<Self> {
        let socket = namespace.open_netlink(libc::NETLINK_ROUTE as isize)?;
        let prepare = || -> io::Result<()> {
            socket.set_ext_ack(true)?;
            socket.set_cap_ack(true)?;
            // Kernels before 4.20 do not filter what they list; whoever lists checks the answers anyway.
            let _ = socket.set_netlink_get_strict_chk(true);
            // Connected, the socket hears nobody but the kernel.
            socket.connect(&SocketAddr::new(0, 0))
        };
        prepare().map_err(|error| Error::io("prepare the rtnetlink socket", &error))?;
        let mut connection =
            Self { socket, first: 0, sequence: 0, outgoing: Vec::new(), incoming: Vec::with_capacity(RECEIVE_BUFFER) };
        connection.set_timeout(timeout)?;
        Ok(connection)
    }

    /// How long to wait for an answer. (The kernel works while it is being asked, so this is for lost answers only.)
    pub(crate) fn set_timeout(&mut self, timeout: Duration) -> Result<()> {
        // SAFETY: the descriptor belongs to `self.socket`, which outlives this borrow.
        let descriptor = unsafe { BorrowedFd::borrow_raw(self.socket.as_raw_fd()) };
        // Zero would mean: wait for ever.
        let milliseconds = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX).max(1);
        setsockopt(&descriptor.as_fd(), sockopt::ReceiveTimeout, &TimeVal::milliseconds(milliseconds))
            .map_err(|errno| Error::io("set the time limit of the rtnetlink socket", &errno.into()))
    }

    /// Have a request carried out.
    pub(crate) fn act(&mut self, message: RouteNetlinkMessage, flags: u16) -> Outcome<()> {
        self.send(vec![message], NLM_F_ACK | flags)?;
        self.collect(|reply| match reply {
            Reply::Ack(_, fault) => Some(fault.map_or(Ok(()), Err)),
            _ => None,
        })
    }

    /// Have a request carried out, and return what the kernel made of it where it says so (Linux 6.2 for links).
    pub(crate) fn act_echo(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Outcome<Option<RouteNetlinkMessage>> {
        self.send(vec![message], NLM_F_ACK | NLM_F_ECHO | flags)?;
        let mut echo = None;
        self.collect(|reply| match reply {
            Reply::Data { kind, payload, .. } => {
                echo = decode(kind, payload).ok();
                None
            }
            Reply::Ack(_, fault) => Some(fault.map_or(Ok(()), Err)),
            Reply::Done { .. } => None,
        })?;
        Ok(echo)
    }

    /// Send requests that do not depend on each other in one go. The kernel carries out all of them, in order,
    /// whatever becomes of each; returns the refused ones by their place.
    pub(crate) fn act_all(&mut self, messages: Vec<RouteNetlinkMessage>, flags: u16) -> Outcome<Vec<(usize, Fault)>> {
        let mut refused = Vec::new();
        if messages.is_empty() {
            return Ok(refused);
        }
        let first = self.send(messages, NLM_F_ACK | flags)?;
        let last = self.sequence;
        self.collect(|reply| {
            let Reply::Ack(sequence, fault) = reply else { return None };
            if let Some(fault) = fault {
                refused.push((sequence.wrapping_sub(first) as usize, fault));
            }
            (sequence == last).then_some(Ok(()))
        })?;
        Ok(refused)
    }

    /// Ask for one object.
    pub(crate) fn get(&mut self, message: RouteNetlinkMessage) -> Outcome<RouteNetlinkMessage> {
        self.send(vec![message], 0)?;
        self.collect(|reply| match reply {
            Reply::Data { kind, payload, .. } => Some(decode(kind, payload)),
            Reply::Ack(_, Some(fault)) | Reply::Done { fault: Some(fault), .. } => Some(Err(fault)),
            Reply::Ack(_, None) | Reply::Done { .. } => None,
        })
    }

    /// Ask for all objects that match. A dump that others changed the table under is tried again.
    pub(crate) fn dump(&mut self, message: &RouteNetlinkMessage) -> Outcome<Vec<RouteNetlinkMessage>> {
        for _ in 0..DUMP_TRIES {
            self.send(vec![message.clone()], NLM_F_DUMP)?;
            let mut found = Vec::new();
            let mut interrupted = false;
            self.collect(|reply| match reply {
                Reply::Data { flags, kind, payload } => {
                    interrupted |= flags & NLM_F_DUMP_INTR != 0;
                    match decode(kind, payload) {
                        Ok(message) => {
                            found.push(message);
                            None
                        }
                        Err(fault) => Some(Err(fault)),
                    }
                }
                Reply::Done { flags, fault } => {
                    interrupted |= flags & NLM_F_DUMP_INTR != 0;
                    Some(fault.map_or(Ok(()), Err))
                }
                Reply::Ack(_, fault) => fault.map(Err),
            })?;
            if !interrupted {
                return Ok(found);
            }
        }
        Err(Fault::new(libc::EAGAIN, format!("the table changed during each of {DUMP_TRIES} dumps")))
    }

    /// Have a request carried out by a child process that waits for all of the kernel's clean-up in our place. Nobody
    /// hears its answer.
    pub(crate) fn act_in_background(
        &mut self,
        message: RouteNetlinkMessage,
        others: &[RawFd],
    ) -> io::Result<Option<Background>> {
        self.outgoing.clear();
        // An answer with this number is nobody's.
        self.append(message, 0, 0);
        Background::send(self.socket.as_raw_fd(), &self.outgoing, others)
    }

    /// Send messages in one datagram; returns the sequence number of the first.
    fn send(&mut self, messages: Vec<RouteNetlinkMessage>, flags: u16) -> Outcome<u32> {
        self.first = self.sequence.wrapping_add(1);
        self.outgoing.clear();
        for message in messages {
            self.sequence = self.sequence.wrapping_add(1);
            self.append(message, flags, self.sequence);
        }
        loop {
            match self.socket.send(&self.outgoing, 0) {
                Ok(_) => return Ok(self.first),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::io(&error, "the request could not be sent")),
            }
        }
    }

    /// Add a message to those that are to be sent.
    fn append(&mut self, message: RouteNetlinkMessage, flags: u16, sequence: u32) {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = sequence;
        message.finalize();
        let start = self.outgoing.len();
        let end = start + message.buffer_len().next_multiple_of(4);
        self.outgoing.resize(end, 0);
        if let Some(place) = self.outgoing.get_mut(start..end) {
            message.serialize(place);
        }
    }

    /// Hand replies to the requests sent last to `judge` until it comes to a verdict.
    fn collect<T>(&mut self, mut judge: impl FnMut(Reply<'_>) -> Option<Outcome<T>>) -> Outcome<T> {
        loop {
            self.receive()?;
            let mut rest = self.incoming.as_slice();
            while let Some((header, payload, next)) = split(rest) {
                rest = next;
                // An answer that came after its time limit.
                if header.sequence.wrapping_sub(self.first) > self.sequence.wrapping_sub(self.first) {
                    continue;
                }
                let reply = match header.kind {
                    NLMSG_ERROR => Reply::Ack(header.sequence, refusal(header.flags, payload)),
                    NLMSG_DONE => Reply::Done { flags: header.flags, fault: code(payload) },
                    NLMSG_OVERRUN => return Err(Fault::new(libc::ENOBUFS, "answers were lost")),
                    kind => Reply::Data { flags: header.flags, kind, payload },
                };
                if let Some(verdict) = judge(reply) {
                    return verdict;
                }
            }
        }
    }

    fn receive(&mut self) -> Outcome<()> {
        loop {
            self.incoming.clear();
            match self.socket.recv(&mut self.incoming, libc::MSG_TRUNC) {
                Ok(length) if length > self.incoming.len() => {
                    return Err(Fault::new(libc::EMSGSIZE, format!("an answer of {length} bytes is too long")));
                }
                Ok(_) => return Ok(()),
                // The time limit of the socket begins anew with each try.
                Err(error) if error.kind() == io::ErrorKind::Interrupted && !watchdog::has_expired() => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    return Err(Fault::new(libc::ETIMEDOUT, "no answer from the kernel"));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Fault::new(libc::ETIMEDOUT, "no answer from the kernel"));
                }
                Err(error) => return Err(Fault::io(&error, "the answer could not be read")),
            }
        }
    }
}

/// The parts of `struct nlmsghdr` that matter in a reply.
pub(crate) struct Header {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    sequence: u32,
}

/// Cut the first message off a datagram: header, payload, rest.
pub(crate) fn split(bytes: &[u8]) -> Option<(Header, &[u8], &[u8])> {
    let (header, _) = bytes.split_first_chunk::<HEADER>()?;
    let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
    let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
    let payload = bytes.get(HEADER..length)?;
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    let header = Header {
        kind: u16::from_ne_bytes([k0, k1]),
        flags: u16::from_ne_bytes([f0, f1]),
        sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
    };
    Some((header, payload, rest))
}

/// The errno at the start of a payload; none where it says success.
fn code(payload: &[u8]) -> Option<Fault> {
    let code = payload.first_chunk::<4>().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    (code < 0).then(|| Fault::new(code.wrapping_neg(), ""))
}

/// Read an NLMSG_ERROR: errno, the request's header (and, if not capped, its payload), attributes.
pub(crate) fn refusal(flags: u16, payload: &[u8]) -> Option<Fault> {
    let mut fault = code(payload)?;
    let (request, rest) = payload.get(4..)?.split_at_checked(HEADER).unwrap_or_default();
    if flags & NLM_F_ACK_TLVS != 0 {
        let echoed = match request.first_chunk::<4>() {
            Some(length) if flags & NLM_F_CAPPED == 0 => {
                (u32::from_ne_bytes(*length) as usize).saturating_sub(HEADER).next_multiple_of(4)
            }
            _ => 0,
        };
        for attribute in NlasIterator::new(rest.get(echoed..).unwrap_or_default()).map_while(|next| next.ok()) {
            if attribute.kind() == EXPLANATION {
                let text = String::from_utf8_lossy(attribute.value());
                fault.explanation = text.trim_end_matches(['\0', '.', '\n']).to_owned();
            }
        }
    }
    Some(fault)
}

/// Make sense of a message of the kernel.
pub(crate) fn decode(kind: u16, payload: &[u8]) -> Outcome<RouteNetlinkMessage> {
    RouteNetlinkMessage::parse_with_param(payload, kind)
        .map_err(|error| Fault::new(libc::EPROTO, format!("the answer makes no sense: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

    use super::*;

    fn error_message(code: i32, request_payload: &[u8], text: Option<&str>) -> Vec<u8> {
        let mut bytes = code.to_ne_bytes().to_vec();
        let length = (HEADER + request_payload.len()) as u32;
        bytes.extend(length.to_ne_bytes());
        bytes.extend([0; HEADER - 4]);
        bytes.extend(request_payload);
        if let Some(text) = text {
            bytes.extend((4 + text.len() as u16 + 1).to_ne_bytes());
            bytes.extend(EXPLANATION.to_ne_bytes());
            bytes.extend(text.as_bytes());
            bytes.push(0);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn explanation_is_found_behind_capped_and_whole_requests() {
        let whole =
            refusal(NLM_F_ACK_TLVS, &error_message(-22, &[1, 2, 3, 4, 5, 6, 7, 8], Some("Bad thing."))).unwrap();
        assert_eq!(whole, Fault::new(22, "Bad thing"));
        let capped = refusal(NLM_F_ACK_TLVS | NLM_F_CAPPED, &error_message(-1, &[], Some("Worse"))).unwrap();
        assert_eq!(capped, Fault::new(1, "Worse"));
        assert_eq!(refusal(0, &error_message(0, &[], None)), None);
    }

    #[test]
    fn broken_replies_never_panic() {
        let whole = error_message(-22, &[9; 8], Some("text"));
        for cut in 0..whole.len() {
            let _ = refusal(NLM_F_ACK_TLVS, &whole[..cut]);
            assert!(split(&whole[..cut.min(HEADER - 1)]).is_none());
        }
        assert!(code(&[]).is_none());
        assert!(decode(16, &[1, 2, 3]).is_err());
    }

    #[test]
    fn fault_names_operation_errno_and_explanation() {
        let error = Fault::new(libc::EEXIST, "Route exists").during("add route 10.0.0.0/8");
        assert_eq!(error.kind, ErrorKind::AlreadyExists);
        assert!(error.message.starts_with("add route 10.0.0.0/8: "), "{error}");
        assert!(error.message.ends_with(": Route exists"), "{error}");
    }
}
