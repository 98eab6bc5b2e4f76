//! What is wrong with a file of the cache.

use std::fmt;
use std::path::PathBuf;

use cni_spec::Quoted;

/// A file of the cache that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedEntry {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub damage: Damage,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// It holds nothing: the machine lost power while another program wrote it.
    Empty,
    /// It is no JSON: half-written, or written over.
    NotJson(String),
    /// It is JSON, but no entry.
    Foreign(String),
    /// It is of a kind that is not known; a newer program wrote it.
    UnknownKind(String),
    /// A result alone, as an old libcni wrote it: used where the attachment is named, but not listed, as it does not say
    /// whose it is.
    OldFormat,
    /// Its name is not that of the attachment in it.
    Misnamed {
        /// The name that the attachment's file has.
        proper: String,
    },
    /// It may not be read, or the disk fails.
    Unreadable(String),
    /// It cannot be removed, although its attachment is gone.
    Unremovable(String),
    /// It is a symbolic link, which is not followed.
    Link,
    /// It is a directory, a device, or another thing that is no file.
    NotAFile,
    /// It is larger than any entry.
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::NotJson(why) | Self::Foreign(why) => f.write_str(why),
            Self::UnknownKind(kind) => write!(f, "it is of the kind {}, which is not known", Quoted(kind)),
            Self::OldFormat => f.write_str("it is a result in the old format, which does not say whose it is"),
            Self::Misnamed { proper } => write!(f, "it holds the attachment of the file {}", Quoted(proper)),
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
            Self::Unremovable(why) => write!(f, "it cannot be removed: {why}"),
            Self::Link => f.write_str("it is a symbolic link"),
            Self::NotAFile => f.write_str("it is no regular file"),
            Self::TooLarge { size } => write!(f, "it has {size} bytes, more than any entry"),
        }
    }
}

impl fmt::Display for DamagedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cache entry {}: {}; ", self.path.display(), self.damage)?;
        match self.damage {
            Damage::OldFormat => f.write_str("it goes with DEL of its attachment"),
            Damage::Misnamed { .. } => f.write_str("remove it if it is a copy"),
            Damage::Unremovable(_) => f.write_str("remove it, its attachment is gone"),
            _ => f.write_str("DEL works without it and removes it; remove it if its attachment is gone"),
        }
    }
}

impl std::error::Error for DamagedEntry {}
