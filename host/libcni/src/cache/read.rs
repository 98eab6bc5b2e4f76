//! Reads a file of the cache: a regular file of a reasonable size, or damage.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::entry::{Decoded, Wanted};
use super::{CacheEntry, Damage, MOST_BYTES};

/// What a file holds; none: there is no such file.
pub(super) fn entry(path: &Path) -> Result<Option<Decoded>, Damage> {
    Buffers::default().entry::<CacheEntry>(CWD, path.as_os_str())
}

/// The directory of entries, for reading many of them.
pub(super) fn directory(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Memory for texts, which is used again for the next file.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    text: Vec<u8>,
    config: Vec<u8>,
}

impl Buffers {
    /// What a file in a directory holds; none: there is no such file.
    pub(super) fn entry<T: Wanted>(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &OsStr,
    ) -> Result<Option<Decoded<T>>, Damage> {
        if !read(directory, name, &mut self.text)? {
            return Ok(None);
        }
        T::decode(&self.text, &mut self.config).map(Some)
    }
}

fn unreadable(error: io::Error) -> Damage {
    Damage::Unreadable(error.to_string())
}

/// Read a file; whether there is one.
fn read(directory: BorrowedFd<'_>, name: &OsStr, text: &mut Vec<u8>) -> Result<bool, Damage> {
    // A link could lead anywhere, and opening a pipe would wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = match rustix::fs::openat(directory, name, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(Errno::NOENT) => return Ok(false),
        Err(Errno::LOOP) => return Err(Damage::Link),
        Err(Errno::NXIO) => return Err(Damage::NotAFile),
        Err(error) => return Err(unreadable(error.into())),
    };
    let status = rustix::fs::fstat(file.as_fd()).map_err(|error| unreadable(error.into()))?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(Damage::NotAFile);
    }
    let size = u64::try_from(status.st_size).unwrap_or_default();
    if size > MOST_BYTES {
        return Err(Damage::TooLarge { size });
    }
    text.clear();
    let expected = usize::try_from(size).unwrap_or_default();
    text.reserve(expected.saturating_add(1));
    // One more than there should be: less than was asked for is the end, and needs no second look.
    match rustix::io::read(&file, rustix::buffer::spare_capacity(text)) {
        Ok(count) if count == expected && count < text.capacity() => return Ok(true),
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(unreadable(error.into())),
    }
    // Somebody is writing to it.
    file.by_ref().take(MOST_BYTES).read_to_end(text).map_err(unreadable)?;
    Ok(true)
}
