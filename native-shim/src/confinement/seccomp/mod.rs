//! Seccomp: which system calls the process, and what it starts, may still make. See seccomp(2).
//!
//! A refused call fails with EPERM, and the process goes on; a child that runs a guest is killed. Calls in the ways of other processors' programs (32-bit x86,
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
    /// For a child that runs a plugin's code: compute, and speak over a socket that is open. Anything else kills it.
    Guest,
}

/// Apply a profile. `no_new_privs` must be set, or CAP_SYS_ADMIN held.
pub fn install(profile: Profile) -> Result<Support> {
    let mut program = program::compile(&verdicts(profile));
    let length = u16::try_from(program.len())
        .map_err(|_| Error::new(crate::ErrorKind::Invalid, "the seccomp filter is too long"))?;
    let filter = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // Without the flag, older kernels slow the processor down for the rest of the process.
    let flags = match profile {
        Profile::Alone | Profile::WithPrograms => libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
        // For strange code the processor should be careful, and no thread may be left out.
        Profile::Guest => libc::SECCOMP_FILTER_FLAG_TSYNC,
    };
    // SAFETY: `filter` describes `program`; both live until the call is over.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) };
    match answer {
        0 => return Ok(Support::Enforced),
        // The number of a thread that has another filter.
        1.. => {
            let why = format!("apply the seccomp filter: thread {answer} has another one");
            return Err(Error::new(crate::ErrorKind::Invalid, why));
        }
        _ => {}
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
        Profile::Guest => (calls::GUEST, Verdict::Allow, Verdict::Kill),
    };
    let of_host = [
        (libc::SYS_setns, Verdict::NetworkNamespaceOnly),
        (libc::SYS_socket, Verdict::KnownFamilyOnly),
        (libc::SYS_clone, Verdict::NoNamespaces),
        // Its flags are in memory, where a filter cannot see them. C libraries go back to clone.
        (libc::SYS_clone3, Verdict::Missing),
    ];
    // A child that runs a guest becomes nobody, where the host has the right to do that.
    let to_nobody = [
        (libc::SYS_setresuid, Verdict::NobodyOnly),
        (libc::SYS_setresgid, Verdict::NobodyOnly),
        (libc::SYS_setgroups, Verdict::NoneOnly),
    ];
    let of_guest = [(libc::SYS_mmap, Verdict::NotExecutable), (libc::SYS_mprotect, Verdict::NotExecutable)];
    let special: Vec<(i64, Verdict)> = match profile {
        Profile::Alone => of_host.into_iter().chain(to_nobody).collect(),
        Profile::WithPrograms => of_host.to_vec(),
        Profile::Guest => of_guest.to_vec(),
    };
    program::Table::new(listed, on_list, otherwise, &special)
}

#[cfg(test)]
mod tests;
