//! What goes to standard output: one JSON document, a result or an error.

use std::io::Write;

use cni_spec::error::Error;
use cni_spec::version::Version;
use serde_json::Value;

/// Print a result, indented by four spaces as the reference plugins do.
///
/// # Errors
/// Where standard output cannot be written.
pub fn print(value: &Value) -> std::io::Result<()> {
    let mut text = Vec::with_capacity(1024);
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    serde::Serialize::serialize(value, &mut serializer)?;
    text.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&text)?;
    stdout.flush()
}

/// Print an error object. A closed standard output leaves nobody to tell.
pub fn print_error(error: &Error, version: Option<Version>) {
    let _ = print(&error.to_json(version));
}

/// The answer to VERSION: one compact line.
pub fn version_answer(echo: &str, supported: &[Version]) -> Value {
    serde_json::json!({ "cniVersion": echo, "supportedVersions": supported })
}

/// Print a document on one line.
///
/// # Errors
/// Where standard output cannot be written.
pub fn print_line(value: &Value) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{value}")?;
    stdout.flush()
}
