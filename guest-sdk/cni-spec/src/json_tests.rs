#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Outer {
    name: String,
    is_gateway: bool,
    mtu: u32,
    vlan: Option<i32>,
    inner: Inner,
    list: Vec<Vec<Inner>>,
    map: BTreeMap<String, Inner>,
    raw: Option<Value>,
    mode: Option<Mode>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Inner {
    key: String,
    maybe: Option<Box<Inner>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Bridge,
    Tagged(u8),
}

#[derive(Debug, PartialEq, Deserialize)]
struct Required {
    key: String,
}

fn decode(value: Value) -> Result<Outer, DecodeError> {
    from_value(&value)
}

fn error(value: Value) -> String {
    decode(value).unwrap_err().to_string()
}

#[test]
fn keys_match_in_any_case_at_any_depth() {
    let outer = decode(json!({
        "NAME": "n", "isgateway": true, "MTU": 9000, "INNER": {"KEY": "a", "Maybe": {"kEY": "b"}},
        "LIST": [[{"Key": "c"}]], "MAP": {"Keep": {"KEY": "d"}}
    }))
    .unwrap();
    assert_eq!((outer.name.as_str(), outer.is_gateway, outer.mtu), ("n", true, 9000));
    assert_eq!(outer.inner.maybe.unwrap().key, "b");
    assert_eq!(outer.list.first().unwrap().first().unwrap().key, "c");
    assert_eq!(outer.map.get("Keep").unwrap().key, "d", "keys of maps keep their case");
}

