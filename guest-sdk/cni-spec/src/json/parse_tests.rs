#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use serde_json::Value;

use super::super::{DecodeError, from_slice};

/// A text read by this module and by `serde_json`.
fn both(text: &[u8]) -> (Result<Value, DecodeError>, serde_json::Result<Value>) {
    (from_slice(text), serde_json::from_slice(text))
}

fn same(text: &[u8]) {
    let (ours, theirs) = both(text);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(text)),
        (ours, theirs) => assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}", String::from_utf8_lossy(text)),
    }
}

#[test]
fn texts_read_as_serde_json_reads_them() {
    for text in [
        "",
        " ",
        "null",
        "nul",
        "nulll",
        "true",
        "falsE",
        "[",
        "]",
        "[]",
        "[ ]",
        "[,]",
        "[1,]",
        "[1 2]",
        "[[],[]]",
        "{",
        "{}",
        "{ }",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{1:1}",
        "{\"a\":1,\"a\":2}",
        "{} {}",
        "\t\n\r 1 \t\n\r",
        "\u{a0}1",
        "\u{feff}{}",
        "{}\0",
    ] {
        same(text.as_bytes());
    }
}

#[test]
fn numbers_read_as_serde_json_reads_them() {
    for text in [
        "0",
        "-0",
        "00",
        "01",
        "-01",
        "-",
        "--1",
        "+1",
        "1.",
        ".1",
        "1.5",
        "-1.5",
        "1e",
        "1e+",
        "1e5",
        "1E-5",
        "1.5e+2",
        "1.e5",
        "0.0",
        "0e0",
        "-0.0",
        "1x",
        "0x1",
        "1e999",
        "-1e999",
        "1e-999",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775808",
        "-9223372036854775809",
        "NaN",
        "Infinity",
        "1_0",
    ] {
        same(text.as_bytes());
    }
}

#[test]
fn strings_read_as_serde_json_reads_them() {
    for text in [
        r#""""#,
        r#"""#,
        r#""a"#,
        r#""\"#,
        r#""\"""#,
        r#""\\\/\b\f\n\r\t""#,
        r#""\a""#,
        r#""\u0041""#,
        r#""\u00e4x""#,
        r#""\u004""#,
        r#""\u+041""#,
        r#""\ud83d\ude00""#,
        r#""\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\n""#,
        r#""\ud83d\ud83d""#,
        r#""\ude00""#,
        r#""\u0000""#,
        "\"\n\"",
        "\"\u{7f}\"",
        "\"\u{e4}\u{1f600}\"",
        r#"{"\u0061": 1}"#,
    ] {
        same(text.as_bytes());
    }
    for bytes in [&b"\"\xff\""[..], b"\"\xed\xa0\x80\"", b"\xff", b"[\"\xc3\"]"] {
        same(bytes);
    }
}

#[test]
fn nesting_ends_where_it_ends_for_serde_json() {
    for depth in [126, 127, 128, 129, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            same((open.repeat(depth) + "1" + &close.repeat(depth)).as_bytes());
        }
    }
}

#[test]
fn errors_tell_the_place() {
    let message = |text: &str| from_slice::<Value>(text.as_bytes()).unwrap_err().message;
    assert_eq!(message("{\n \"a\": x}"), "not valid JSON: expected value at line 2 column 7");
    assert_eq!(message("[1,\n2"), "not valid JSON: EOF while parsing a list at line 2 column 1");
    assert_eq!(message("{} x"), "not valid JSON: trailing characters at line 1 column 4");
}

/// Any document.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_read_as_it_was(value in document(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        same(text.as_bytes());
        prop_assert_eq!(super::super::from_value::<Value>(&value).unwrap(), value);
    }

    #[test]
    fn broken_documents_are_broken_for_serde_json_too(
        value in document(), at: prop::sample::Index, byte in prop::sample::select(&b"\"\\{}[]:,0123456789eE+-.nutf \n\xff"[..]),
        how in 0..3,
    ) {
        let mut text = value.to_string().into_bytes();
        let at = at.index(text.len());
        match how {
            0 => text.truncate(at),
            1 => text.insert(at, byte),
            _ => { text.splice(at..=at, [byte]); }
        }
        same(&text);
    }

    #[test]
    fn texts_of_json_letters_read_as_serde_json_reads_them(text in "[\\[\\]{}:,\"\\\\aeu0-9.+ -]{0,12}") {
        same(text.as_bytes());
    }
}
