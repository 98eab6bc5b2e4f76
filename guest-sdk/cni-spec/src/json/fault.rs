//! Errors while they are on their way out of a document.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use super::DecodeError;
use crate::quoted::Quoted;

/// A [`DecodeError`] of one word, because every value that `serde` passes on is this or a result.
#[derive(Debug)]
pub(super) struct Fault(Box<DecodeError>);

impl Fault {
    #[cold]
    #[inline(never)]
    fn new(message: String) -> Self {
        Self(Box::new(DecodeError { path: String::new(), message }))
    }

    /// The same error, seen from an object around its place.
    #[cold]
    #[inline(never)]
    pub(super) fn within(mut self, outer: &str) -> Self {
        let inner = std::mem::replace(&mut self.0.path, outer.to_owned());
        if !inner.is_empty() && !inner.starts_with('[') {
            self.0.path.push('.');
        }
        self.0.path.push_str(&inner);
        self
    }

    /// The same error, seen from an array around its place.
    #[cold]
    #[inline(never)]
    pub(super) fn within_element(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        *fault.0
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    #[cold]
    #[inline(never)]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        mismatch("type", unexpected, expected)
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        mismatch("value", unexpected, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        about_field("missing", field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        about_field("duplicate", field)
    }
}

#[cold]
#[inline(never)]
fn about_field(what: &str, field: &str) -> Fault {
    Fault::new(format!("{what} field `{field}`"))
}

/// Not the `Display` of `Unexpected`: that can print floating point numbers, which is much code.
#[cold]
#[inline(never)]
pub(super) fn mismatch(what: &str, unexpected: Unexpected<'_>, expected: &dyn Expected) -> Fault {
    let found = match unexpected {
        Unexpected::Bool(value) => format!("boolean `{value}`"),
        Unexpected::Unsigned(value) => format!("integer `{value}`"),
        Unexpected::Signed(value) => format!("integer `{value}`"),
        Unexpected::Str(text) => format!("string {}", Quoted(text)),
        Unexpected::Other(name) => name.to_owned(),
        Unexpected::Unit => "null".to_owned(),
        Unexpected::Seq => "sequence".to_owned(),
        Unexpected::Map => "map".to_owned(),
        _ => "something else".to_owned(),
    };
    Fault::new(format!("invalid {what}: {found}, expected {expected}"))
}
