//! Let a short-lived child process wait for the kernel's clean-up in our place.
//!
//! Some requests take effect within a millisecond, and then keep their sender waiting for all processors to have
//! noticed: deleting a link does so for 10 to 30 ms (`rcu_barrier` in `netdev_run_todo`, after the lock of rtnetlink is
//! free again), and so does closing a netfilter socket behind which rules were deleted. A thread is no way out, as its
//! process could not end before it.

use std::io;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// A child process that waits for the kernel. It ends by itself, also after us; who stays longer should [`wait`] for it
/// now and then, as for any child.
///
/// [`wait`]: Background::wait
#[derive(Debug)]
pub struct Background {
    child: Pid,
}

impl Background {
    /// Have a child send a datagram on a netlink socket. It keeps the `others` open until then, nothing else: should we
    /// close them before, closing them is what it waits for too. None where this system cannot do that.
    pub(crate) fn send(socket: RawFd, datagram: &[u8], others: &[RawFd]) -> io::Result<Option<Self>> {
        let mut kept: Vec<u32> = others.iter().chain([&socket]).filter_map(|fd| u32::try_from(*fd).ok()).collect();
        kept.sort_unstable();
        let gaps = gaps(&kept);
        // A locked file or a pipe to the runtime must not stay open for longer than we live: without close_range
        // (Linux 5.9), do not begin.
        if !close_range(u32::MAX, u32::MAX) {
            return Ok(None);
        }
        // No handler of ours may run in the child.
        let mut before = SigSet::empty();
        nix::sys::signal::pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before))?;
        // SAFETY: the child makes system calls only, on memory that was prepared before: it is well even where other
        // threads held locks at that moment.
        let forked = unsafe { fork() };
        if let Ok(ForkResult::Child) = forked {
            for (first, last) in gaps {
                close_range(first, last);
            }
            // SAFETY: pointer and length describe `datagram`.
            unsafe { libc::send(socket, datagram.as_ptr().cast(), datagram.len(), 0) };
            // SAFETY: _exit runs nothing of ours, and does not return.
            unsafe { libc::_exit(0) };
        }
        nix::sys::signal::pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
        match forked {
            Ok(ForkResult::Parent { child }) => Ok(Some(Self { child })),
            Ok(ForkResult::Child) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether the child has ended.
    pub(crate) fn is_over(&self) -> bool {
        // An error means that somebody else has waited for it.
        !matches!(waitpid(self.child, Some(WaitPidFlag::WNOHANG)), Ok(nix::sys::wait::WaitStatus::StillAlive))
    }

    /// Wait until the kernel is done.
    pub fn wait(self) {
        while waitpid(self.child, None) == Err(Errno::EINTR) {}
    }
}

/// All descriptors but these, as ranges.
fn gaps(kept: &[u32]) -> Vec<(u32, u32)> {
    let mut gaps = Vec::with_capacity(kept.len() + 1);
    let mut next = 0;
    for descriptor in kept {
        if *descriptor > next {
            gaps.push((next, descriptor - 1));
        }
        next = descriptor.saturating_add(1);
    }
    gaps.push((next, u32::MAX));
    gaps
}

/// Close all descriptors of a range; false where the system cannot.
fn close_range(first: u32, last: u32) -> bool {
    // SAFETY: close_range takes no pointers. Before the fork it is called for a range without descriptors; in the child
    // nobody uses those that it closes.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_else_is_closed() {
        assert_eq!(gaps(&[]), [(0, u32::MAX)]);
        assert_eq!(gaps(&[0, 1, 5]), [(2, 4), (6, u32::MAX)]);
        assert_eq!(gaps(&[3, 3, 4]), [(0, 2), (5, u32::MAX)]);
    }
}
