//! Give up rights of this process for good: capabilities, files (landlock), system calls (seccomp).
//!
//! All of it holds for the calling thread and for what it starts from then on, across exec too; other threads of the
//! process are not confined. So it is called while there is one thread only, or on a thread that ends with its work.

pub mod capabilities;
pub mod landlock;
pub mod seccomp;

use crate::{Error, Result};

/// Whether the kernel has what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It is in force.
    Enforced,
    /// This kernel does not know it, or it is switched off.
    Absent,
}

/// No program that is started from now on gets rights by its file: set-user-ID bits and file capabilities do nothing,
/// and an explicit change of the SELinux context needs the permission `nnp_transition`.
pub fn no_new_privileges() -> Result<()> {
    rustix::thread::set_no_new_privs(true).map_err(|e| Error::io("set no_new_privs", &e.into()))
}
