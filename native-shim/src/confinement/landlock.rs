//! Landlock: which files the process may still open, and how. See landlock(7).
//!
//! What is open already stays usable, and so do namespaces, pipes and sockets that are reached through /proc. Looking at
//! names, modes and sizes is not restricted.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::Support;
use crate::{Error, Result, hosted};

thread_local! {
    /// What a hosted thread holds open until it ends.
    static HELD: RefCell<Vec<OwnedFd>> = const { RefCell::new(Vec::new()) };
}

/// How a file, or everything below a directory, may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read files and list directories.
    Read,
    /// Read, and start programs.
    Execute,
    /// Read, write, create, remove and rename files and directories.
    Write,
    /// Read and write what is there, also devices and settings of the kernel; create nothing.
    Use,
    /// Remove empty directories, and nothing else.
    RemoveEmpty,
}

/// One path that stays usable. Where it does not exist, the rule has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// A file, or a directory with everything below it. Links are followed.
    pub path: PathBuf,
    /// How.
    pub access: Access,
}

/// What else is taken away, where the kernel can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scope {
    /// Signals to processes that are not restricted in the same way.
    pub signals: bool,
    /// Connections to abstract unix sockets of such processes.
    pub abstract_sockets: bool,
    /// TCP: to bind, and to connect.
    pub tcp: bool,
}

// linux/landlock.h
const EXECUTE: u64 = 1 << 0;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const REMOVE_DIR: u64 = 1 << 4;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_DIR: u64 = 1 << 7;
const MAKE_REG: u64 = 1 << 8;
const MAKE_SOCK: u64 = 1 << 9;
const MAKE_FIFO: u64 = 1 << 10;
/// All that the first version knows.
const FIRST: u64 = (1 << 13) - 1;
/// To link or rename from one directory into another; since the second version.
const REFER: u64 = 1 << 13;
/// Since the third.
const TRUNCATE: u64 = 1 << 14;
/// Since the fifth.
const IOCTL_DEV: u64 = 1 << 15;
/// Rights that make sense for a file that is no directory.
const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;
/// Since the fourth: bind and connect.
const TCP: u64 = 0b11;
/// Since the sixth.
const SCOPE_ABSTRACT: u64 = 1 << 0;
const SCOPE_SIGNAL: u64 = 1 << 1;

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: libc::c_int = 1;

/// `struct landlock_ruleset_attr`.
#[repr(C)]
struct RulesetAttributes {
    files: u64,
    net: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

impl Access {
    /// Whether what is used in this way may also be used in the other.
    pub fn includes(self, other: Self) -> bool {
        self.rights() & other.rights() == other.rights()
    }

    fn rights(self) -> u64 {
        match self {
            Self::Read => READ_FILE | READ_DIR,
            Self::Execute => READ_FILE | READ_DIR | EXECUTE,
            Self::Use => READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | IOCTL_DEV,
            Self::RemoveEmpty => REMOVE_DIR,
            Self::Write => {
                let make = MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO;
                READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | make | REFER
            }
        }
    }
}

/// The version of landlock that the kernel has; none where it has none, or it is switched off.
pub fn version() -> Result<Option<u32>> {
    let flags = CREATE_RULESET_VERSION;
    // SAFETY: with this flag the kernel reads no attributes: no pointer and no size.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, flags) };
    match u32::try_from(answer) {
        Ok(version) => Ok(Some(version)),
        Err(_) => match io::Error::last_os_error() {
            e if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EOPNOTSUPP)) => Ok(None),
            e => Err(Error::io("ask for the version of landlock", &e)),
        },
    }
}

/// From now on, open nothing but what the rules name. `no_new_privs` must be set, or CAP_SYS_ADMIN held.
pub fn restrict(rules: &[Rule], scope: Scope) -> Result<Support> {
    let Some(version) = version()? else { return Ok(Support::Absent) };
    let handled = FIRST
        | if version >= 2 { REFER } else { 0 }
        | if version >= 3 { TRUNCATE } else { 0 }
        | if version >= 5 { IOCTL_DEV } else { 0 };
    let attributes = RulesetAttributes {
        files: handled,
        net: if version >= 4 && scope.tcp { TCP } else { 0 },
        scoped: match version {
            0..=5 => 0,
            _ => {
                (if scope.abstract_sockets { SCOPE_ABSTRACT } else { 0 })
                    | (if scope.signals { SCOPE_SIGNAL } else { 0 })
            }
        },
    };
    // Just the fields that this version knows.
    let size = match version {
        0..=3 => 8_usize,
        4 | 5 => 16,
        _ => 24,
    };
    // SAFETY: pointer and size describe the first fields of `attributes`.
    let made = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attributes, size, 0_u32) };
    let made = i32::try_from(made).ok().filter(|fd| *fd >= 0);
    let made = made.ok_or_else(|| Error::io("make a landlock ruleset", &io::Error::last_os_error()))?;
    // SAFETY: the kernel has just opened it for us.
    let ruleset = unsafe { OwnedFd::from_raw_fd(made) };
    for rule in rules {
        add(&ruleset, rule, handled)?;
    }
    // SAFETY: no pointers; the descriptor is open.
    match unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0_u32) } {
        0 => Ok(Support::Enforced),
        _ => Err(Error::io("apply landlock", &io::Error::last_os_error())),
    }
}

fn add(ruleset: &OwnedFd, rule: &Rule, handled: u64) -> Result<()> {
    let failed = |e: Errno| Error::io(format_args!("landlock: allow {}", rule.path.display()), &e.into());
    // A name alone: what it leads to is not opened, so no device notices, and no pipe keeps us waiting.
    let place = match rustix::fs::open(&rule.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(place) => place,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => return Ok(()),
        Err(errno) => return Err(failed(errno)),
    };
    let rights = rule.access.rights() & handled;
    match allow(ruleset, &place, rights) {
        // The kernel's answer to rights of directories for what is none.
        Err(Errno::INVAL) if rights & OF_FILES != 0 => allow(ruleset, &place, rights & OF_FILES).map_err(failed)?,
        outcome => outcome.map_err(failed)?,
    }
    // The kernel keeps rules with the objects that names lead to at this moment. For settings below /proc it makes these
    // anew once nobody holds them, so this one stays open as long as it is restricted.
    if hosted::is_hosted() {
        HELD.with_borrow_mut(|held| held.push(place));
    } else {
        std::mem::forget(place);
    }
    Ok(())
}

fn allow(ruleset: &OwnedFd, place: &OwnedFd, allowed: u64) -> std::result::Result<(), Errno> {
    let attributes = PathBeneath { allowed, parent: place.as_raw_fd() };
    // SAFETY: the pointer leads to a `landlock_path_beneath_attr`, which lives until the call is over.
    let added = unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), RULE_PATH_BENEATH, &raw const attributes, 0_u32)
    };
    if added == 0 { Ok(()) } else { Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)) }
}
