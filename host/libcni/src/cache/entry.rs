//! The format of an entry: JSON with the configuration in base64, as Go's libcni writes and reads it.
//!
//! Entries as programs write them are read straight into what is wanted of them; any other text goes by way of a
//! [`Value`], which knows keys in another case and can say what is wrong.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cni_spec::json;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{CacheEntry, CacheError, Damage, MOST_BYTES};

/// The kind of entry that there is.
const KIND: &str = "cniCacheV1";
/// One of these is in every result.
const KEYS_OF_RESULTS: [&str; 6] = ["cniVersion", "interfaces", "ips", "ip4", "ip6", "routes"];

/// What a file holds.
#[derive(Debug)]
pub(super) enum Decoded<T = CacheEntry> {
    Entry(Box<T>),
    /// A result alone: the format before there was a kind.
    Result(Value),
}

/// What is wanted of an entry.
pub(super) trait Wanted: Sized {
    /// Read it; `scratch` is memory that may be written over.
    fn decode(text: &[u8], scratch: &mut Vec<u8>) -> Result<Decoded<Self>, Damage>;

    /// Name of the network, container and name of the interface.
    fn names(&self) -> [&str; 3];
}

/// Whose an entry is.
#[derive(Debug, PartialEq)]
pub(super) struct Owner {
    pub(super) network: String,
    pub(super) container_id: String,
    pub(super) if_name: String,
}

impl Wanted for Owner {
    fn decode(text: &[u8], scratch: &mut Vec<u8>) -> Result<Decoded<Self>, Damage> {
        if let Some(found) = Found::<Skipped>::of(text)
            && found.decode_config(scratch)
        {
            return Ok(Decoded::Entry(Box::new(Self {
                network: found.network_name.into_owned(),
                container_id: found.container_id.into_owned(),
                if_name: found.if_name.into_owned(),
            })));
        }
        Ok(match decode_any(text)? {
            Decoded::Result(result) => Decoded::Result(result),
            Decoded::Entry(entry) => {
                let CacheEntry { network, container_id, if_name, .. } = *entry;
                Decoded::Entry(Box::new(Self { network, container_id, if_name }))
            }
        })
    }

    fn names(&self) -> [&str; 3] {
        [&self.network, &self.container_id, &self.if_name]
    }
}

impl Wanted for CacheEntry {
    fn decode(text: &[u8], scratch: &mut Vec<u8>) -> Result<Decoded<Self>, Damage> {
        if let Some(found) = Found::<Value>::of(text)
            && found.result.as_ref().is_none_or(Value::is_object)
            && found.decode_config(scratch)
        {
            return Ok(Decoded::Entry(Box::new(Self {
                network: found.network_name.into_owned(),
                container_id: found.container_id.into_owned(),
                if_name: found.if_name.into_owned(),
                net_ns: found.netns.into_owned(),
                config: scratch.clone(),
                cni_args: found.cni_args,
                capability_args: found.capability_args,
                result: found.result,
            })));
        }
        decode_any(text)
    }

    fn names(&self) -> [&str; 3] {
        [&self.network, &self.container_id, &self.if_name]
    }
}

/// An entry as it is written by us and by Go's libcni.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Found<'a, R> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    container_id: Cow<'a, str>,
    #[serde(borrow)]
    config: Cow<'a, str>,
    #[serde(borrow)]
    if_name: Cow<'a, str>,
    #[serde(borrow)]
    network_name: Cow<'a, str>,
    #[serde(borrow, default)]
    netns: Cow<'a, str>,
    #[serde(default)]
    cni_args: Vec<(String, String)>,
    #[serde(default = "BTreeMap::new")]
    capability_args: BTreeMap<String, Value>,
    #[serde(default = "Option::default")]
    result: Option<R>,
}

impl<'a, R: Deserialize<'a>> Found<'a, R> {
    /// None: the text is another, or damaged.
    fn of(text: &'a [u8]) -> Option<Self> {
        let found: Self = serde_json::from_str(std::str::from_utf8(text).ok()?).ok()?;
        let names = [&found.container_id, &found.network_name, &found.if_name];
        (found.kind == KIND && !names.iter().any(|name| name.is_empty())).then_some(found)
    }

    /// Put the configuration into `config`; whether it is one.
    fn decode_config(&self, config: &mut Vec<u8>) -> bool {
        config.clear();
        STANDARD.decode_vec(self.config.as_bytes(), config).is_ok()
    }
}

