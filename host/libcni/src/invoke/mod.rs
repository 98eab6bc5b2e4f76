//! How plugins are found and run: the interface that a caller may put its own in for, and what it is told.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni_spec::names::NameError;
use weir_exec::Cancellation;

mod raw;

pub use raw::RawExec;

/// Finds plugins and runs them. [`RawExec`] executes files; another one may run them in some other way.
pub trait Exec: Send + Sync {
    /// The plugin of a type in directories, the first that has it.
    ///
    /// # Errors
    /// [`ExecError::NotFound`] names the directories.
    fn find_in_path(&self, plugin_type: &str, paths: &[PathBuf]) -> Result<PathBuf, ExecError>;

    /// Run a plugin to its end. Returns what it printed.
    ///
    /// # Errors
    /// [`ExecError::Plugin`] where the plugin failed and said why, else why it could not be run to its end.
    fn exec_plugin(&self, run: &PluginRun<'_>) -> Result<Vec<u8>, ExecError>;
}

/// One run of a plugin.
#[derive(Debug, Clone)]
pub struct PluginRun<'a> {
    /// Its type.
    pub plugin_type: &'a str,
    /// What [`Exec::find_in_path`] found.
    pub path: &'a Path,
    /// What it reads on standard input.
    pub input: &'a [u8],
    /// Its whole environment: that of the caller, with the CNI_ variables of the command.
    pub environment: &'a [(OsString, OsString)],
    /// How long it may take.
    pub timeout: Duration,
    /// Ends it from another thread.
    pub cancellation: Option<&'a Cancellation>,
}

/// Why a plugin did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The plugin's own error.
    #[error(transparent)]
    Plugin(#[from] cni_spec::Error),
    /// It ended with a failure and printed no error object.
    #[error("it {how} and printed no error object{}", told(output, stderr))]
    Failed {
        /// "ended with exit status 1", or by which signal.
        how: String,
        /// What it printed on standard output, shortened.
        output: String,
        /// What it printed on standard error, shortened.
        stderr: String,
    },
    /// It ended well, but what it printed is not what the command asks for.
    #[error("it printed no valid answer: {reason}{}", told(output, ""))]
    BadOutput {
        /// What is wrong.
        reason: String,
        /// What it printed, shortened.
        output: String,
    },
    /// It printed more than an answer can be and was stopped.
    #[error("it printed more than {limit} bytes and was stopped")]
    TooMuchOutput {
        /// How much it may print.
        limit: usize,
    },
    /// It took too long and was stopped.
    #[error("it did not end within {} ms and was stopped", limit.as_millis())]
    TimedOut {
        /// How long it was allowed to take.
        limit: Duration,
    },
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The type is not the name of a file.
    #[error(transparent)]
    InvalidType(#[from] NameError),
    /// No directory has it.
    #[error("not found in [{}]: install it there, or name its directory", list(paths))]
    NotFound {
        /// Where it was looked for.
        paths: Vec<PathBuf>,
    },
    /// The file is being written (ETXTBSY) and stayed so.
    #[error("{} is being written; try again", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It could not be started.
    #[error("run {}: {source}", path.display())]
    Start {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// Something failed while it ran, and it was stopped.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

impl ExecError {
    /// Whether the plugin has certainly not run, so that there is nothing that it could have left.
    pub fn never_ran(&self) -> bool {
        match self {
            Self::InvalidType(_) | Self::NotFound { .. } | Self::Busy { .. } | Self::Start { .. } => true,
            Self::Plugin(_)
            | Self::Failed { .. }
            | Self::BadOutput { .. }
            | Self::TooMuchOutput { .. }
            | Self::TimedOut { .. }
            | Self::Cancelled
            | Self::Io { .. } => false,
        }
    }
}

/// As much of a plugin's words as an error should carry.
pub(crate) fn excerpt(words: &[u8]) -> String {
    const LONGEST: usize = 1000;
    let words = String::from_utf8_lossy(words);
    let words = words.trim();
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", words.get(..end).unwrap_or_default()),
        None => words.to_owned(),
    }
}

fn told(output: &str, stderr: &str) -> String {
    let mut text = String::new();
    for (place, words) in [("output", output), ("error", stderr)] {
        if !words.is_empty() {
            text.push_str(&format!("; standard {place}: {words}"));
        }
    }
    text
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
