//! What a child gives up before strange code runs in it: everything.

use nix::unistd::Pid;
use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use crate::confinement::capabilities::{self, Capabilities};
use crate::confinement::landlock::{self, Scope};
use crate::confinement::{Support, no_new_privileges, seccomp};
use crate::{Error, ErrorKind, Result};

/// User and group that own nothing. See credentials(7).
const NOBODY: libc::c_long = 65534;

/// What a child may use of the machine, as the kernel counts it. See setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Address space, in bytes.
    pub address_space: u64,
    /// Memory of its own that it may write, in bytes.
    pub data: u64,
    /// Processor time, in seconds.
    pub seconds: u64,
}

/// What this system could not take away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// In words.
    pub what: Vec<&'static str>,
}

/// The kernel ends this process with its parent. Lost when the user changes, so said again after that.
pub(super) fn end_with(parent: Pid) {
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    // It may have ended before.
    if Pid::parent() != parent {
        // SAFETY: _exit runs nothing of ours, and does not return.
        unsafe { libc::_exit(0) };
    }
}

/// Give up, for good, all that code which only computes and speaks over an open socket has no need for: user, groups,
/// capabilities, new descriptors, processes, files and memory, the sight of others, and nearly all system calls.
///
/// Call it in a child, last before strange code runs. What is open stays open. `prepare` runs when there are no rights any
/// more, but threads can still be started: they have none either, and are held to the same system calls afterwards.
///
/// # Errors
/// Where something could not be given up that this kernel knows.
pub fn give_up(bounds: Bounds, prepare: impl FnOnce()) -> Result<Kept> {
    let mut kept = Kept::default();
    let parent = Pid::parent();
    no_new_privileges()?;
    if !become_nobody()? {
        kept.what.push("its user, which this process may not change");
    }
    capabilities::keep(Capabilities::empty(), false)?;
    // Other processes of the same user can neither trace it nor read its memory, and it leaves no core.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|errno| Error::io("protect the plugin's process from others", &errno.into()))?;
    end_with(parent);
    // Before the limits: it takes a descriptor.
    let scope = Scope { signals: true, abstract_sockets: true, tcp: true };
    if landlock::restrict(&[], scope)? == Support::Absent {
        kept.what.push("landlock, which this kernel does not have");
    }
    prepare();
    let none = 0;
    for (resource, most) in [
        (Resource::As, bounds.address_space),
        (Resource::Data, bounds.data),
        (Resource::Cpu, bounds.seconds),
        (Resource::Nproc, none),
        (Resource::Nofile, none),
        (Resource::Fsize, none),
        (Resource::Core, none),
        (Resource::Memlock, none),
        (Resource::Msgqueue, none),
    ] {
        limit(resource, most)?;
    }
    if seccomp::install(seccomp::Profile::Guest)? == Support::Absent {
        let why = "confine the plugin's process: this kernel has no seccomp, and without it there is no isolation";
        return Err(Error::new(ErrorKind::Unsupported, why));
    }
    Ok(kept)
}

/// Lower a limit, for good.
fn limit(resource: Resource, most: u64) -> Result<()> {
    let most = rustix::process::getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
        .map_err(|errno| Error::io(format_args!("limit {resource:?} of the plugin's process"), &errno.into()))
}

/// False where this process may not, or where its user namespace has no such user.
fn become_nobody() -> Result<bool> {
    // Not by the C library, whose functions would stop other threads to change them too.
    // SAFETY: no pointers but one that is null, for a list of no entries.
    let outcomes = unsafe {
        [
            libc::syscall(libc::SYS_setgroups, 0_usize, std::ptr::null::<libc::gid_t>()),
            libc::syscall(libc::SYS_setresgid, NOBODY, NOBODY, NOBODY),
            libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY),
        ]
    };
    Ok(outcomes.iter().all(|outcome| *outcome == 0))
}
