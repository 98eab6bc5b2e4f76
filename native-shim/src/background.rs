//! Let a short-lived child process wait for the kernel's clean-up in our place.
//!
//! Some requests take effect within a millisecond, and then keep their sender waiting for all processors to have
//! noticed: deleting a link does so for 10 to 30 ms (`rcu_barrier` in `netdev_run_todo`, after the lock of rtnetlink is
//! free again), and so does closing a netfilter socket behind which rules were deleted. A thread is no way out, as its
//! process could not end before it. In a process that is somebody else's ([`hosted`]) it is the other way round: a thread
//! is as good, and there is no child that its owner would have to wait for.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2};

use crate::netfilter::Channel;
use crate::netns::Netns;
use crate::{Error, Result, hosted};

/// Who waits for the kernel. It ends by itself, also after us; who stays longer should [`wait`] for it now and then, as for
/// any child.
///
/// [`wait`]: Background::wait
#[derive(Debug)]
pub struct Background(Waiting);

#[derive(Debug)]
enum Waiting {
    Child(Pid),
    Thread(JoinHandle<()>),
}

impl Background {
    /// Have a child send a datagram on a netlink socket. It keeps the `others` open until then, nothing else: should we
    /// close them before, closing them is what it waits for too. None where this system cannot do that.
    pub(crate) fn send(socket: RawFd, datagram: &[u8], others: &[RawFd]) -> io::Result<Option<Self>> {
        if hosted::is_hosted() {
            let socket = duplicate(socket)?;
            let others = others.iter().map(|other| duplicate(*other)).collect::<io::Result<Vec<_>>>()?;
            let datagram = datagram.to_vec();
            return Self::thread(move || {
                // SAFETY: pointer and length describe `datagram`.
                unsafe { libc::send(socket.as_raw_fd(), datagram.as_ptr().cast(), datagram.len(), 0) };
                drop((socket, others));
            });
        }
        let mut kept = others.to_vec();
        kept.push(socket);
        Self::spawn(&kept, || {
            // SAFETY: pointer and length describe `datagram`.
            unsafe { libc::send(socket, datagram.as_ptr().cast(), datagram.len(), 0) };
        })
    }

    /// Have a thread do something. It inherits what the calling thread may do.
    fn thread(work: impl FnOnce() + Send + 'static) -> io::Result<Option<Self>> {
        const STACK: usize = 64 << 10;
        let thread = std::thread::Builder::new().name("weir-background".to_owned()).stack_size(STACK).spawn(work)?;
        Ok(Some(Self(Waiting::Thread(thread))))
    }

    /// Have a child do something that consists of system calls alone, with these descriptors and no others.
    fn spawn(kept: &[RawFd], work: impl FnOnce()) -> io::Result<Option<Self>> {
        let mut kept: Vec<u32> = kept.iter().filter_map(|fd| u32::try_from(*fd).ok()).collect();
        kept.sort_unstable();
        let gaps = gaps(&kept);
        // A locked file or a pipe to the runtime must not stay open for longer than we live: without close_range
        // (Linux 5.9), do not begin.
        if !close_range(u32::MAX, u32::MAX) {
            return Ok(None);
        }
        // No handler of ours may run in the child.
        let mut before = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before))?;
        // SAFETY: the child makes system calls only, on memory that was prepared before: it is well even where other
        // threads held locks at that moment.
        let forked = unsafe { fork() };
        if let Ok(ForkResult::Child) = forked {
            for (first, last) in gaps {
                close_range(first, last);
            }
            work();
            // SAFETY: _exit runs nothing of ours, and does not return.
            unsafe { libc::_exit(0) };
        }
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
        match forked {
            Ok(ForkResult::Parent { child }) => Ok(Some(Self(Waiting::Child(child)))),
            Ok(ForkResult::Child) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        match &self.0 {
            // An error means that somebody else has waited for it.
            Waiting::Child(child) => !matches!(waitpid(*child, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive)),
            Waiting::Thread(thread) => thread.is_finished(),
        }
    }

    /// Wait until the kernel is done.
    pub fn wait(self) {
        match self.0 {
            Waiting::Child(child) => while waitpid(child, None) == Err(Errno::EINTR) {},
            // It does not panic, and if it did, it would be over all the same.
            Waiting::Thread(thread) => drop(thread.join()),
        }
    }
}

/// Close the netfilter sockets of these namespaces without the 4 to 22 ms that closing one takes after rules or elements
/// were deleted: a child process closes them last. They are opened again when needed. None where there was nothing to
/// close, or where this system cannot do that; then they are closed here.
pub fn close_netfilter(namespaces: &[&Netns]) -> Result<Option<Background>> {
    let channels: Vec<_> = namespaces.iter().filter_map(|namespace| namespace.take_netfilter()).collect();
    if channels.is_empty() {
        return Ok(None);
    }
    let doing = "leave the netfilter sockets to a child process";
    if hosted::is_hosted() {
        return Background::thread(move || drop(channels)).map_err(|error| Error::io(doing, &error));
    }
    let (closed, ours) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| Error::io(doing, &io::Error::from(errno)))?;
    let mut kept: Vec<_> = channels.iter().map(Channel::descriptor).collect();
    kept.push(closed.as_raw_fd());
    let background = Background::spawn(&kept, || {
        let mut byte = 0_u8;
        // Comes back when we have closed our ends, or are gone.
        // SAFETY: pointer and length describe `byte`.
        unsafe { libc::read(closed.as_raw_fd(), (&raw mut byte).cast(), 1) };
    })
    .map_err(|error| Error::io(doing, &error))?;
    drop(channels);
    drop(ours);
    Ok(background)
}

/// Another descriptor of the same open file.
fn duplicate(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: it belongs to a socket that the caller holds open meanwhile.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    borrowed.try_clone_to_owned()
}

/// All descriptors but these, as ranges.
pub(crate) fn gaps(kept: &[u32]) -> Vec<(u32, u32)> {
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
pub(crate) fn close_range(first: u32, last: u32) -> bool {
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
