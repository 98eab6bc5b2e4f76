//! Lines for the journal of systemd. See `systemd.journal-fields(7)`.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::{Error, Result};

/// For opening a log file: not through a link (`O_NOFOLLOW`).
pub const NO_FOLLOW: i32 = libc::O_NOFOLLOW;

/// Where journald listens.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// Connect to the journal, before the process may open no sockets any more.
pub fn open(socket: &Path) -> Result<UnixDatagram> {
    let opened = UnixDatagram::unbound().and_then(|own| {
        own.connect(socket)?;
        // A journal that does not read must not hold up a container.
        own.set_nonblocking(true)?;
        Ok(own)
    });
    opened.map_err(|e| Error::io(format_args!("connect to the journal at {}", socket.display()), &e))
}

/// Send one line with a syslog priority (4 warning, 6 information). A line break in it would begin another field, so what
/// follows is left out.
pub fn send(journal: &UnixDatagram, priority: u8, line: &str) -> Result<()> {
    let line = line.lines().next().unwrap_or_default();
    let message = format!("PRIORITY={priority}\nSYSLOG_IDENTIFIER=weir\nMESSAGE={line}\n");
    journal.send(message.as_bytes()).map(drop).map_err(|e| Error::io("send a line to the journal", &e))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_datagram_and_cannot_forge_fields() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        send(&open(&path).unwrap(), 4, "{\"a\": 1}\nPRIORITY=0").unwrap();
        let mut buffer = [0; 200];
        let length = journal.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(buffer.get(..length).unwrap()).unwrap();
        assert_eq!(text, "PRIORITY=4\nSYSLOG_IDENTIFIER=weir\nMESSAGE={\"a\": 1}\n");
        assert!(open(&directory.path().join("none")).is_err());
    }
}
