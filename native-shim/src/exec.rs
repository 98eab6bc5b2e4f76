//! [`weir_exec`] for this crate and its callers: the same runs, within the time that the watchdog leaves, with our errors.

use std::path::PathBuf;

use weir_exec::Error as Failed;
pub use weir_exec::{Cancellation, Invocation, Output, PROGRAM_DIRECTORIES, program_directories};

use crate::{Error, ErrorKind, Result, watchdog};

/// [`weir_exec::find`]. `NotFound` names the directories.
pub fn find(plugin_type: &str, directories: &[PathBuf]) -> Result<PathBuf> {
    weir_exec::find(plugin_type, directories).map_err(Error::from)
}

/// [`weir_exec::run`], within the time that the watchdog leaves.
pub fn run(invocation: &Invocation<'_>) -> Result<Output> {
    let timeout = watchdog::within(invocation.timeout);
    weir_exec::run(&Invocation { timeout, ..invocation.clone() }).map_err(Error::from)
}

impl From<Failed> for Error {
    fn from(error: Failed) -> Self {
        let kind = match &error {
            Failed::InvalidName { .. } => ErrorKind::Invalid,
            Failed::NotFound { .. } => ErrorKind::NotFound,
            Failed::Busy { .. } => ErrorKind::Busy,
            Failed::TooMuchOutput { .. } => ErrorKind::Exhausted,
            Failed::TimedOut { .. } | Failed::Cancelled { .. } => ErrorKind::TimedOut,
            Failed::Start { source, .. } | Failed::Io { source, .. } => {
                source.raw_os_error().map_or(ErrorKind::Io, ErrorKind::from_errno)
            }
        };
        Self::new(kind, error.to_string())
    }
}
