//! Gets the rights to make namespaces: as root, or as an ordinary user by a user namespace.

use std::sync::OnceLock;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Uid, getgid, getuid};

/// What this process may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Privileges {
    /// Root of the machine, in a mount and a network namespace of its own.
    Root,
    /// An ordinary user who is root inside a user namespace.
    UserNamespace,
    /// No namespaces; the reason is inside.
    None(String),
}

static OBTAINED: OnceLock<Privileges> = OnceLock::new();

/// Get the rights. Must come first in `main`: a process with several threads cannot enter a user namespace.
pub fn obtain() -> &'static Privileges {
    OBTAINED.get_or_init(|| {
        let private = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
        if Uid::effective().is_root() && unshare(private).is_ok() {
            return match crate::host::make_mounts_private() {
                Ok(()) => Privileges::Root,
                Err(error) => Privileges::None(format!("mounts cannot be made private: {error:#}")),
            };
        }
        match enter_user_namespace(private) {
            Ok(()) => Privileges::UserNamespace,
            Err(error) => Privileges::None(format!("not root, and no user namespaces: {error:#}")),
        }
    })
}

/// The rights that [`obtain`] got.
pub fn current() -> Privileges {
    OBTAINED.get().cloned().unwrap_or_else(|| Privileges::None("the rights were never asked for".into()))
}

fn enter_user_namespace(private: CloneFlags) -> Result<()> {
    let (user, group) = (getuid(), getgid());
    unshare(CloneFlags::CLONE_NEWUSER).context("unshare a user namespace")?;
    std::fs::write("/proc/self/setgroups", "deny").context("write setgroups")?;
    std::fs::write("/proc/self/uid_map", format!("0 {user} 1")).context("write uid_map")?;
    std::fs::write("/proc/self/gid_map", format!("0 {group} 1")).context("write gid_map")?;
    unshare(private).context("unshare a network namespace")?;
    crate::host::make_mounts_private()
}
