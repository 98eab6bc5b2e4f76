//! Reads a file of the cache: a regular file of a reasonable size, or damage.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::entry::{self, Decoded};
use super::{Damage, MOST_BYTES};

/// What a file holds; none: there is no such file.
pub(super) fn entry(path: &Path) -> Result<Option<Decoded>, Damage> {
    entry_by(path, &mut Vec::new())
}

/// The same with memory for the text, which is quicker for many files.
pub(super) fn entry_by(path: &Path, text: &mut Vec<u8>) -> Result<Option<Decoded>, Damage> {
    if read(path, text)? { entry::decode(text).map(Some) } else { Ok(None) }
}

fn unreadable(error: io::Error) -> Damage {
    Damage::Unreadable(error.to_string())
}

/// Read a file; whether there is one.
fn read(path: &Path, text: &mut Vec<u8>) -> Result<bool, Damage> {
    // A link could lead anywhere, and opening a pipe would wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(Errno::NOENT) => return Ok(false),
        Err(Errno::LOOP) => return Err(Damage::Link),
        Err(Errno::NXIO) => return Err(Damage::NotAFile),
        Err(error) => return Err(unreadable(error.into())),
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Damage::NotAFile);
    }
    if metadata.len() > MOST_BYTES {
        return Err(Damage::TooLarge { size: metadata.len() });
    }
    text.clear();
    // Somebody may be writing to it.
    file.by_ref().take(MOST_BYTES).read_to_end(text).map_err(unreadable)?;
    Ok(true)
}
