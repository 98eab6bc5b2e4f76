//! A word from another thread that what runs is no longer wanted.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Ends runs from another thread. Clones are the same cancellation; once cancelled it stays so.
#[derive(Debug, Clone)]
pub struct Cancellation {
    // Readable from `cancel` on, as nobody reads from it: who polls processes polls this too, without a thread.
    event: Arc<OwnedFd>,
}

impl Cancellation {
    /// One that nobody has cancelled yet. It fails where no file descriptor is left.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { event: Arc::new(event) })
    }

    /// End what runs with it now, and all that would be run with it later. Returns at once.
    pub fn cancel(&self) {
        // It can only fail where the counter would overflow; then it is readable already.
        let _ = rustix::io::write(&*self.event, &1_u64.to_ne_bytes());
    }

    /// Whether somebody has cancelled.
    pub fn is_cancelled(&self) -> bool {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(&*self.event, PollFlags::IN)], Some(&at_once)).is_ok_and(|ready| ready > 0)
    }
}

/// Readable once somebody has cancelled: for who waits for more than one thing.
impl AsFd for Cancellation {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
