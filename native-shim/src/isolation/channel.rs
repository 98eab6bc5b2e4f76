//! Messages over a pair of sockets: a length of four bytes, then so many bytes.
//!
//! The other side may be hostile: no length is believed above what the receiver allows, no memory is taken for what has
//! not come, and no wait is longer than the receiver's deadline.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use crate::{Error, Result};

/// Bytes that are asked for at a time.
const PIECE: usize = 64 << 10;

/// One end.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

/// Why there is no message.
#[derive(Debug)]
pub enum Broken {
    /// The other side has closed its end, or is gone.
    Closed,
    /// It announced a message of so many bytes, more than is allowed.
    TooLong(usize),
    /// The deadline has passed.
    TimedOut,
    /// The system's answer.
    Io(io::Error),
}

impl Channel {
    /// Both ends.
    ///
    /// # Errors
    /// Where the system has no sockets left.
    pub fn pair() -> Result<(Self, Self)> {
        let made = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let (one, other) = made.map_err(|errno| Error::io("make a pair of sockets", &errno.into()))?;
        Ok((Self { socket: one }, Self { socket: other }))
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Send a message; without a deadline, however long it takes.
    ///
    /// # Errors
    /// Why it did not get through.
    pub fn send(&self, message: &[u8], deadline: Option<Instant>) -> std::result::Result<(), Broken> {
        let length = u32::try_from(message.len()).map_err(|_| Broken::TooLong(message.len()))?;
        // In one piece where it fits: one system call, and the receiver wakes up once.
        let mut whole = Vec::with_capacity(4 + message.len());
        whole.extend_from_slice(&length.to_le_bytes());
        whole.extend_from_slice(message);
        let mut rest = whole.as_slice();
        let flags = SendFlags::NOSIGNAL | if deadline.is_some() { SendFlags::DONTWAIT } else { SendFlags::empty() };
        while !rest.is_empty() {
            match send(&self.socket, rest, flags) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.await_ready(PollFlags::OUT, deadline)?,
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Broken::Closed),
                Err(errno) => return Err(Broken::Io(errno.into())),
            }
        }
        Ok(())
    }

    /// The next message, of at most so many bytes; without a deadline, whenever it comes.
    ///
    /// # Errors
    /// Why there is none.
    pub fn receive(&self, longest: usize, deadline: Option<Instant>) -> std::result::Result<Vec<u8>, Broken> {
        let mut length = [0; 4];
        let mut head = Vec::with_capacity(length.len());
        self.fill(&mut head, length.len(), deadline)?;
        length.copy_from_slice(&head);
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > longest {
            return Err(Broken::TooLong(length));
        }
        let mut message = Vec::new();
        self.fill(&mut message, length, deadline)?;
        Ok(message)
    }

    /// Whether something has come that nobody has asked for.
    pub fn has_more(&self) -> bool {
        let mut byte = [0_u8; 1];
        let peeked = recv(&self.socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
        peeked.is_ok_and(|(count, _)| count > 0)
    }

    /// Say that nothing more comes from here.
    ///
    /// # Errors
    /// Where the other side is gone.
    pub fn close_sending(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Write)?)
    }

    fn fill(&self, message: &mut Vec<u8>, length: usize, deadline: Option<Instant>) -> std::result::Result<(), Broken> {
        let flags = if deadline.is_some() { RecvFlags::DONTWAIT } else { RecvFlags::empty() };
        while message.len() < length {
            let filled = message.len();
            message.resize(length.min(filled.saturating_add(PIECE)), 0);
            let received = recv(&self.socket, message.get_mut(filled..).unwrap_or_default(), flags);
            message.truncate(filled + received.as_ref().map_or(0, |(count, _)| *count));
            match received {
                Ok((0, _)) => return Err(Broken::Closed),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.await_ready(PollFlags::IN, deadline)?,
                Err(Errno::CONNRESET) => return Err(Broken::Closed),
                Err(errno) => return Err(Broken::Io(errno.into())),
            }
        }
        Ok(())
    }

    fn await_ready(&self, what: PollFlags, deadline: Option<Instant>) -> std::result::Result<(), Broken> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(Broken::TimedOut);
        }
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::from_borrowed_fd(self.socket.as_fd(), what)], timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(Broken::Io(errno.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
    use super::*;

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(100))
    }

    /// What comes of bytes that somebody wrote as they liked.
    fn given(bytes: &[u8], close: bool) -> std::result::Result<Vec<u8>, Broken> {
        let (ours, theirs) = Channel::pair().unwrap();
        send(&theirs.socket, bytes, SendFlags::empty()).unwrap();
        let open = (!close).then_some(theirs);
        let received = ours.receive(10, soon());
        drop(open);
        received
    }

    #[test]
    fn messages_come_whole_and_in_order() {
        let (ours, theirs) = Channel::pair().unwrap();
        for message in [&b"one"[..], b"", b"three"] {
            theirs.send(message, None).unwrap();
        }
        assert!(ours.has_more());
        assert_eq!(ours.receive(3, soon()).unwrap(), b"one");
        assert_eq!(ours.receive(0, soon()).unwrap(), b"");
        assert_eq!(ours.receive(10, soon()).unwrap(), b"three");
        assert!(!ours.has_more());
        let large = vec![7; 3 << 20];
        let sender = std::thread::spawn(move || theirs.send(&large, Some(Instant::now() + Duration::from_secs(20))));
        let received = ours.receive(4 << 20, Some(Instant::now() + Duration::from_secs(20))).unwrap();
        assert!(received.len() == 3 << 20 && received.iter().all(|byte| *byte == 7));
        sender.join().unwrap().unwrap();
    }

    #[test]
    fn lies_about_the_length_are_found_out() {
        assert!(matches!(given(&[11, 0, 0, 0], false), Err(Broken::TooLong(11))));
        assert!(matches!(given(&[255; 4], false), Err(Broken::TooLong(_))));
        assert!(matches!(given(&[5, 0, 0, 0, 1], false), Err(Broken::TimedOut)));
        assert!(matches!(given(&[5, 0, 0, 0, 1], true), Err(Broken::Closed)));
        assert!(matches!(given(&[5, 0], true), Err(Broken::Closed)));
        assert!(matches!(given(&[], true), Err(Broken::Closed)));
        assert!(matches!(given(&[], false), Err(Broken::TimedOut)));
    }

    #[test]
    fn who_does_not_listen_does_not_hold_us_up() {
        let (ours, theirs) = Channel::pair().unwrap();
        assert!(matches!(ours.send(&vec![0; 8 << 20], soon()), Err(Broken::TimedOut)));
        drop(theirs);
        assert!(matches!(ours.send(b"x", soon()), Err(Broken::Closed)));
    }
}
