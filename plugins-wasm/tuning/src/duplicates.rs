//! Parameters that a configuration names twice. Ordinary decoding would silently take the last.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use weir_sdk::Result;

use crate::sysctl::duplicate;

/// Refuse a configuration that names a parameter twice: it is not clear which value was meant.
pub(crate) fn refuse(config: &str) -> Result<()> {
    match serde_json::from_str(config) {
        Ok(TopLevel { twice: Some(key) }) => Err(duplicate(&key)),
        // Whatever else is wrong, reading the configuration will tell with its place.
        _ => Ok(()),
    }
}

/// A document of which only `sysctl` is looked at, before duplicates get lost in a map.
struct TopLevel {
    twice: Option<String>,
}

impl<'de> Deserialize<'de> for TopLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TopLevelVisitor)
    }
}

struct TopLevelVisitor;

impl<'de> Visitor<'de> for TopLevelVisitor {
    type Value = TopLevel;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TopLevel, A::Error> {
        let mut twice = None;
        while let Some(key) = map.next_key::<String>()? {
            if key.eq_ignore_ascii_case("sysctl") {
                let Keys { twice: of_map } = map.next_value()?;
                twice = twice.or(of_map);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(TopLevel { twice })
    }
}

/// The first key of an object that comes twice.
struct Keys {
    twice: Option<String>,
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut seen = BTreeSet::new();
        let mut twice = None;
        while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            if let Some(key) = seen.replace(key) {
                twice = twice.or(Some(key));
            }
        }
        Ok(Keys { twice })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_named_twice_is_refused() {
        for config in [
            r#"{"sysctl": {"net.a": "1", "net.b": "1", "net.a": "2"}}"#,
            r#"{"a": [{}], "SysCtl": {"net.a": "1", "net.a": "1"}, "b": null}"#,
        ] {
            assert_eq!(refuse(config).map_err(|error| error.code), Err(7), "{config}");
        }
    }

    #[test]
    fn all_else_is_left_to_the_decoder() {
        for config in
            ["", "{", "[]", "{}", r#"{"sysctl": null}"#, r#"{"sysctl": 1}"#, r#"{"sysctl": {"net.a": 1, "net.b": {}}}"#]
        {
            assert_eq!(refuse(config), Ok(()), "{config}");
        }
    }
}
