//! Leases of DHCP servers, from the daemon of this node (`weir dhcp-daemon`): the plugin's side of its unix socket.

pub mod protocol;

use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::{Error, ErrorKind, Result, watchdog};
use protocol::{Acquire, Answer, Lease, Owner, Request};

/// Where the daemon listens by default.
pub const DEFAULT_SOCKET: &str = "/run/cni/dhcp.sock";

/// The daemon behind a socket.
#[derive(Debug)]
pub struct Daemon<'a> {
    socket: &'a Path,
    patience: Duration,
}

impl<'a> Daemon<'a> {
    /// The daemon that listens at a path, with a time limit for each answer.
    pub fn new(socket: &'a Path, patience: Duration) -> Self {
        Self { socket, patience }
    }

    /// Get a lease, or hear of the one that the attachment has.
    pub fn acquire(&self, request: Acquire) -> Result<Lease> {
        self.lease("get a lease", &Request::Acquire(request))
    }

    /// Hear of the lease that the attachment has. `NotFound` where it has none.
    pub fn confirm(&self, owner: Owner) -> Result<Lease> {
        self.lease("look for the lease", &Request::Confirm { owner })
    }

    /// Give the lease of the attachment back. None there is no failure.
    pub fn release(&self, owner: Owner) -> Result<()> {
        self.released("give the lease back", &Request::Release { owner }).map(drop)
    }

    /// Give back all leases of a network but these. Returns whose they were.
    pub fn retain(&self, network: &str, valid: Vec<Owner>) -> Result<Vec<Owner>> {
        self.released("give leases back", &Request::Retain { network: network.to_owned(), valid })
    }

    /// Whether the daemon is there.
    pub fn ping(&self) -> Result<()> {
        let doing = "ask for a sign of life";
        match self.ask(doing, &Request::Ping)? {
            Answer::Ready => Ok(()),
            other => Err(self.unexpected(doing, &other)),
        }
    }

    fn lease(&self, doing: &str, request: &Request) -> Result<Lease> {
        match self.ask(doing, request)? {
            Answer::Lease(lease) => Ok(lease),
            other => Err(self.unexpected(doing, &other)),
        }
    }

    fn released(&self, doing: &str, request: &Request) -> Result<Vec<Owner>> {
        match self.ask(doing, request)? {
            Answer::Released(owners) => Ok(owners),
            other => Err(self.unexpected(doing, &other)),
        }
    }

    fn ask(&self, doing: &str, request: &Request) -> Result<Answer> {
        let fault = |error: &io::Error| self.fault(doing, error);
        let mut stream = UnixStream::connect(self.socket).map_err(|error| self.unreachable(&error))?;
        // Zero would mean: wait for ever.
        let patience = Some(watchdog::within(self.patience).max(Duration::from_millis(1)));
        stream.set_read_timeout(patience).and_then(|()| stream.set_write_timeout(patience)).map_err(|e| fault(&e))?;
        protocol::write(&mut stream, request).map_err(|error| fault(&error))?;
        match protocol::read(&mut BufReader::new(&stream)).map_err(|error| fault(&error))? {
            Answer::Failed { kind, message } => Err(Error::new(kind.into(), message)),
            answer => Ok(answer),
        }
    }

    fn unreachable(&self, error: &io::Error) -> Error {
        let message =
            format!("the DHCP daemon is not reachable at {}: {error}; start `weir dhcp-daemon`", self.socket.display());
        let kind = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
                ErrorKind::NotFound
            }
            io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            io::ErrorKind::InvalidInput => ErrorKind::Invalid,
            _ => ErrorKind::Io,
        };
        Error::new(kind, message)
    }

    fn fault(&self, doing: &str, error: &io::Error) -> Error {
        let doing = format!("{doing} from the DHCP daemon at {}", self.socket.display());
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                let milliseconds = self.patience.as_millis();
                Error::new(ErrorKind::TimedOut, format!("{doing}: no answer within {milliseconds} ms"))
            }
            io::ErrorKind::UnexpectedEof => Error::new(ErrorKind::Io, format!("{doing}: it hung up; its log says why")),
            _ => Error::io(doing, error),
        }
    }

    fn unexpected(&self, doing: &str, answer: &Answer) -> Error {
        let socket = self.socket.display();
        Error::new(ErrorKind::Io, format!("{doing}: the DHCP daemon at {socket} gave another answer: {answer:?}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::attachment::Attachment;

    fn owner() -> Owner {
        Owner::new("net", &Attachment::new("c1", "eth0"))
    }

    #[test]
    fn a_daemon_that_is_not_there_is_not_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dhcp.sock");
        let daemon = Daemon::new(&path, Duration::from_secs(1));
        assert_eq!(daemon.ping().unwrap_err().kind, ErrorKind::NotFound);
        drop(UnixListener::bind(&path).unwrap());
        let error = daemon.ping().unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.message.contains("weir dhcp-daemon"), "{error}");
    }

    #[test]
    fn a_daemon_that_does_not_answer_is_not_waited_for_long() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dhcp.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let error = Daemon::new(&path, Duration::from_millis(20)).release(owner()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TimedOut);
    }

    #[test]
    fn answers_are_judged_by_their_kind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dhcp.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let answers = [Some(Answer::Ready), Some(Error::new(ErrorKind::NotFound, "none").into()), None];
        let server = std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                protocol::read::<Request>(&mut BufReader::new(&stream)).unwrap();
                if let Some(answer) = answer {
                    protocol::write(&mut stream, &answer).unwrap();
                }
            }
        });
        let daemon = Daemon::new(&path, Duration::from_secs(5));
        assert_eq!(daemon.confirm(owner()).unwrap_err().kind, ErrorKind::Io);
        assert_eq!(daemon.confirm(owner()).unwrap_err(), Error::new(ErrorKind::NotFound, "none"));
        assert!(daemon.ping().unwrap_err().message.contains("hung up"));
        server.join().unwrap();
    }
}
