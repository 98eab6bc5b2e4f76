//! Seccomp: which system calls the process, and what it starts, may still make. See seccomp(2).
//!
//! A refused call fails with EPERM; the process goes on. Calls in the ways of other processors' programs (32-bit x86,
//! x32) are all refused.

mod calls;
mod program;

use std::io;

use super::Support;
use crate::{Error, Result};
use program::Verdict;

/// Which calls stay allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For a process that starts no other program: only what is on a list.
    Alone,
    /// For a process that starts programs of the system, such as iptables: all but what is on a list. Nothing on that list
    /// is needed to set up a network.
    WithPrograms,
}

/// Apply a profile. `no_new_privs` must be set, or CAP_SYS_ADMIN held.
pub fn install(profile: Profile) -> Result<Support> {
    let mut program = program::compile(&verdicts(profile));
    let length = u16::try_from(program.len())
        .map_err(|_| Error::new(crate::ErrorKind::Invalid, "the seccomp filter is too long"))?;
    let filter = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // Without the flag, older kernels slow the processor down for the rest of the process.
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // SAFETY: `filter` describes `program`; both live until the call is over.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) };
    if answer == 0 {
        return Ok(Support::Enforced);
    }
    match io::Error::last_os_error() {
        e if e.raw_os_error() == Some(libc::ENOSYS) => Ok(Support::Absent),
        // Also what a kernel without filters says.
        e if e.raw_os_error() == Some(libc::EINVAL) && !has_filters() => Ok(Support::Absent),
        e => Err(Error::io("apply the seccomp filter", &e)),
    }
}

fn has_filters() -> bool {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the pointer leads to a number, which lives until the call is over.
    unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) == 0 }
}

/// What becomes of each call that is not treated as the last element says: sorted by number.
fn verdicts(profile: Profile) -> program::Table {
    let (listed, on_list, otherwise) = match profile {
        Profile::Alone => (calls::ALONE, Verdict::Allow, Verdict::Refuse),
        Profile::WithPrograms => (calls::NEVER, Verdict::Refuse, Verdict::Allow),
    };
    let special = [
        (libc::SYS_setns, Verdict::NetworkNamespaceOnly),
        (libc::SYS_socket, Verdict::KnownFamilyOnly),
        (libc::SYS_clone, Verdict::NoNamespaces),
        // Its flags are in memory, where a filter cannot see them. C libraries go back to clone.
        (libc::SYS_clone3, Verdict::Missing),
    ];
    program::Table::new(listed, on_list, otherwise, &special)
}

#[cfg(test)]
mod tests;
