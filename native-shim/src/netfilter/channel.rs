//! A netlink socket to netfilter: questions, lists and transactions, each with the checks that netlink needs.
//!
//! The kernel answers within the send, so every answer is waiting when `send` returns. A socket that is closed while
//! the kernel still has nftables objects to destroy waits for that, 4 to 22 ms; therefore a socket stays open as long
//! as its `Netns`, and whoever has a result to give gives it before dropping the `Netns`.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::PoisonError;
use std::time::Duration;

use netlink_sys::Socket;

use super::attributes::Attributes;
use super::message::{Content, Received, Refusal, Request, flags, received};
use crate::netns::Netns;
use crate::{Error, ErrorKind, Result, watchdog};

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// How often a list is asked for again when it changed while it was being sent.
const DUMP_ATTEMPTS: u32 = 20;
/// Questions in one datagram: few enough that all answers fit into the receive buffer.
const QUESTIONS_AT_ONCE: usize = 64;
/// Largest part of a list that the kernel sends at once is 32 KiB; twice that is always enough.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// Datagrams up to this size fit into the default send buffer.
const DEFAULT_SEND: usize = 100 * 1024;
/// How long to wait in the case, not known to happen, that an answer is late.
const LATE: Duration = Duration::from_secs(5);

/// The answer to a question: the attributes of the object (none for a plain "done"), or a no.
pub(crate) type Answer = std::result::Result<Vec<u8>, Refusal>;

/// Why a transaction was not carried out.
#[derive(Debug)]
pub(crate) struct BatchFault {
    /// Index of the first refused request; none where the transaction as a whole was refused.
    pub(crate) request: Option<usize>,
    /// Why.
    pub(crate) refusal: Refusal,
}

/// A socket with the number of its last request.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

/// Work with the channel of a namespace; it is opened at the first use.
pub(crate) fn with_channel<T>(namespace: &Netns, work: impl FnOnce(&mut Channel) -> Result<T>) -> Result<T> {
    let mut slot = namespace.netfilter().lock().unwrap_or_else(PoisonError::into_inner);
    let channel = match slot.as_mut() {
        Some(channel) => channel,
        None => slot.insert(Channel::open(namespace)?),
    };
    work(channel)
}

