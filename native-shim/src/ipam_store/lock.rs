//! The exclusive lock of a store, as host-local takes it: flock(2) on the file `lock`.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use crate::{Error, ErrorKind, Result, watchdog};

/// How long another process may hold the lock.
const PATIENCE: Duration = Duration::from_secs(60);

/// Held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(file: File, path: &Path) -> Result<Self> {
        let failed = |e: std::io::Error| Error::io(format!("lock {}", path.display()), &e);
        match file.try_lock() {
            Ok(()) => return Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        // The kernel's queue is fair, but flock(2) knows no time limit, so a thread waits in it. When nobody listens any
        // more, the thread drops the file and thereby the lock.
        let patience = watchdog::within(PATIENCE);
        let (sender, receiver) = mpsc::channel();
        let waiter = std::thread::Builder::new().name("store-lock".into()).spawn(move || {
            let locked = file.lock().map(|()| file);
            let _ = sender.send(locked);
        });
        waiter.map_err(failed)?;
        match receiver.recv_timeout(patience) {
            Ok(locked) => Ok(Self { _file: locked.map_err(failed)? }),
            Err(_) => Err(Error::new(
                ErrorKind::TimedOut,
                format!(
                    "another process has held {} for {} ms; find it with `fuser`, and try again",
                    path.display(),
                    patience.as_millis()
                ),
            )),
        }
    }
}
