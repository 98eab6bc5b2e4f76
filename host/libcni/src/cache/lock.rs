//! Keeps a network's GC apart from its ADDs and DELs, as the specification asks of runtimes: GC would take an attachment
//! that is being made for one that is forgotten.
//!
//! Two empty files for each network, beside the directory of entries, locked by flock(2), which the kernel gives up with
//! their holder. `results.locks/<network>` is shared by all ADDs and DELs, and GC has it for itself.
//! `results.locks/<network>+gc` is the way there: GC holds it while it waits, so that no more ADDs come in before it.
//! By network, because a plugin may be a runtime itself and have networks of its own in the same cache. Go's libcni knows
//! no lock.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use super::error::{CacheError, Doing};
use super::{Cache, check_part, write};

/// The directory of locks, below that of the cache.
const LOCKS: &str = "results.locks";
/// At the end of the name of the way to a lock; no network's name has it.
const WAY: &str = "+gc";
/// flock(2) knows no time limit, so it is asked again and again.
const PAUSE: Duration = Duration::from_millis(5);

/// For what a network is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// ADD and DEL: any number at a time.
    Shared,
    /// GC: nobody else.
    Exclusive,
}

/// The lock of a network, held until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it gives the lock up"]
pub struct CacheLock {
    _lock: File,
    _way: Option<File>,
}

impl Cache {
    /// Lock a network, for at most `timeout` of waiting. `cancelled` is asked while waiting.
    pub fn lock(
        &self,
        network: &str,
        mode: LockMode,
        timeout: Duration,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<CacheLock, CacheError> {
        check_part("network name", network)?;
        let locks = self.dir.join(LOCKS);
        write::make_directory(&locks)?;
        let operation = match mode {
            LockMode::Shared => FlockOperation::NonBlockingLockShared,
            LockMode::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        let start = Instant::now();
        let acquire = |name: &str| acquire(&locks.join(name), operation, start, timeout, cancelled);
        let way = acquire(&format!("{network}{WAY}"))?;
        let lock = acquire(network)?;
        // ADD lets go of the way at once: it holds up nobody but who comes after a waiting GC.
        Ok(CacheLock { _lock: lock, _way: (mode == LockMode::Exclusive).then_some(way) })
    }
}

fn acquire(
    path: &Path,
    operation: FlockOperation,
    start: Instant,
    timeout: Duration,
    cancelled: &dyn Fn() -> bool,
) -> Result<File, CacheError> {
    let failed = |error: Errno| CacheError::Io { doing: Doing::Lock, path: path.to_owned(), source: error.into() };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?);
    loop {
        match flock(&file, operation) {
            Ok(()) => return Ok(file),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => {
                let path = || PathBuf::from(path);
                if cancelled() {
                    return Err(CacheError::Cancelled { path: path() });
                }
                let waited = start.elapsed();
                if waited >= timeout {
                    return Err(CacheError::Locked { path: path(), waited });
                }
                std::thread::sleep(PAUSE.min(timeout.saturating_sub(waited)));
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
