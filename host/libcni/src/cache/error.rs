//! Why the cache could not be used.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{CacheEntry, DamagedEntry};

/// Why the cache could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A name cannot be part of a file's.
    #[error("the {what} {text:?} cannot be remembered: it is no name of a file")]
    Name {
        /// Which name.
        what: &'static str,
        /// The name.
        text: String,
    },
    /// The file cannot be used.
    #[error(transparent)]
    Damaged(DamagedEntry),
    /// Another attachment has the same file name.
    #[error(
        "container {wanted:?} cannot be remembered in {}: the file is that of container {:?}, network {:?}, interface \
         {:?}; delete that attachment, or take another container ID",
        path.display(), by.container_id, by.network, by.if_name
    )]
    Taken {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        by: Box<CacheEntry>,
        /// The container that was to be remembered.
        wanted: String,
    },
    /// The entry is larger than any that would be read again.
    #[error("what is to be remembered of container {container_id:?} has {size} bytes, which is too much")]
    TooLarge {
        /// The container.
        container_id: String,
        /// Its size in bytes.
        size: usize,
    },
    /// The entry cannot be written as JSON.
    #[error("what is to be remembered of container {container_id:?} cannot be written as JSON: {source}")]
    Encoding {
        /// The container.
        container_id: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// The file system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was done.
        doing: Doing,
        /// To which file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Somebody else kept the lock for too long.
    #[error("the network is in use: after {waited:?} another command still has {}; try again", path.display())]
    Locked {
        /// The file that is locked.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The wait for the lock was cancelled.
    #[error("cancelled while another command had {}", path.display())]
    Cancelled {
        /// The file that is locked.
        path: PathBuf,
    },
}

/// What was done to a file or a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// Read the names in a directory.
    List,
    /// Make a directory.
    MakeDirectory,
    /// Write an entry.
    Write,
    /// Remove an entry.
    Remove,
    /// Lock a file.
    Lock,
}

impl std::fmt::Display for Doing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::List => "list the directory",
            Self::MakeDirectory => "make the directory",
            Self::Write => "write the cache entry",
            Self::Remove => "remove the cache entry",
            Self::Lock => "lock",
        })
    }
}
