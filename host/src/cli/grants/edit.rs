//! Grants made of other grants: with a fragment added, or with one taken away.

use serde_json::{Map, Value};

use crate::registry::Grants;

use super::request::includes;

type Fault = String;

/// The document of a grant, without what is empty.
pub(in crate::cli) fn document(grants: &Grants) -> Map<String, Value> {
    let Ok(Value::Object(mut document)) = serde_json::to_value(grants) else { return Map::new() };
    document.retain(|_, value| match value {
        Value::Array(list) => !list.is_empty(),
        Value::Object(limits) => {
            limits.retain(|_, limit| !limit.is_null());
            !limits.is_empty()
        }
        other => !other.is_null(),
    });
    document
}

/// The values of a key; for limits `NAME=VALUE`.
pub(in crate::cli) fn values(document: &Map<String, Value>, key: &str) -> Vec<String> {
    match document.get(key) {
        Some(Value::Array(list)) => list.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect(),
        Some(Value::Object(limits)) => limits.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        _ => Vec::new(),
    }
}

/// A grant of one value only, as text.
pub(in crate::cli) fn fragment(key: &str, value: &str) -> String {
    let value = match value.split_once('=') {
        Some((name, number)) if key == "limits" => format!("{{{}: {number}}}", Value::from(name)),
        _ => format!("[{}]", Value::from(value)),
    };
    format!("{{{}: {value}}}", Value::from(key))
}

fn grants(document: Map<String, Value>) -> Result<Grants, Fault> {
    let text = serde_json::to_vec(&document).map_err(|e| e.to_string())?;
    Grants::parse(&text)
}

/// Both together. Limits of the fragment replace those that were there.
pub(in crate::cli) fn add(current: &Grants, fragment: &Grants) -> Result<Grants, Fault> {
    let mut sum = document(current);
    for (key, added) in document(fragment) {
        match (sum.get_mut(&key), added) {
            (Some(Value::Array(present)), Value::Array(added)) => {
                for value in added {
                    if !present.contains(&value) {
                        present.push(value);
                    }
                }
            }
            (Some(Value::Object(present)), Value::Object(added)) => present.extend(added),
            (_, added) => {
                sum.insert(key, added);
            }
        }
    }
    grants(sum)
}

/// What is left without a fragment. Each of its values must be there as it is written: to think something revoked that
/// goes on being granted would be worse than an error.
pub(in crate::cli) fn remove(current: &Grants, fragment: &Map<String, Value>) -> Result<Grants, Fault> {
    let mut rest = document(current);
    for (key, taken) in fragment {
        let not_granted = |value: &str| format!("{key} {value:?} is not granted");
        let names: Vec<String> = match taken {
            Value::Array(list) => list.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect(),
            Value::Object(limits) => limits.keys().cloned().collect(),
            other => return Err(format!("{key}: {other} is neither a list nor limits")),
        };
        for name in names {
            match rest.get_mut(key) {
                Some(Value::Array(present)) => {
                    let before = present.len();
                    present.retain(|value| value.as_str() != Some(&name));
                    if present.len() == before {
                        let wider = present.iter().filter_map(Value::as_str).find(|wide| includes(key, wide, &name));
                        return Err(wider.map_or_else(
                            || not_granted(&name),
                            |wide| format!("{key} {name:?} is granted as a part of {wide:?}: revoke that one"),
                        ));
                    }
                }
                Some(Value::Object(present)) => {
                    present.remove(&name).ok_or_else(|| not_granted(&name))?;
                }
                _ => return Err(not_granted(&name)),
            }
        }
    }
    grants(rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use serde_json::json;

    fn parse(document: Value) -> Grants {
        serde_json::from_value(document).unwrap()
    }

    fn fragment(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_fragment_is_added_once() {
        let current = parse(json!({"interfaces": ["links"], "hostLinks": ["cni0"]}));
        let more = parse(json!({"hostLinks": ["cni0", "cni1"], "linkKinds": ["veth"]}));
        let sum = add(&current, &more).unwrap();
        assert_eq!(sum, parse(json!({"interfaces": ["links"], "hostLinks": ["cni0", "cni1"], "linkKinds": ["veth"]})));
        assert_eq!(add(&sum, &more).unwrap(), sum);
    }

    #[test]
    fn what_is_revoked_must_have_been_granted_so() {
        let current = parse(json!({"interfaces": ["links"], "hostLinks": ["cni*", "br0"]}));
        let left = remove(&current, &fragment(&json!({"hostLinks": ["br0"], "interfaces": ["links"]}))).unwrap();
        assert_eq!(left, parse(json!({"hostLinks": ["cni*"]})));
        for (what, reason) in [
            (json!({"hostLinks": ["cni0"]}), "a part of \"cni*\""),
            (json!({"hostLinks": ["eth0"]}), "not granted"),
            (json!({"lowerLinks": ["br0"]}), "not granted"),
            (json!({"hostLinks": "br0"}), "neither"),
        ] {
            assert!(remove(&current, &fragment(&what)).unwrap_err().contains(reason), "{what}");
        }
    }

    #[test]
    fn what_is_empty_is_not_shown() {
        assert!(document(&Grants::default()).is_empty());
        let document = document(&parse(json!({"hostLinks": ["a"], "files": []})));
        assert_eq!(Value::Object(document), json!({"hostLinks": ["a"]}));
    }
}