#[test]
fn the_exact_key_is_preferred_and_the_last_duplicate_wins() {
    assert_eq!(decode(json!({"name": "exact", "Name": "x", "NAME": "y", "namE": "z"})).unwrap().name, "exact");
    assert_eq!(from_slice::<Outer>(br#"{"name": "1", "name": "2"}"#).unwrap().name, "2");
    assert_eq!(decode(json!({"NAME": "x", "Name": "y"})).unwrap().name, "y");
}

#[test]
fn values_and_texts_choose_the_same_of_many_spellings() {
    for keys in [["name", "NAME", "Name"], ["nAme", "NAME", "Name"], ["NAME", "naMe", "Name"], ["name", "name", "NAME"]]
    {
        let text = format!(r#"{{"{}": "0", "{}": "1", "{}": "2"}}"#, keys[0], keys[1], keys[2]);
        let value = parse(text.as_bytes()).unwrap();
        let chosen = get(value.as_object().unwrap(), "name").and_then(Value::as_str).unwrap();
        assert_eq!(from_slice::<Outer>(text.as_bytes()).unwrap().name, chosen, "{text}");
        assert_eq!(decode(value.clone()).unwrap().name, chosen, "{text}");
    }
}

#[test]
fn unknown_keys_are_passed_over_whatever_they_hold() {
    assert_eq!(decode(json!({"other": {"name": [null, {"a": 1}]}, "": 1})).unwrap(), Outer::default());
}

#[test]
fn null_counts_as_absent() {
    let nulls =
        json!({"name": null, "isGateway": null, "mtu": null, "vlan": null, "inner": null, "list": null, "map": null});
    assert_eq!(decode(nulls).unwrap(), Outer::default());
    assert_eq!(from_value::<Required>(&json!({"key": null})).unwrap_err().to_string(), "missing field `key`");
    assert_eq!(decode(json!({"raw": {"a": null, "b": [null]}})).unwrap().raw, Some(json!({"a": null, "b": [null]})));
}

#[test]
fn booleans_may_be_texts() {
    for yes in [json!(true), json!("true"), json!("True"), json!("TRUE")] {
        assert!(decode(json!({"isGateway": yes})).unwrap().is_gateway);
    }
    assert!(!decode(json!({"isGateway": "False"})).unwrap().is_gateway);
    for bad in [json!("yes"), json!(""), json!(1), json!("1")] {
        assert!(error(json!({"isGateway": bad})).starts_with("isGateway: invalid type"), "{bad}");
    }
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    assert_eq!(error(json!({"MTU": "9000"})), "mtu: invalid type: string \"9000\", expected u32");
    assert_eq!(error(json!({"mtu": -1})), "mtu: invalid value: integer `-1`, expected u32");
    assert_eq!(error(json!({"mtu": 1.5})), "mtu: invalid type: floating point `1.5`, expected u32");
    assert_eq!(error(json!({"vlan": 5_000_000_000_u64})), "vlan: invalid value: integer `5000000000`, expected i32");
    assert_eq!(
        error(json!({"list": [[], [{}, {"key": 5}]]})),
        "list[1][1].key: invalid type: integer `5`, expected a string"
    );
    assert_eq!(
        error(json!({"map": {"a": {"maybe": {"key": []}}}})),
        "map.a.maybe.key: invalid type: sequence, expected a string"
    );
    assert_eq!(error(json!([])), "invalid type: sequence, expected an object");
    assert_eq!(error(json!({"inner": "x"})), "inner: invalid type: string \"x\", expected an object");
    assert_eq!(error(json!({"inner": ["x"]})), "inner: invalid type: sequence, expected an object");
}

#[test]
fn what_is_no_json_is_told_with_its_place() {
    for bad in ["", " ", "{", "{}x", "{\"a\":}", "\u{feff}{}", "nul", "{'a': 1}"] {
        let error = from_slice::<Outer>(bad.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("not valid JSON: ") && error.contains("line"), "{bad:?}: {error}");
    }
    assert!(from_slice::<Outer>(b"\"\xff\"").is_err());
}

#[test]
fn enumerations_are_read() {
    assert_eq!(decode(json!({"mode": "bridge"})).unwrap().mode, Some(Mode::Bridge));
    assert_eq!(decode(json!({"mode": {"tagged": 3}})).unwrap().mode, Some(Mode::Tagged(3)));
    assert!(error(json!({"mode": "other"})).starts_with("mode: unknown variant `other`"));
    assert!(error(json!({"mode": 3})).starts_with("mode: "));
    assert_eq!(decode(json!({"mode": {"bridge": null}})).unwrap().mode, Some(Mode::Bridge));
    assert_eq!(error(json!({"mode": {"tagged": "x"}})), "mode.tagged: invalid type: string \"x\", expected u8");
    for bad in [json!("tagged"), json!({"bridge": 1}), json!({}), json!({"tagged": 1, "bridge": null})] {
        assert!(error(json!({"mode": bad})).starts_with("mode"), "{bad}");
    }
}

#[test]
fn deep_documents_are_refused_and_do_not_overflow() {
    let text = "{\"inner\":".repeat(100_000);
    assert!(from_slice::<Outer>(text.as_bytes()).unwrap_err().message.contains("recursion limit"));
    let value = (0..1000).fold(json!("x"), |inner, _| json!({"maybe": inner, "key": "k"}));
    assert!(from_value::<Inner>(&value).unwrap_err().message.contains("nested too deeply"));
}

#[test]
fn keys_are_found_and_removed_in_every_spelling() {
    let document = json!({"PrevResult": 1, "prevresult": 2, "name": null});
    let mut object = document.as_object().unwrap().clone();
    assert_eq!(get(&object, "prevResult"), Some(&json!(2)));
    assert_eq!((get(&object, "name"), get(&object, "none")), (None, None));
    remove(&mut object, "prevResult");
    assert_eq!(Value::Object(object), json!({"name": null}));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_decoding_panic(text: Vec<u8>) {
        let _ = from_slice::<Outer>(&text);
    }

    #[test]
    fn a_document_reads_the_same_in_any_case(name in "[a-z]{0,8}", mtu: u32, gateway: bool, upper: bool) {
        let spell = |key: &str| if upper { key.to_uppercase() } else { key.to_lowercase() };
        let document: Map<String, Value> = [
            (spell("name"), name.clone().into()), (spell("mtu"), mtu.into()), (spell("isGateway"), gateway.into()),
        ].into_iter().collect();
        let expected = Outer { name, mtu, is_gateway: gateway, ..Outer::default() };
        proptest::prop_assert_eq!(decode(Value::Object(document)).unwrap(), expected);
    }
}
