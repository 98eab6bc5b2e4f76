//! Network namespaces: open them, tell them apart, work inside them.

use std::path::Path;

use crate::{Error, ErrorKind, Result};

/// An open network namespace.
#[derive(Debug)]
pub struct Netns {
    _private: (),
}

/// What tells namespaces apart: device and inode of the namespace file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NetnsIdentity {
    /// Device of the namespace file system.
    pub device: u64,
    /// Inode, as in `readlink /proc/self/ns/net`.
    pub inode: u64,
}

impl Netns {
    /// Open the namespace that a path names (CNI_NETNS). `NotFound` where there is no file, `Invalid` where the file
    /// is no network namespace.
    pub fn open(path: &Path) -> Result<Self> {
        Err(Error::new(ErrorKind::Unsupported, format!("open network namespace {}", path.display())))
    }

    /// The namespace that the calling thread is in.
    pub fn current() -> Result<Self> {
        Err(Error::new(ErrorKind::Unsupported, "open the current network namespace"))
    }

    /// What tells this namespace from others.
    pub fn identity(&self) -> NetnsIdentity {
        NetnsIdentity { device: 0, inode: 0 }
    }

    /// Whether both are the same namespace.
    pub fn is_same(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    /// Run `work` with the calling thread inside the namespace, and come back whatever happens.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> Result<T> {
        Ok(work())
    }

    /// Open a netlink socket of a protocol (`libc::NETLINK_NETFILTER`, ...) that belongs to the namespace for good.
    pub(crate) fn open_netlink(&self, protocol: isize) -> Result<netlink_sys::Socket> {
        self.enter(|| netlink_sys::Socket::new(protocol))?.map_err(|error| Error::io("open a netlink socket", &error))
    }

    /// How long to wait for an answer of the kernel; 10 s if never set.
    pub fn set_timeout(&self, _timeout: std::time::Duration) {}
}