impl Channel {
    /// Open a channel to the netfilter of a namespace.
    pub(crate) fn open(namespace: &Netns) -> Result<Self> {
        let socket = namespace.open_netlink(libc::NETLINK_NETFILTER as isize)?;
        // Shorter answers with the kernel's own words; kernels without them answer all the same.
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_ext_ack(true);
        Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(RECEIVE_BUFFER) })
    }

    /// Descriptor of the socket.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Ask questions that have one answer each.
    pub(crate) fn ask(&mut self, requests: &[Request]) -> Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(requests.len());
        for some in requests.chunks(QUESTIONS_AT_ONCE) {
            answers.extend(self.ask_some(some)?);
        }
        Ok(answers)
    }

    fn ask_some(&mut self, requests: &[Request]) -> Result<Vec<Answer>> {
        let first = self.send(requests)?;
        let mut answers: Vec<Option<Answer>> = vec![None; requests.len()];
        while answers.iter().any(Option::is_none) {
            self.receive(|message| {
                let index = usize::try_from(message.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                if let Some(slot) = answers.get_mut(index) {
                    *slot = Some(match message.content {
                        Content::Object(attributes) => Ok(attributes.to_vec()),
                        Content::Acknowledged | Content::Done(_) => Ok(Vec::new()),
                        Content::Refused(refusal) => Err(refusal),
                    });
                }
            })?;
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Ask for a list. Starts again where the list changed meanwhile.
    pub(crate) fn list(&mut self, request: &Request) -> Result<std::result::Result<Vec<Vec<u8>>, Refusal>> {
        let mut request = request.clone();
        request.flags |= flags::DUMP;
        for _ in 0..DUMP_ATTEMPTS {
            let number = self.send(std::slice::from_ref(&request))?;
            let mut objects = Vec::new();
            let mut interrupted = false;
            let mut end = None;
            while end.is_none() {
                self.receive(|message| {
                    if message.sequence != number {
                        return;
                    }
                    interrupted |= message.interrupted;
                    match message.content {
                        Content::Object(attributes) => objects.push(attributes.to_vec()),
                        Content::Acknowledged | Content::Done(0) => end = Some(Ok(())),
                        Content::Done(code) => {
                            end = Some(Err(Refusal { errno: code.saturating_neg(), explanation: None }));
                        }
                        Content::Refused(refusal) => end = Some(Err(refusal)),
                    }
                })?;
            }
            match end {
                Some(Err(refusal)) if refusal.errno != libc::EINTR => return Ok(Err(refusal)),
                Some(Ok(())) if !interrupted => return Ok(Ok(objects)),
                _ => {}
            }
        }
        let message = format!("the kernel's list changed during each of {DUMP_ATTEMPTS} readings: try again");
        Err(Error::new(ErrorKind::Busy, message))
    }

    /// Carry out requests of one subsystem as one transaction.
    pub(crate) fn transact(
        &mut self,
        subsystem: u16,
        requests: &[Request],
    ) -> Result<std::result::Result<(), BatchFault>> {
        let Some((last, others)) = requests.split_last() else { return Ok(Ok(())) };
        let bracket = |kind| {
            let mut request = Request::new(kind, 0, 0, Attributes::new());
            request.resource = subsystem;
            request
        };
        let mut batch = Vec::with_capacity(requests.len() + 2);
        batch.push(bracket(BATCH_BEGIN));
        batch.extend(others.iter().cloned());
        // One acknowledgement, of the last: it comes after the whole batch was carried out or given up.
        let mut last = last.clone();
        last.flags |= flags::ACK;
        batch.push(last);
        batch.push(bracket(BATCH_END));
        let first = self.send(&batch)?;
        let mut fault: Option<BatchFault> = None;
        let mut finished = false;
        while !finished {
            self.receive(|message| {
                let index = usize::try_from(message.sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                if index >= requests.len() + 2 {
                    return;
                }
                if let Content::Refused(refusal) = message.content {
                    let request = index.checked_sub(1).filter(|index| *index < requests.len());
                    // A refusal of the bracket is of the whole, and no other answer needs to follow.
                    finished |= request.is_none();
                    fault.get_or_insert(BatchFault { request, refusal });
                }
                finished |= index == requests.len();
            })?;
        }
        Ok(fault.map_or(Ok(()), Err))
    }

    /// Send in one datagram; returns the number of the first request.
    fn send(&mut self, requests: &[Request]) -> Result<u32> {
        let mut bytes = Vec::new();
        let first = self.sequence.wrapping_add(1);
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            request.write(self.sequence, &mut bytes)?;
        }
        if bytes.len() > DEFAULT_SEND {
            self.enlarge_send_buffer(bytes.len());
        }
        loop {
            match self.socket.send(&bytes, 0) {
                Ok(_) => return Ok(first),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("send to netfilter", &error)),
            }
        }
    }

    /// Room for a large datagram. Failure shows at the send.
    fn enlarge_send_buffer(&self, bytes: usize) {
        let size = libc::c_int::try_from(bytes.saturating_mul(2)).unwrap_or(libc::c_int::MAX);
        for option in [libc::SO_SNDBUFFORCE, libc::SO_SNDBUF] {
            // SAFETY: the descriptor is open, and the pointer and length describe a c_int that lives over the call.
            let result = unsafe {
                libc::setsockopt(
                    self.socket.as_raw_fd(),
                    libc::SOL_SOCKET,
                    option,
                    (&raw const size).cast(),
                    size_of::<libc::c_int>() as libc::socklen_t,
                )
            };
            if result == 0 {
                return;
            }
        }
    }

    /// Take one datagram of the kernel and hand over its messages.
    fn receive(&mut self, mut each: impl FnMut(Received<'_>)) -> Result<()> {
        loop {
            self.buffer.clear();
            match self.socket.recv_from(&mut self.buffer, libc::MSG_DONTWAIT) {
                // Only the kernel has port number 0; others could write to us, and are not heard.
                Ok((_, sender)) if sender.port_number() != 0 => {}
                Ok(_) => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // Answers were lost for lack of room; those that were kept are still to be read.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => self.wait()?,
                Err(error) => return Err(Error::io("receive from netfilter", &error)),
            }
        }
        received(&self.buffer).for_each(&mut each);
        Ok(())
    }

    fn wait(&self) -> Result<()> {
        let patience = i32::try_from(watchdog::within(LATE).as_millis()).unwrap_or(i32::MAX);
        let mut poll = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd is passed, and it lives over the call.
        match unsafe { libc::poll(&raw mut poll, 1, patience) } {
            1 => Ok(()),
            -1 if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
                && !watchdog::has_expired() =>
            {
                Ok(())
            }
            _ => Err(Error::new(
                ErrorKind::TimedOut,
                format!("netfilter of the kernel did not answer within {patience} ms"),
            )),
        }
    }
}
