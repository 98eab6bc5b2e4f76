//! JSON decoding as Go does it, because users' files were tried with Go programs: keys match without regard to case,
//! unknown keys are passed over, null counts as absent, booleans may be written as texts.
//!
//! Errors name the place: `ipam.ranges[0][1].subnet: invalid type: integer 5, expected ...`.
//!
//! Do not use `#[serde(flatten)]` in types read by this module: serde then hides the field names.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

mod access;
mod decode;
mod fault;
mod node;
mod parse;

use decode::Decoder;
pub(crate) use node::Node;

/// Why a document could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// Where, as in `ipam.ranges[0]`; empty for the document as a whole.
    pub path: String,
    /// What was found and what was expected.
    pub message: String,
}

impl DecodeError {
    fn of_document(message: String) -> Self {
        Self { path: String::new(), message }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

/// Decode a text.
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, DecodeError> {
    from_node(&read(text)?)
}

/// Decode a value.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    from_node(&read_value(value)?)
}

/// Read a text as a value, without looking at what it holds.
pub fn parse(text: &[u8]) -> Result<Value, DecodeError> {
    serde_json::from_slice(text).map_err(|error| DecodeError::of_document(format!("not valid JSON: {error}")))
}

pub(crate) fn read(text: &[u8]) -> Result<Node<'_>, DecodeError> {
    parse::parse(text).map_err(|error| {
        let parse::SyntaxError { reason, line, column } = error;
        DecodeError::of_document(format!("not valid JSON: {reason} at line {line} column {column}"))
    })
}

pub(crate) fn read_value(value: &Value) -> Result<Node<'_>, DecodeError> {
    Node::from_value(value, 0).ok_or_else(|| DecodeError::of_document("nested too deeply".to_owned()))
}

/// The text of a key of an object; null counts as absent.
pub(crate) fn text_of<'n>(node: &'n Node<'_>, key: &str) -> Result<Option<&'n str>, DecodeError> {
    let Node::Object(entries) = node else { return Err(Decoder(node).unexpected(&"an object").into()) };
    match node::get(entries, key) {
        None => Ok(None),
        Some(Node::Text(text)) => Ok(Some(text)),
        Some(other) => Err(Decoder(other).unexpected(&"a string").within(key).into()),
    }
}

pub(crate) fn from_node<T: DeserializeOwned>(node: &Node<'_>) -> Result<T, DecodeError> {
    Ok(T::deserialize(Decoder(node))?)
}

/// The value of a key as a decoder would find it: the exact spelling, else any spelling; null counts as absent.
pub fn get<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object
        .get(key)
        .or_else(|| object.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value))
        .filter(|value| !value.is_null())
}

/// Remove a key in all spellings. Use it before a key is set, so that no other spelling is left beside it.
pub fn remove(object: &mut Map<String, Value>, key: &str) {
    object.retain(|name, _| !name.eq_ignore_ascii_case(key));
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
