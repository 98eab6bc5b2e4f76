//! Writes a file of the cache so that it is there whole or not at all, and tidies up after writers that were killed.
//!
//! The unfinished file lies in a directory of its own within that of the entries: on the same file system, and passed over
//! by Go's libcni, which takes every file of the entries' directory for one. Its writer holds a lock on it, so whoever
//! gets that lock knows that the writer is gone.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};

use super::error::{CacheError, Doing};

/// The directory of unfinished files. No entry has such a name, as the network's comes first.
pub(super) const UNFINISHED: &str = ".unfinished";
/// How often it is tried again where somebody tidies up at the same moment.
const TRIES: u32 = 16;

/// Put `text` at `path`, which is in the directory `results`.
pub(super) fn replace(results: &Path, path: &Path, text: &[u8]) -> Result<(), CacheError> {
    let unfinished = results.join(UNFINISHED);
    let mut tries = 0;
    let written = loop {
        make_directory(results)?;
        make_directory(&unfinished)?;
        match attempt(&unfinished, path, text) {
            // What was being written was swept, or its directory was.
            Err(error) if error.kind() == ErrorKind::NotFound && tries < TRIES => tries += 1,
            other => break other,
        }
    };
    // Stays where somebody else is writing.
    let _ = fs::remove_dir(&unfinished);
    written.and_then(|()| File::open(results)?.sync_all()).map_err(|source| CacheError::Io {
        doing: Doing::Write,
        path: path.to_owned(),
        source,
    })
}

fn attempt(unfinished: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let (mut file, name) = create(unfinished)?;
    let written = file.write_all(text).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&name, path));
    if written.is_err() {
        let _ = fs::remove_file(&name);
    }
    written
}

/// A new file, locked.
fn create(unfinished: &Path) -> io::Result<(File, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let name = unfinished.join(format!("{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(&name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(descriptor) => {
                let file = File::from(descriptor);
                // Whoever holds it now is about to remove it, which the rename notices.
                let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
                return Ok((file, name));
            }
            // A process of the same number in another namespace, or before this one.
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) fn make_directory(directory: &Path) -> Result<(), CacheError> {
    let failed = |source| CacheError::Io { doing: Doing::MakeDirectory, path: directory.to_owned(), source };
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o700);
    match builder.create(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            builder.recursive(true).create(directory).map_err(failed)?;
            let above = directory.parent().map_or(Ok(()), |above| File::open(above)?.sync_all());
            above.map_err(failed)
        }
        other => other.map_err(failed),
    }
}

/// Remove what killed writers left. Nothing hangs on it, so what fails is tried again the next time.
pub(super) fn sweep(results: &Path) {
    let unfinished = results.join(UNFINISHED);
    let Ok(listing) = fs::read_dir(&unfinished) else { return };
    for item in listing.flatten() {
        let path = item.path();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::open(&path, flags, Mode::empty()) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_file(&path);
        }
    }
    let _ = fs::remove_dir(&unfinished);
}
