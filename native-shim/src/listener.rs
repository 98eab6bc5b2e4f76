//! Unix sockets to listen on: handed over by systemd (sd_listen_fds(3)), or made here.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::Mode;

use crate::{Error, ErrorKind, Result};

/// SD_LISTEN_FDS_START.
const FIRST: RawFd = 3;

/// The socket that systemd opened for this process; none where it opened none. Later calls give none.
pub fn activated() -> Result<Option<UnixListener>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let for_us = number("LISTEN_PID") == Some(std::process::id());
    let count = number("LISTEN_FDS").unwrap_or_default();
    if !for_us || count == 0 || TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(None);
    }
    if count > 1 {
        let message = format!("systemd handed over {count} sockets; one is needed: give the unit one ListenStream=");
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let doing = "take the socket of systemd";
    let io = |error: io::Error| Error::io(doing, &error);
    // Not inherited by programs that are started; also tells whether the descriptor is open at all.
    // SAFETY: fcntl with F_SETFD takes an integer and changes a flag of the descriptor, if it is open.
    if unsafe { libc::fcntl(FIRST, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io(io::Error::last_os_error()));
    }
    // SAFETY: the descriptor is open, and LISTEN_PID says that it is for this process; `TAKEN` sees to it that it is taken
    // once.
    let listener = UnixListener::from(unsafe { OwnedFd::from_raw_fd(FIRST) });
    listener.local_addr().map_err(|_| {
        Error::new(ErrorKind::Invalid, format!("{doing}: it is no unix socket; use ListenStream=/run/cni/dhcp.sock"))
    })?;
    Ok(Some(listener))
}

/// Make a socket that only its owner may connect to. What a killed process left at the path is replaced; a socket on which
/// somebody listens is not: `AlreadyExists`.
///
/// The process must not have other threads yet that create files: the mask for these is changed for a moment.
pub fn bind(path: &Path) -> Result<UnixListener> {
    let io = |error: io::Error| Error::io(format_args!("listen at {}", path.display()), &error);
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(io)?;
    }
    match UnixStream::connect(path) {
        Ok(_) => {
            let message = format!("listen at {}: another process does already", path.display());
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(io)?,
        Err(_) => {}
    }
    let mask = rustix::process::umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(mask);
    listener.map_err(io)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_socket_is_for_its_owner_and_replaces_a_dead_one_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/dhcp.sock");
        let first = bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(bind(&path).unwrap_err().kind, ErrorKind::AlreadyExists);
        drop(first);
        let _second = bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        std::fs::write(directory.path().join("file"), "kept").unwrap();
        assert!(bind(&directory.path().join("file")).is_err() || directory.path().join("file").exists());
    }

    #[test]
    fn without_systemd_there_is_no_socket() {
        assert!(activated().unwrap().is_none());
    }
}
