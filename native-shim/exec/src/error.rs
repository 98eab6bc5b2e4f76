//! Why a program could not be run to its end.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a program could not be found or run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not the name of a file.
    #[error("{name:?} is no name of a program: a name is that of a file, without a directory")]
    InvalidName {
        /// The name as given.
        name: String,
    },
    /// No directory has it.
    #[error("no executable file {name:?} in [{}]: install it there", list(directories))]
    NotFound {
        /// The name.
        name: String,
        /// Where it was looked for.
        directories: Vec<PathBuf>,
    },
    /// The file is open for writing (ETXTBSY) and stayed so.
    #[error("run {}: the file is being written; try again", path.display())]
    Busy {
        /// The program.
        path: PathBuf,
    },
    /// The kernel did not start it: no permission, no program of this machine, no memory.
    #[error("run {}: {source}", path.display())]
    Start {
        /// The program.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// It printed too much and was killed.
    #[error("{} printed more than {limit} bytes and was killed", path.display())]
    TooMuchOutput {
        /// The program.
        path: PathBuf,
        /// What it may print.
        limit: usize,
    },
    /// It took too long and was killed.
    #[error("{} did not end within {} ms and was killed", path.display(), limit.as_millis())]
    TimedOut {
        /// The program.
        path: PathBuf,
        /// How long it was allowed to take.
        limit: Duration,
    },
    /// Somebody cancelled; if it ran it was killed.
    #[error("{} was cancelled", path.display())]
    Cancelled {
        /// The program.
        path: PathBuf,
    },
    /// The kernel refused something else; the program was killed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, on which object.
        doing: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// Result of the operations of this crate.
pub type Result<T> = std::result::Result<T, Error>;

fn list(directories: &[PathBuf]) -> String {
    directories.iter().map(|directory| directory.display().to_string()).collect::<Vec<_>>().join(", ")
}
