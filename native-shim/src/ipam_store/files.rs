//! The files of one network, as host-local writes them. Every name is relative to the open directory, so neither a
//! network name nor an address nor a symbolic link leads out of it.

use std::fs::File;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::fs::{fstat, futimens, linkat, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use super::Attachment;
use super::lock::Lock;
use crate::attachment::check_identifier;
use crate::{Error, ErrorKind, Result};

/// A file of an address holds two names; what is longer is not from a CNI plugin.
const CONTENT_LIMIT: u64 = 64 << 10;

/// A modification time of the directory, in seconds and nanoseconds.
pub(super) type Stamp = (i64, i64);

/// The open directory of a network.
#[derive(Debug)]
pub(super) struct Files {
    directory: OwnedFd,
    path: PathBuf,
}

/// What tells one state of the directory from every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) modified: Stamp,
}

impl Files {
    /// The directory of a network; `None` where it is missing.
    pub(super) fn open(root: &Path, network: &str) -> Result<Option<Self>> {
        let path = root.join(network);
        let found = open_directory(root).and_then(|root| open_network(&root, network));
        match found {
            Ok(directory) => Ok(Some(Self { directory, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io(format!("open the address store {}", path.display()), &errno.into())),
        }
    }

    /// The directory of a network, created where it is missing.
    pub(super) fn create(root: &Path, network: &str) -> Result<Self> {
        let path = root.join(network);
        let fail = |e: std::io::Error| Error::io(format!("create the address store {}", path.display()), &e);
        std::fs::create_dir_all(root).map_err(fail)?;
        let root = open_directory(root).map_err(|e| fail(e.into()))?;
        match mkdirat(&root, network, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(fail(errno.into())),
        }
        let directory = open_network(&root, network).map_err(|e| fail(e.into()))?;
        Ok(Self { directory, path })
    }

    /// Take the lock that host-local takes. A store on a read-only disk without a lock file has nobody to lock out.
    pub(super) fn lock(&self) -> Result<Option<Lock>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = match openat(&self.directory, "lock", flags | OFlags::CREATE, Mode::from_raw_mode(0o750)) {
            Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => openat(&self.directory, "lock", flags, Mode::empty()),
            other => other,
        };
        count_open();
        match opened {
            Ok(file) => Lock::take(file.into(), &self.path.join("lock")).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed("open", "lock", errno.into())),
        }
    }

    /// Who has an address, as its file says; `None` where there is no such file.
    pub(super) fn owner_of(&self, address: IpAddr) -> Result<Option<Attachment>> {
        let name = address.to_string();
        match self.read(&name) {
            Ok(content) => Ok(Some(parse_owner(&content))),
            Err(e) if is(&e, Errno::NOENT) => Ok(None),
            // A directory or a link under the name of an address: taken, by nobody that we know. As host-local sees it.
            Err(e) if is(&e, Errno::LOOP) || is(&e, Errno::ISDIR) || is(&e, Errno::NXIO) => {
                Ok(Some(Attachment::new("", "")))
            }
            Err(e) => Err(self.failed("read", &name, e)),
        }
    }