/// An object that nobody wants to know.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Skipped;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Skipped, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Skipped)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    kind: &'static str,
    container_id: &'a str,
    config: String,
    if_name: &'a str,
    network_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    netns: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    cni_args: &'a [(String, String)],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    capability_args: &'a BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
}

/// The text of an entry.
pub(super) fn encode(entry: &CacheEntry) -> Result<Vec<u8>, CacheError> {
    let written = Written {
        kind: KIND,
        container_id: &entry.container_id,
        config: STANDARD.encode(&entry.config),
        if_name: &entry.if_name,
        network_name: &entry.network,
        netns: &entry.net_ns,
        cni_args: &entry.cni_args,
        capability_args: &entry.capability_args,
        result: entry.result.as_ref().filter(|result| !result.is_null()),
    };
    let container_id = entry.container_id.clone();
    match serde_json::to_vec(&written) {
        Ok(text) if text.len() as u64 > MOST_BYTES => Err(CacheError::TooLarge { container_id, size: text.len() }),
        Ok(text) => Ok(text),
        Err(source) => Err(CacheError::Encoding { container_id, source }),
    }
}

/// What the text of a file means, whatever it is.
fn decode_any(text: &[u8]) -> Result<Decoded, Damage> {
    if text.trim_ascii().is_empty() {
        return Err(Damage::Empty);
    }
    let value = json::parse(text).map_err(|error| Damage::NotJson(error.to_string()))?;
    let Value::Object(mut object) = value else {
        return Err(Damage::Foreign("it is no JSON object".to_owned()));
    };
    match json::get(&object, "kind") {
        Some(Value::String(kind)) if kind == KIND => {}
        Some(Value::String(kind)) => return Err(Damage::UnknownKind(kind.clone())),
        None if KEYS_OF_RESULTS.iter().any(|key| json::get(&object, key).is_some()) => {
            return Ok(Decoded::Result(Value::Object(object)));
        }
        _ => return Err(Damage::Foreign("it is neither an entry nor a result".to_owned())),
    }
    let required = |object: &mut Map<String, Value>, key: &'static str| match text_of(object, key)? {
        text if text.is_empty() => Err(Damage::Foreign(format!("it has no {key}"))),
        text => Ok(text),
    };
    let config = text_of(&mut object, "config")?;
    Ok(Decoded::Entry(Box::new(CacheEntry {
        container_id: required(&mut object, "containerId")?,
        network: required(&mut object, "networkName")?,
        if_name: required(&mut object, "ifName")?,
        net_ns: text_of(&mut object, "netns")?,
        config: STANDARD.decode(config).map_err(|error| Damage::Foreign(format!("config is no base64: {error}")))?,
        cni_args: match take(&mut object, "cniArgs") {
            Value::Null => Vec::new(),
            pairs => serde_json::from_value(pairs)
                .map_err(|_| Damage::Foreign("cniArgs is no list of pairs of texts".to_owned()))?,
        },
        capability_args: match take(&mut object, "capabilityArgs") {
            Value::Null => BTreeMap::new(),
            Value::Object(arguments) => arguments.into_iter().collect(),
            _ => return Err(Damage::Foreign("capabilityArgs is no object".to_owned())),
        },
        result: match take(&mut object, "result") {
            Value::Null => None,
            result @ Value::Object(_) => Some(result),
            _ => return Err(Damage::Foreign("result is no object".to_owned())),
        },
    })))
}

fn text_of(object: &mut Map<String, Value>, key: &'static str) -> Result<String, Damage> {
    match take(object, key) {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text),
        _ => Err(Damage::Foreign(format!("{key} is no text"))),
    }
}

/// The value of a key in whatever case, as Go finds it; null where there is none.
fn take(object: &mut Map<String, Value>, key: &str) -> Value {
    match object.remove(key) {
        Some(value) => value,
        None => json::get(object, key).cloned().unwrap_or_default(),
    }
}
