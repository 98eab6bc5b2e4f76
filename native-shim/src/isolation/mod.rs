//! A child process that can do nothing but compute and speak with us, for code that is not trusted.
//!
//! It is a copy of this process, so nothing has to be started or loaded, and what was prepared here is there. It keeps
//! the descriptors that it is given and no others; [`rights::give_up`] takes the rest from it before strange code runs.

pub mod channel;
pub mod rights;

use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, pthread_sigmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};

pub use channel::{Broken, Channel};

use crate::background::{close_range, gaps};
use crate::{Error, ErrorKind, Result};

/// The exit status of a child whose code panicked.
const PANICKED: libc::c_int = 101;
/// Signals that the processor raises for what the code itself does; the engine handles some of them.
const OF_THE_CODE: [Signal; 5] = [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL, Signal::SIGTRAP];

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// Somebody else has waited for it.
    Unknown,
}

/// A child process. Dropped, it is killed.
#[derive(Debug)]
#[must_use = "dropped, it is killed"]
pub struct Child {
    pid: Option<Pid>,
}

impl Child {
    /// The process ID.
    pub fn id(&self) -> Option<i32> {
        self.pid.map(Pid::as_raw)
    }

    /// Wait until it has ended by itself.
    pub fn wait(mut self) -> End {
        self.reap()
    }

    /// End it, and say how it ended: by itself, if it was quicker.
    pub fn end(mut self) -> End {
        self.kill_and_reap()
    }

    fn kill_and_reap(&mut self) -> End {
        if let Some(pid) = self.pid {
            // It fails only where there is nothing to kill.
            let _ = kill(pid, Signal::SIGKILL);
        }
        self.reap()
    }

    fn reap(&mut self) -> End {
        let Some(pid) = self.pid.take() else { return End::Unknown };
        loop {
            return match waitpid(pid, None::<WaitPidFlag>) {
                Err(Errno::EINTR) => continue,
                Ok(WaitStatus::Exited(_, status)) => End::Status(status),
                Ok(WaitStatus::Signaled(_, signal, _)) => End::Signal(signal as i32),
                Ok(_) | Err(_) => End::Unknown,
            };
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.pid.is_some() {
            let _ = self.kill_and_reap();
        }
    }
}

/// Run `body` in a child process, with one end of a channel, these descriptors, and no others: nothing is at their
/// numbers, 0 to 2 included. Returns the child and the other end. The child ends when `body` returns.
///
/// This process must have one thread only: the locks of others would stay locked in the child for ever.
///
/// # Errors
/// Where this process has more threads, or there are no means for another process.
pub fn spawn(kept: &[RawFd], body: impl FnOnce(Channel)) -> Result<(Child, Channel)> {
    const DOING: &str = "start a process for the plugin's code";
    let failed = |errno: Errno| Error::io(DOING, &errno.into());
    if threads()? != 1 {
        let why = format!("{DOING}: this process has several threads, and only one with a single thread can");
        return Err(Error::new(ErrorKind::Unsupported, why));
    }
    if !close_range(u32::MAX, u32::MAX) {
        return Err(Error::new(ErrorKind::Unsupported, format!("{DOING}: it needs close_range, of Linux 5.9")));
    }
    let (ours, theirs) = Channel::pair()?;
    let mut open: Vec<u32> = kept
        .iter()
        .copied()
        .chain([theirs.descriptor()])
        .filter_map(|descriptor| u32::try_from(descriptor).ok())
        .collect();
    open.sort_unstable();
    let gaps = gaps(&open);
    // What runs in the child must not meet our handlers, nor our answer to a signal.
    let mut before = SigSet::empty();
    let mut blocked = SigSet::all();
    OF_THE_CODE.into_iter().for_each(|signal| blocked.remove(signal));
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&blocked), Some(&mut before)).map_err(failed)?;
    let parent = Pid::this();
    // SAFETY: there is one thread, this one, so nobody holds a lock that the child would wait for, and the child may do
    // all that this process may.
    let forked = unsafe { fork() };
    if let Ok(ForkResult::Child) = forked {
        let status = catch_unwind(AssertUnwindSafe(|| {
            for (first, last) in gaps {
                close_range(first, last);
            }
            // Without us, its answer is of no use to anybody.
            rights::end_with(parent);
            body(theirs);
            0
        }))
        .unwrap_or(PANICKED);
        // SAFETY: _exit runs nothing of ours, and does not return.
        unsafe { libc::_exit(status) };
    }
    let unblocked = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    let child = match forked.map_err(failed)? {
        ForkResult::Parent { child } => Child { pid: Some(child) },
        ForkResult::Child => Child { pid: None },
    };
    unblocked.map_err(failed)?;
    Ok((child, ours))
}

/// From now on this thread, and the processes that it starts, run on the processor that it is on. Who takes turns with a
/// child loses time where each turn wakes up another processor.
///
/// # Errors
/// Where the system refuses it, or the processor has a number that is too high for the call.
pub fn stay_on_one_processor() -> Result<()> {
    const DOING: &str = "stay on one processor";
    let (processor, mut one) = (sched_getcpu(), CpuSet::new());
    if processor >= CpuSet::MAX_CPU {
        return Err(Error::new(ErrorKind::Unsupported, format!("{DOING}: it is number {processor}")));
    }
    one.set(processor);
    sched_setaffinity(None, &one).map_err(|errno| Error::io(DOING, &errno.into()))
}

/// How many threads this process has: each is a directory, and so a link of the one above.
fn threads() -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let tasks = std::fs::metadata("/proc/self/task").map_err(|error| Error::io("look at /proc/self/task", &error))?;
    Ok(tasks.nlink().saturating_sub(2))
}
