//! Lines for the operator, on standard error, where systemd takes them from. A service goes on where nobody does.

use std::fmt::Display;
use std::io::Write;

/// What a person following along wants to know.
pub(crate) fn info(text: impl Display) {
    line(&format!("weir dhcp-daemon: {text}\n"));
}

/// What is odd and may matter.
pub(crate) fn warn(text: impl Display) {
    line(&format!("weir dhcp-daemon: warning: {text}\n"));
}

fn line(line: &str) {
    let _ = std::io::stderr().write_all(line.as_bytes());
}
