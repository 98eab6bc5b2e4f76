//! JSON text cut into the pieces that it was written in, so that what nobody has to change goes on as it was written:
//! numbers with all their digits, keys in their order, texts with their escapes.

use cni_spec::json::{self, DecodeError};
use serde_json::Value;

/// One entry of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    /// The key as it is written, with quotes.
    pub(crate) key: &'a str,
    /// The value as it is written.
    pub(crate) value: &'a str,
}

impl Member<'_> {
    /// Whether this is the entry of a key, in any case, as readers of CNI's documents match keys.
    pub(crate) fn is(&self, name: &str) -> bool {
        serde_json::from_str::<String>(self.key).is_ok_and(|key| key.eq_ignore_ascii_case(name))
    }
}

/// A text that is one valid JSON object, its value and its entries.
pub(crate) fn object(text: &[u8]) -> Result<(Value, Vec<Member<'_>>), DecodeError> {
    let refused = |message: String| DecodeError { path: String::new(), message };
    let value = json::parse(text)?;
    if !value.is_object() {
        return Err(refused("not a JSON object".to_owned()));
    }
    let text = std::str::from_utf8(text).map_err(|error| refused(format!("not valid UTF-8: {error}")))?;
    Ok((value, members(text)))
}

/// The entries of an object. The text must be valid.
pub(crate) fn members(text: &str) -> Vec<Member<'_>> {
    let mut scanner = Scanner { rest: inside(text) };
    let mut members = Vec::new();
    while let Some(key) = scanner.value() {
        scanner.skip(b':');
        let Some(value) = scanner.value() else { break };
        scanner.skip(b',');
        members.push(Member { key, value });
    }
    members
}

/// The elements of an array. The text must be valid; one that is no array has none.
pub(crate) fn elements(text: &str) -> Vec<&str> {
    let mut scanner = Scanner { rest: if text.starts_with('[') { inside(text) } else { "" } };
    let mut elements = Vec::new();
    while let Some(value) = scanner.value() {
        scanner.skip(b',');
        elements.push(value);
    }
    elements
}

/// What is between the brackets.
fn inside(text: &str) -> &str {
    let text = text.trim_matches(is_space);
    text.get(1..text.len().saturating_sub(1)).unwrap_or_default()
}

fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\r')
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn skip(&mut self, separator: u8) {
        let rest = self.rest.trim_start_matches(is_space);
        self.rest = rest.strip_prefix(char::from(separator)).unwrap_or(rest);
    }

    /// The next value, whatever it is; none at the end.
    fn value(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start_matches(is_space);
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        let mut end = rest.len();
        for (at, byte) in rest.bytes().enumerate() {
            if in_text {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => in_text = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' | b':' if depth == 0 => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        let (value, rest) = rest.split_at_checked(end)?;
        self.rest = rest;
        Some(value.trim_end_matches(is_space)).filter(|value| !value.is_empty())
    }
}

/// Writes an object, entry by entry.
#[derive(Debug)]
pub(crate) struct ObjectWriter {
    text: String,
}

impl ObjectWriter {
    pub(crate) fn new() -> Self {
        Self { text: "{".to_owned() }
    }

    /// An entry that goes on as it was written.
    pub(crate) fn copy(&mut self, member: &Member<'_>) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push_str(member.key);
        self.text.push(':');
        self.text.push_str(member.value);
    }

    /// An entry of our own.
    pub(crate) fn entry(&mut self, key: &str, value: &Value) {
        self.written(key, &value.to_string());
    }

    /// An entry of our own whose value is JSON text.
    pub(crate) fn written(&mut self, key: &str, value: &str) {
        self.copy(&Member { key: &Value::from(key).to_string(), value });
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.text.push('}');
        self.text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use proptest::prelude::*;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let text = "[a-c\"\\\\{}\\[\\],:\u{e9}\n ]{0,8}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text, inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_cut_can_be_put_together_again(entries in prop::collection::btree_map("[a-z\"\\\\:]{0,4}", any_value(), 0..5)) {
            let value = Value::Object(entries.into_iter().collect());
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let (_, members) = object(text.as_bytes()).unwrap();
                prop_assert_eq!(members.len(), value.as_object().unwrap().len());
                let mut writer = ObjectWriter::new();
                members.iter().for_each(|member| writer.copy(member));
                prop_assert_eq!(serde_json::from_slice::<Value>(&writer.finish()).unwrap(), value.clone());
            }
        }

        #[test]
        fn an_array_has_the_elements_that_it_was_written_with(items in prop::collection::vec(any_value(), 0..5)) {
            for text in [Value::from(items.clone()).to_string(), serde_json::to_string_pretty(&items).unwrap()] {
                let cut: Vec<Value> = elements(&text).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
                prop_assert_eq!(&cut, &items);
            }
        }
    }

    #[test]
    fn an_object_is_cut_into_entries_as_they_are_written() {
        let text = " { \"a\" : 1.50 ,\n\"b,\\\"}\":{\"x\":[1,{\"]\":\"}\\\\\"}]},\"\\u0063\":\" t, \" , \"d\":[ ] ,\"e\":null}\t";
        let (_, members) = object(text.as_bytes()).unwrap();
        let written: Vec<_> = members.iter().map(|member| (member.key, member.value)).collect();
        let expected = [
            ("\"a\"", "1.50"),
            ("\"b,\\\"}\"", "{\"x\":[1,{\"]\":\"}\\\\\"}]}"),
            ("\"\\u0063\"", "\" t, \""),
            ("\"d\"", "[ ]"),
            ("\"e\"", "null"),
        ];
        assert_eq!(written, expected);
        assert!(members.iter().any(|member| member.is("C")) && !members.iter().any(|member| member.is("cc")));
        assert_eq!(members_of("{}"), 0);
        assert_eq!(members_of("{ }"), 0);
    }

    fn members_of(text: &str) -> usize {
        object(text.as_bytes()).unwrap().1.len()
    }

    #[test]
    fn an_array_is_cut_into_elements() {
        assert_eq!(elements("[ {\"a\":[1,2]} , 3.0e400,\"x]\" ]"), ["{\"a\":[1,2]}", "3.0e400", "\"x]\""]);
        assert!(elements("[]").is_empty() && elements("[ ]").is_empty() && elements("{\"a\":1}").is_empty());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for bad in ["", "[]", "1", "{", "{\"a\":1} x", "{\"a\":\"\u{0}\"}", "null"] {
            assert!(object(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn entries_are_written_with_commas_between_them() {
        let mut writer = ObjectWriter::new();
        writer.entry("k\"", &Value::from(1));
        writer.copy(&Member { key: "\"x\"", value: "1.0" });
        assert_eq!(writer.finish(), b"{\"k\\\"\":1,\"x\":1.0}");
        assert_eq!(ObjectWriter::new().finish(), b"{}");
    }
}
