//! Parameters that a configuration names twice. A map would silently take the last.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use weir_sdk::Result;

use crate::sysctl::duplicate;

/// The parameters of a map as they are written, and the first that is written twice.
#[derive(Default)]
pub(crate) struct Parameters {
    values: BTreeMap<String, String>,
    twice: Option<String>,
}

impl Parameters {
    /// Refuses a parameter that is named twice: it is not clear which value was meant.
    pub(crate) fn unique(self) -> Result<BTreeMap<String, String>> {
        match self.twice {
            None => Ok(self.values),
            Some(key) => Err(duplicate(&key)),
        }
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ParametersVisitor)
    }
}

struct ParametersVisitor;

impl<'de> Visitor<'de> for ParametersVisitor {
    type Value = Parameters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
        let mut parameters = Parameters::default();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            match parameters.values.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(entry) => {
                    parameters.twice.get_or_insert_with(|| entry.key().clone());
                }
            }
        }
        Ok(parameters)
    }
}

#[cfg(test)]
mod tests {
    use weir_sdk::cni_spec::json;

    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, String>> {
        json::from_slice::<Parameters>(text.as_bytes())?.unique()
    }

    #[test]
    fn a_parameter_named_twice_is_refused() {
        for text in [
            r#"{"net.a": "1", "net.b": "1", "net.a": "2"}"#,
            r#"{"net.a": "1", "net.a": "1"}"#,
            r#"{"net.a": "1", "net\u002ea": "1"}"#,
        ] {
            assert_eq!(read(text).map_err(|error| error.code), Err(7), "{text}");
        }
    }

    #[test]
    fn different_parameters_are_read() {
        let expected = [("net.A", "3"), ("net.a", "1"), ("net.b", "2")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(read(r#"{"net.a": "1", "net.b": "2", "net.A": "3"}"#), Ok(expected));
        assert_eq!(read("{}"), Ok(BTreeMap::new()));
        assert_eq!(read(r#"{"net.a": 1}"#).map_err(|error| error.code), Err(6));
    }
}
