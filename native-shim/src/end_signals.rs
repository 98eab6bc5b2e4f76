//! Signals that would end the process, told to whoever waits for them instead: for commands that have to clean up first.
//!
//! By handlers and not by blocking: programs that this process starts would inherit a blocked signal, and get their own
//! default for one with a handler.

use std::fs::File;
use std::io::{self, ErrorKind as IoKind, Read};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::{Error, ErrorKind, Result};

/// What ends a command: its terminal, its operator, its service manager.
const SIGNALS: [libc::c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// Where the handler writes to; never closed once it is open.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// The signals of this process; there is one for its life.
#[derive(Debug)]
pub struct EndSignals {
    pipe: File,
}

/// A signal that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndSignal {
    /// Its number.
    pub number: i32,
    /// The terminal has sent it, and so to all processes in the foreground.
    pub from_terminal: bool,
}

impl EndSignals {
    /// From now on SIGINT, SIGTERM, SIGHUP and SIGQUIT do not end this process. One that is ignored stays ignored.
    /// `AlreadyExists` where this was done before.
    pub fn catch() -> Result<Self> {
        let doing = "catch signals";
        let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| Error::io(doing, &errno.into()))?;
        // A handler must not wait; whom nobody reads any more it need not tell.
        rustix::fs::fcntl_setfl(&write, rustix::fs::OFlags::NONBLOCK).map_err(|e| Error::io(doing, &e.into()))?;
        if PIPE.compare_exchange(-1, write.as_raw_fd(), Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Err(Error::new(ErrorKind::AlreadyExists, format!("{doing}: this process does so already")));
        }
        let _ = write.into_raw_fd();
        for signal in SIGNALS {
            install(signal).map_err(|error| Error::io(doing, &error))?;
        }
        Ok(Self { pipe: File::from(read) })
    }

    /// Wait for the next one.
    pub fn wait(&mut self) -> Result<EndSignal> {
        let mut note = [0; 2];
        loop {
            match self.pipe.read_exact(&mut note) {
                Ok(()) => {
                    let [number, from_terminal] = note;
                    return Ok(EndSignal { number: number.into(), from_terminal: from_terminal == 1 });
                }
                Err(error) if error.kind() == IoKind::Interrupted => {}
                Err(error) => return Err(Error::io("wait for signals", &error)),
            }
        }
    }
}

fn install(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: all zeros is a valid sigaction; the pointers lead to values that live over the calls; the handler does only
    // what is safe in one (see there), and stays for the life of the process.
    unsafe {
        let mut before: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal, ptr::null(), &raw mut before) != 0 {
            return Err(io::Error::last_os_error());
        }
        if before.sa_sigaction == libc::SIG_IGN {
            return Ok(());
        }
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        if libc::sigaction(signal, &raw const action, ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Writes two bytes: number, and whether the kernel itself has sent it, which it does for a terminal. It calls nothing but
/// write, and takes no lock.
extern "C" fn on_signal(number: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel hands over a valid siginfo_t (SA_SIGINFO); pointer and length describe `note`; errno is the
    // interrupted code's and is put back.
    unsafe {
        let errno = *libc::__errno_location();
        let from_terminal = info.as_ref().is_some_and(|info| info.si_code == libc::SI_KERNEL);
        let note = [u8::try_from(number).unwrap_or_default(), u8::from(from_terminal)];
        let _ = libc::write(PIPE.load(Ordering::Acquire), note.as_ptr().cast(), note.len());
        *libc::__errno_location() = errno;
    }
}
