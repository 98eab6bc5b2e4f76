//! Lines for the operator, on standard error, where systemd takes them from.

use std::fmt::Display;

/// What a person following along wants to know.
pub(crate) fn info(text: impl Display) {
    eprintln!("weir dhcp-daemon: {text}");
}

/// What is odd and may matter.
pub(crate) fn warn(text: impl Display) {
    eprintln!("weir dhcp-daemon: warning: {text}");
}
