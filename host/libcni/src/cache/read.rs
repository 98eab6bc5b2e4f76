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
    bytes(path)?.map(|text| entry::decode(&text)).transpose()
}

fn unreadable(error: io::Error) -> Damage {
    Damage::Unreadable(error.to_string())
}

fn bytes(path: &Path) -> Result<Option<Vec<u8>>, Damage> {
    // A link could lead anywhere, and opening a pipe would wait for its other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(Errno::NOENT) => return Ok(None),
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
    let mut text = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    // Somebody may be writing to it.
    file.by_ref().take(MOST_BYTES).read_to_end(&mut text).map_err(unreadable)?;
    Ok(Some(text))
}
