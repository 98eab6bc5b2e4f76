//! What goes to standard output: one JSON document, a result or an error.

use std::io::Write;

use cni_spec::error::Error;
use cni_spec::version::Version;
use serde_json::Value;

/// What a command prints.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// A result or an error: indented by four spaces, as the reference plugins do.
    Result(Value),
    /// Versions: on one line.
    Versions(Value),
}

impl Document {
    /// As it is printed.
    ///
    /// # Errors
    /// None that is known.
    pub fn to_bytes(&self) -> std::io::Result<Vec<u8>> {
        let mut text = Vec::with_capacity(1024);
        match self {
            Self::Result(value) => {
                let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
                serde::Serialize::serialize(value, &mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
            }
            Self::Versions(value) => serde_json::to_writer(&mut text, value)?,
        }
        text.push(b'\n');
        Ok(text)
    }
}

/// Print a document.
///
/// # Errors
/// Where standard output cannot be written.
pub fn print(document: &Document) -> std::io::Result<()> {
    let text = document.to_bytes()?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&text)?;
    stdout.flush()
}

/// Print an error object. A closed standard output leaves nobody to tell.
pub fn print_error(error: &Error, version: Option<Version>) {
    let _ = print(&Document::Result(error.to_json(version)));
}

/// The answer to VERSION: one compact line.
pub fn version_answer(echo: &str, supported: &[Version]) -> Value {
    serde_json::json!({ "cniVersion": echo, "supportedVersions": supported })
}
