//! Rules for the names that a runtime hands over: container ID, network name, interface name, plugin type.

use std::fmt;

use crate::quoted::Quoted;

/// Which kind of name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// CNI_CONTAINERID.
    ContainerId,
    /// `name` of the network configuration.
    NetworkName,
    /// CNI_IFNAME.
    InterfaceName,
    /// `type` of a plugin.
    PluginType,
}

/// A name that breaks the rules of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError {
    /// What the name should have been.
    pub kind: NameKind,
    /// The name as given.
    pub name: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            NameKind::ContainerId => "container ID",
            NameKind::NetworkName => "network name",
            NameKind::InterfaceName => "interface name",
            NameKind::PluginType => "plugin type",
        };
        write!(f, "invalid {kind} {}: {}", Quoted(&self.name), self.rule)
    }
}

impl std::error::Error for NameError {}

/// Longest name of an interface in bytes (IFNAMSIZ less the terminator).
pub const MAX_INTERFACE_NAME: usize = 15;

fn refuse(kind: NameKind, name: &str, rule: &'static str) -> Result<(), NameError> {
    Err(NameError { kind, name: name.to_owned(), rule })
}

/// A letter or digit, then letters, digits, `_`, `.` and `-`. These names become parts of file names.
fn identifier(kind: NameKind, name: &str) -> Result<(), NameError> {
    let mut bytes = name.bytes();
    match bytes.next() {
        None => return refuse(kind, name, "it is empty"),
        Some(first) if !first.is_ascii_alphanumeric() => {
            return refuse(kind, name, "it must begin with a letter or digit");
        }
        Some(_) => {}
    }
    if bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')) {
        Ok(())
    } else {
        refuse(kind, name, "only letters, digits and _ . - are allowed")
    }
}

/// Check a container ID.
pub fn container_id(name: &str) -> Result<(), NameError> {
    identifier(NameKind::ContainerId, name)
}

/// Check a network name.
pub fn network_name(name: &str) -> Result<(), NameError> {
    identifier(NameKind::NetworkName, name)
}

/// Check an interface name, by the rules of the kernel.
pub fn interface_name(name: &str) -> Result<(), NameError> {
    let kind = NameKind::InterfaceName;
    if name.is_empty() {
        return refuse(kind, name, "it is empty");
    }
    if name.len() > MAX_INTERFACE_NAME {
        return refuse(kind, name, "it is longer than 15 bytes");
    }
    if matches!(name, "." | "..") {
        return refuse(kind, name, "it is . or ..");
    }
    if name.chars().any(|c| matches!(c, '/' | ':' | '\0') || c.is_whitespace()) {
        return refuse(kind, name, "it holds a slash, a colon or white space");
    }
    Ok(())
}

/// Check a plugin type: a file name, never a path.
pub fn plugin_type(name: &str) -> Result<(), NameError> {
    let kind = NameKind::PluginType;
    if name.is_empty() {
        return refuse(kind, name, "it is empty");
    }
    if matches!(name, "." | "..") || name.contains(['/', '\\', '\0']) {
        return refuse(kind, name, "it must be a file name without a path");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_begin_with_a_letter_or_digit_and_stay_in_one_file_name() {
        for good in ["a", "0", "a_b.c-d", "cnitool-77383ca0a0715733ca6f", &"x".repeat(300)] {
            assert_eq!((container_id(good), network_name(good)), (Ok(()), Ok(())), "{good}");
        }
        for bad in ["", "_a", ".a", "-a", "..", "a/b", "a b", "a:b", "\u{e9}", "a\u{e9}", "a\0", "a\n"] {
            assert!(container_id(bad).is_err() && network_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn interface_names_follow_the_kernel() {
        for good in ["eth0", "a", "123456789012345", "br-1.5@x", "\u{fc}\u{fc}", "...", "-"] {
            assert_eq!(interface_name(good), Ok(()), "{good}");
        }
        let thirteen_letters_in_sixteen_bytes = "\u{fc}\u{fc}\u{fc}0123456789";
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a:b",
            "a b",
            "a\tb",
            "a\u{2003}b",
            "1234567890123456",
            thirteen_letters_in_sixteen_bytes,
        ] {
            assert!(interface_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn plugin_types_are_file_names() {
        for good in ["bridge", "host-local", "my plugin", ".hidden", "a.wasm"] {
            assert_eq!(plugin_type(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "../bridge", "/bin/sh", "a\\b", "a/"] {
            assert!(plugin_type(bad).is_err(), "{bad:?}");
        }
    }
}
