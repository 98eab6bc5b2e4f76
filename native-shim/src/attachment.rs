//! The key of one attachment, and the rules for the names in it; they become parts of file names.

use crate::{Error, ErrorKind, Result};

/// Identifies one attachment of a network.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attachment {
    /// CNI_CONTAINERID.
    pub container_id: String,
    /// CNI_IFNAME.
    pub interface_name: String,
}

impl Attachment {
    /// An attachment from its two names, unchecked.
    pub fn new(container_id: impl Into<String>, interface_name: impl Into<String>) -> Self {
        Self { container_id: container_id.into(), interface_name: interface_name.into() }
    }

    /// Refuse names that the specification does not allow. What passes holds no separator and no white space.
    pub fn check(&self) -> Result<()> {
        check_identifier("container ID", &self.container_id)?;
        let name = &self.interface_name;
        let bad = name.is_empty()
            || name.len() > 15
            || name == "."
            || name == ".."
            || name.chars().any(|c| matches!(c, '/' | ':' | '\0') || c.is_whitespace());
        if bad {
            return Err(Error::new(ErrorKind::Invalid, format!("{name:?} is no interface name")));
        }
        Ok(())
    }
}

/// Check a container ID or a network name: a letter or digit, then letters, digits, `_`, `.` and `-`.
pub fn check_identifier(what: &str, text: &str) -> Result<()> {
    let mut bytes = text.bytes();
    let good = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if good {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Invalid,
        format!("{text:?} is no {what}: it starts with a letter or digit and goes on with these, `_`, `.` or `-`"),
    ))
}
