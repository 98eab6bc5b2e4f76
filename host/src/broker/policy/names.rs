//! What placeholders of patterns stand for: keys of the plugin's configuration, and facts of the command.

use std::sync::{Arc, OnceLock};

use cni_spec::json;
use serde_json::{Map, Value};

use super::facts::Facts;
use super::pattern::Expand;

/// The names of one plugin in one command.
#[derive(Debug)]
pub struct Names {
    plugin: String,
    config: String,
    parsed: OnceLock<Map<String, Value>>,
    facts: Arc<Facts>,
}

/// An array in an array in an array names nothing.
const DEEPEST: u32 = 8;

impl Names {
    /// Names for a plugin with its configuration. Nothing is parsed until a placeholder asks for it.
    pub fn new(plugin: &str, config: &str, facts: Arc<Facts>) -> Self {
        Self { plugin: plugin.to_owned(), config: config.to_owned(), parsed: OnceLock::new(), facts }
    }

    /// The plugin.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// Its configuration (JSON).
    pub fn config(&self) -> &str {
        &self.config
    }

    fn document(&self) -> &Map<String, Value> {
        self.parsed.get_or_init(|| match json::parse(self.config.as_bytes()) {
            Ok(Value::Object(document)) => document,
            _ => Map::new(),
        })
    }
}

impl Expand for Names {
    fn expand(&self, key: &str) -> Vec<String> {
        match key {
            "ifname" => vec![self.facts.interface_name().to_owned()],
            "network" => vec![self.facts.network().to_owned()],
            "plugin" => vec![self.plugin.clone()],
            "hostInterface" => self.facts.host_interfaces(),
            "defaultInterface" => self.facts.default_interfaces(),
            _ => {
                let mut found = Vec::new();
                let (first, rest) = split(key);
                if let Some(value) = json::get(self.document(), first) {
                    collect(value, rest, DEEPEST, &mut found);
                }
                found
            }
        }
    }
}

fn split(key: &str) -> (&str, Option<&str>) {
    key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)))
}

/// Texts and whole numbers under a key; of a list, those of all its elements.
fn collect(value: &Value, key: Option<&str>, depth: u32, found: &mut Vec<String>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match (value, key) {
        (Value::Array(items), _) => items.iter().for_each(|item| collect(item, key, depth, found)),
        (Value::Object(object), Some(key)) => {
            let (first, rest) = split(key);
            if let Some(inner) = json::get(object, first) {
                collect(inner, rest, depth, found);
            }
        }
        (Value::String(text), None) => found.push(text.clone()),
        (Value::Number(number), None) => found.extend(number.as_u64().map(|number| number.to_string())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_configuration_and_facts_are_names() {
        let config = r#"{"bridge": "cni5", "ipam": {"dataDir": "/d", "ranges": [[{"subnet": "10.0.0.0/8"}]]},
            "table": 7, "flag": true, "none": null, "list": ["a", "b", 1.5]}"#;
        let names = Names::new("p", config, Arc::new(Facts::for_attachment("net", "c", "eth0")));
        for (key, expected) in [
            ("bridge", &["cni5"][..]),
            ("Bridge", &["cni5"]),
            ("ipam.dataDir", &["/d"]),
            ("ipam.ranges.subnet", &["10.0.0.0/8"]),
            ("table", &["7"]),
            ("list", &["a", "b"]),
            ("flag", &[]),
            ("none", &[]),
            ("ipam", &[]),
            ("bridge.x", &[]),
            ("missing", &[]),
            ("ifname", &["eth0"]),
            ("network", &["net"]),
            ("plugin", &["p"]),
            ("hostInterface", &[]),
        ] {
            assert_eq!(names.expand(key), expected, "{key}");
        }
        let broken = Names::new("p", "{", Arc::new(Facts::default()));
        assert!(broken.expand("bridge").is_empty());
    }
}
