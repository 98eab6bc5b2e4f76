//! A document as a tree: what [`super::decode`] reads, from a text or from a [`Value`].
//!
//! Not a `Value` itself, because plugins carry the code: no maps to balance, and numbers stay as they are written.

use std::borrow::Cow;

use serde_json::Value;

/// Deeper documents are refused; the same limit as that of `serde_json` for texts.
pub(super) const MAX_DEPTH: usize = 127;

/// An entry of an object.
pub(crate) type Entry<'a> = (Cow<'a, str>, Node<'a>);

/// A value of a document.
#[derive(Debug)]
pub(crate) enum Node<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it is written.
    Number(Cow<'a, str>),
    /// A text, without its escapes.
    Text(Cow<'a, str>),
    /// The elements.
    Array(Vec<Node<'a>>),
    /// All entries as they are written, duplicates too.
    Object(Vec<Entry<'a>>),
}

impl<'a> Node<'a> {
    /// The tree of a value; none where it is nested too deeply.
    pub(super) fn from_value(value: &'a Value, depth: usize) -> Option<Self> {
        if depth > MAX_DEPTH {
            return None;
        }
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.to_string().into()),
            Value::String(text) => Self::Text(text.into()),
            Value::Array(items) => {
                Self::Array(items.iter().map(|item| Self::from_value(item, depth + 1)).collect::<Option<_>>()?)
            }
            Value::Object(object) => {
                let entry =
                    |(key, value): (&'a String, &'a Value)| Some((Cow::from(key), Self::from_value(value, depth + 1)?));
                Self::Object(object.iter().map(entry).collect::<Option<_>>()?)
            }
        })
    }
}

/// The value of a key of an object, by the rules of [`super::get`]; of entries that are written twice the last.
#[inline(never)]
pub(super) fn get<'n, 'a>(entries: &'n [Entry<'a>], key: &str) -> Option<&'n Node<'a>> {
    let spelled = entries.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
    let (_, node) = spelled.max_by(|(one, _), (other, _)| (one == key, one).cmp(&(other == key, other)))?;
    Some(node).filter(|node| !matches!(node, Node::Null))
}
