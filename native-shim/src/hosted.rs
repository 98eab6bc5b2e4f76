//! Threads that work in a process that is somebody else's, and that lives on: a container runtime that runs plugins in
//! itself.
//!
//! Elsewhere in this crate a process ends soon after its one command. What is fine there is not here: signals and timers
//! belong to the process and so to its owner, children must be waited for, and nothing may be left open. Modules that
//! have to know ask [`is_hosted`].

use std::cell::Cell;
use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};

use crate::{Error, Result};

thread_local! {
    static HOSTED: Cell<bool> = const { Cell::new(false) };
}

/// From now on the calling thread is a guest in its process, until it ends. Signals for the process go to its other
/// threads: their handlers are the owner's, and should not find themselves confined. Those that the thread's own
/// instructions raise still reach it.
pub fn begin() -> Result<()> {
    let mut signals = SigSet::all();
    for raised in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL, Signal::SIGFPE, Signal::SIGTRAP, Signal::SIGSYS] {
        signals.remove(raised);
    }
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&signals), None)
        .map_err(|errno| Error::io("block signals for a thread", &io::Error::from(errno)))?;
    HOSTED.set(true);
    Ok(())
}

/// Whether the calling thread works in a process that is somebody else's.
pub fn is_hosted() -> bool {
    HOSTED.get()
}

/// Where the thread cannot go on: wait for ever, as to end the process is not ours to decide.
pub(crate) fn give_up() -> ! {
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_says_so_is_hosted_and_it_gets_no_signals() {
        std::thread::spawn(|| {
            begin().unwrap();
            let blocked = SigSet::thread_get_mask().unwrap();
            assert!(is_hosted());
            assert!(blocked.contains(Signal::SIGTERM) && blocked.contains(Signal::SIGALRM));
            assert!(!blocked.contains(Signal::SIGSEGV));
        })
        .join()
        .unwrap();
        assert!(!is_hosted());
        assert!(!SigSet::thread_get_mask().unwrap().contains(Signal::SIGTERM));
    }
}
