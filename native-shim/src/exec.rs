//! Finds and runs native CNI plugins: environment and standard input in, standard output, error and status out.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Result;

/// One run of a plugin.
#[derive(Debug, Clone)]
pub struct Invocation<'a> {
    /// The executable, as [`find`] gave it.
    pub path: &'a Path,
    /// The whole environment of the plugin; nothing is inherited.
    pub environment: &'a [(OsString, OsString)],
    /// What it reads on standard input.
    pub input: &'a [u8],
    /// How long it may take; then it and its children are killed.
    pub timeout: Duration,
}

/// How a plugin ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status; none where a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error, cut at 1 MiB.
    pub stderr: Vec<u8>,
}

/// The first regular executable file named `plugin_type` in the directories. `NotFound` names them all.
pub fn find(plugin_type: &str, directories: &[PathBuf]) -> Result<PathBuf> {
    let _ = (plugin_type, directories);
    Err(crate::Error::new(crate::ErrorKind::Unsupported, "not built yet"))
}

/// Run a plugin to its end. An exit status other than 0 is no error here. `TimedOut`: it was killed. `Busy`: the file
/// is being written (ETXTBSY) and stayed so. `Exhausted`: it printed more than 10 MiB.
pub fn run(invocation: &Invocation<'_>) -> Result<Output> {
    let _ = invocation;
    Err(crate::Error::new(crate::ErrorKind::Unsupported, "not built yet"))
}