    /// Every address that has a file, in the order of numbers.
    pub(super) fn addresses(&self) -> Result<Vec<IpAddr>> {
        let mut addresses = Vec::new();
        count_open();
        let fail = |errno: Errno| Error::io(format!("list the address store {}", self.path.display()), &errno.into());
        for entry in Dir::read_from(&self.directory).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_str().unwrap_or_default();
            // Names that host-local would write for the address, and no other spelling of it.
            if let Ok(address) = name.parse::<IpAddr>()
                && address.to_string() == name
                && address.to_canonical() == address
            {
                addresses.push(address);
            }
        }
        addresses.sort_unstable();
        Ok(addresses)
    }

    /// Start a file for the owner. It has no name until [`NewLease::publish`] gives it one.
    pub(super) fn prepare<'a>(&'a self, owner: &Attachment) -> Result<NewLease<'a>> {
        let content = format!("{}\r\n{}", owner.container_id, owner.interface_name);
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        count_open();
        let unnamed = match openat(&self.directory, ".", flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => {
                let mut file = File::from(file);
                file.write_all(content.as_bytes()).map_err(|e| self.failed("write a file in", ".", e))?;
                Some(file)
            }
            // Not every file system has files without a name.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => None,
            Err(errno) => return Err(self.failed("create a file in", ".", errno.into())),
        };
        Ok(NewLease { files: self, unnamed, content })
    }

    /// Give an address back. `false`: it had no file.
    pub(super) fn remove(&self, address: IpAddr) -> Result<bool> {
        let name = address.to_string();
        match unlinkat(&self.directory, &name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.failed("remove", &name, errno.into())),
        }
    }

    /// The address last given out for a range set. A file that cannot be read only costs the round robin.
    pub(super) fn last_reserved(&self, range_set: u32) -> Option<IpAddr> {
        let content = self.read(&format!("last_reserved_ip.{range_set}")).ok()?;
        content.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical())
    }

    /// Write down the address last given out for a range set.
    pub(super) fn set_last_reserved(&self, range_set: u32, address: IpAddr) -> Result<()> {
        let name = format!("last_reserved_ip.{range_set}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        count_open();
        let file = openat(&self.directory, &name, flags, Mode::from_raw_mode(0o600));
        let mut file = File::from(file.map_err(|e| self.failed("open", &name, e.into()))?);
        file.write_all(address.to_string().as_bytes()).map_err(|e| self.failed("write", &name, e))
    }

    /// What state the directory is in.
    pub(super) fn identity(&self) -> Result<Identity> {
        let stat = fstat(&self.directory).map_err(|e| self.failed("look at", ".", e.into()))?;
        #[allow(clippy::unnecessary_cast, reason = "the types of these fields differ between architectures")]
        let modified = (stat.st_mtime as i64, stat.st_mtime_nsec as i64);
        Ok(Identity { device: stat.st_dev, inode: stat.st_ino, modified })
    }

    /// Set the modification time of the directory.
    pub(super) fn set_modified(&self, (seconds, nanoseconds): Stamp) -> Result<()> {
        let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        #[allow(clippy::unnecessary_fallible_conversions, clippy::useless_conversion, reason = "32-bit targets differ")]
        let modified = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.try_into().unwrap_or_default() };
        futimens(&self.directory, &Timestamps { last_access: omitted, last_modification: modified })
            .map_err(|e| self.failed("set the time of", ".", e.into()))
    }

    fn read(&self, name: &str) -> std::io::Result<String> {
        count_open();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.directory, name, flags, Mode::empty())?;
        let mut bytes = Vec::new();
        File::from(file).take(CONTENT_LIMIT).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn failed(&self, doing: &str, name: &str, error: std::io::Error) -> Error {
        Error::io(format!("{doing} {}", self.path.join(name).display()), &error)
    }
}

/// A file that is written but stands for no address yet: it appears whole or not at all.
pub(super) struct NewLease<'a> {
    files: &'a Files,
    unnamed: Option<File>,
    content: String,
}

impl NewLease<'_> {
    /// Claim an address. `false`: somebody has it.
    pub(super) fn publish(&mut self, address: IpAddr) -> Result<bool> {
        let name = address.to_string();
        let directory = self.files.directory.as_fd();
        if let Some(file) = &self.unnamed {
            let link = format!("/proc/self/fd/{}", file.as_raw_fd());
            match linkat(rustix::fs::CWD, link, directory, &name, AtFlags::SYMLINK_FOLLOW) {
                Ok(()) => return Ok(true),
                Err(Errno::EXIST) => return Ok(false),
                // No /proc here, or no such links on this file system: the plain way.
                Err(_) => self.unnamed = None,
            }
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        count_open();
        let file = match openat(directory, &name, flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => file,
            Err(Errno::EXIST) => return Ok(false),
            Err(errno) => return Err(self.files.failed("create", &name, errno.into())),
        };
        File::from(file).write_all(self.content.as_bytes()).map_err(|e| {
            let _ = unlinkat(directory, &name, AtFlags::empty());
            self.files.failed("write", &name, e)
        })?;
        Ok(true)
    }
}

/// Refuse a network name that is more than one plain name.
pub(super) fn check_network(network: &str) -> Result<()> {
    check_identifier("network name", network)?;
    if network.len() > 255 {
        return Err(Error::new(ErrorKind::Invalid, "the network name is longer than a file name may be (255)"));
    }
    Ok(())
}

/// What is in the file of an address: container ID, line break, interface name; very old plugins wrote the first only.
fn parse_owner(content: &str) -> Attachment {
    let content = content.trim();
    let (container_id, interface_name) =
        content.split_once("\r\n").or_else(|| content.split_once('\n')).unwrap_or((content, ""));
    Attachment::new(container_id, interface_name)
}

fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    count_open();
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn open_network(root: &OwnedFd, network: &str) -> rustix::io::Result<OwnedFd> {
    count_open();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(root, network, flags, Mode::empty())
}

fn is(error: &std::io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

#[cfg(test)]
thread_local! {
    /// How many files this thread opened: the cost that must not grow with the pool.
    pub(super) static OPENED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

pub(super) fn count_open() {
    #[cfg(test)]
    OPENED.with(|opened| opened.set(opened.get() + 1));
}
