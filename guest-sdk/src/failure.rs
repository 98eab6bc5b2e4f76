//! Refusals and faults of host calls, and how they become CNI errors.
//!
//! A host call gives a [`Failure`]. Code that must decide matches on [`Failure::kind`]; all other code adds what it was
//! doing with [`Context`] and lets `?` turn it into an [`Error`] by this rule:
//!
//! | kind | code of the CNI error |
//! | --- | --- |
//! | `Invalid` | 7, invalid network configuration |
//! | `Exhausted`, `Busy`, `TimedOut` | 11, try again later |
//! | `Io` | 5, I/O failure |
//! | `NotFound`, `AlreadyExists`, `Denied`, `Unsupported` | 999, internal (what the reference plugins give for every fault) |

use cni_spec::error::Error;

pub use crate::bindings::weir::cni::types::{Failure, FailureKind};

impl Failure {
    /// A failure of a kind with its sentence.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The same failure with what was being done before its message; see [`Context`].
    #[must_use]
    pub fn within(mut self, doing: &str) -> Self {
        prefix(&mut self.message, doing.to_owned());
        self
    }

    /// Whether the named object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind == FailureKind::NotFound
    }

    /// Whether the object exists already.
    pub fn is_already_exists(&self) -> bool {
        self.kind == FailureKind::AlreadyExists
    }

    /// The code of the CNI error that this failure becomes; see the [module](self).
    pub fn code(&self) -> u32 {
        match self.kind {
            FailureKind::Invalid => 7,
            FailureKind::Exhausted | FailureKind::Busy | FailureKind::TimedOut => 11,
            FailureKind::Io => 5,
            FailureKind::NotFound | FailureKind::AlreadyExists | FailureKind::Denied | FailureKind::Unsupported => 999,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::new(failure.code(), failure.message)
    }
}

/// Says what was being done when something failed: `"create veth eth0: name is taken"`.
pub trait Context: Sized {
    /// Put `doing` before the message.
    fn context(self, doing: &str) -> Self {
        self.with_context(|| doing.to_owned())
    }
    /// Put what the function returns before the message. It runs only after a failure.
    fn with_context(self, doing: impl FnOnce() -> String) -> Self;
}

fn prefix(message: &mut String, doing: String) {
    let cause = std::mem::replace(message, doing);
    message.push_str(": ");
    message.push_str(&cause);
}

impl<T> Context for Result<T, Failure> {
    fn with_context(mut self, doing: impl FnOnce() -> String) -> Self {
        if let Err(failure) = &mut self {
            prefix(&mut failure.message, doing());
        }
        self
    }
}

impl<T> Context for Result<T, Error> {
    fn with_context(mut self, doing: impl FnOnce() -> String) -> Self {
        if let Err(error) = &mut self {
            prefix(&mut error.msg, doing());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_code_that_is_documented() {
        use FailureKind::{AlreadyExists, Busy, Denied, Exhausted, Invalid, Io, NotFound, TimedOut, Unsupported};
        for (kind, code) in [
            (Invalid, 7),
            (Exhausted, 11),
            (Busy, 11),
            (TimedOut, 11),
            (Io, 5),
            (NotFound, 999),
            (AlreadyExists, 999),
            (Denied, 999),
            (Unsupported, 999),
        ] {
            assert_eq!(Error::from(Failure::new(kind, "x")), Error::new(code, "x"));
        }
    }

    #[test]
    fn context_stands_before_the_message_and_keeps_the_kind() {
        let failed: Result<(), _> = Err(Failure::new(FailureKind::Busy, "it is used"));
        let failure = failed.context("delete br0").context("clean up");
        assert_eq!(failure, Err(Failure::new(FailureKind::Busy, "clean up: delete br0: it is used")));
        let fine: Result<u8, Failure> = Ok(1);
        assert_eq!(fine.with_context(|| unreachable!("not after a success")), Ok(1));
    }
}
