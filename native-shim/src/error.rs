//! What can go wrong below Weir: one error type, because every caller asks the same question of it: which kind?

use std::fmt;

/// What kind of refusal or fault was met. The same words as `failure-kind` of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The named object does not exist.
    NotFound,
    /// The object exists already.
    AlreadyExists,
    /// The kernel refused permission.
    Denied,
    /// The arguments make no sense.
    Invalid,
    /// The object is in use by somebody else.
    Busy,
    /// The kernel or this machine has no such feature.
    Unsupported,
    /// No address, table entry or memory is left.
    Exhausted,
    /// A time limit ran out.
    TimedOut,
    /// Everything else.
    Io,
}

impl ErrorKind {
    /// The kind that an errno stands for; see errno(3).
    pub fn from_errno(errno: i32) -> Self {
        match errno {
            libc::ENOENT | libc::ENODEV | libc::ESRCH | libc::EADDRNOTAVAIL | libc::ENXIO => Self::NotFound,
            libc::EEXIST | libc::EADDRINUSE => Self::AlreadyExists,
            libc::EPERM | libc::EACCES | libc::EROFS => Self::Denied,
            libc::EINVAL | libc::ERANGE | libc::ENAMETOOLONG | libc::EDOM => Self::Invalid,
            libc::EBUSY => Self::Busy,
            libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::ENOSYS => Self::Unsupported,
            libc::ENOSPC | libc::ENOMEM | libc::ENOBUFS | libc::EMFILE | libc::ENFILE => Self::Exhausted,
            libc::ETIMEDOUT | libc::EAGAIN => Self::TimedOut,
            _ => Self::Io,
        }
    }
}

/// A failed operation: its kind, and one sentence that says what failed, on which object, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind, to decide on.
    pub kind: ErrorKind,
    /// The sentence, for people.
    pub message: String,
}

/// Result of every operation of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of a kind with its sentence.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// An I/O error met while `doing` something ("create /run/x"): the kind follows from the errno.
    pub fn io(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        let kind = error.raw_os_error().map_or(ErrorKind::Io, ErrorKind::from_errno);
        Self { kind, message: format!("{doing}: {error}") }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
