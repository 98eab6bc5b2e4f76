//! JSON decoding as Go does it, because users' files were tried with Go programs: keys match without regard to case,
//! unknown keys are passed over, null counts as absent, booleans may be written as texts.
//!
//! Errors name the place: `ipam.ranges[0][1].subnet: invalid type: integer 5, expected ...`.
//!
//! Do not use `#[serde(flatten)]` in types read by this module: serde then hides the field names.

use std::fmt;

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
        value::StrDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};

/// Deeper documents are refused; the same limit as that of `serde_json` for texts.
const MAX_DEPTH: usize = 128;

/// Why a document could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// Where, as in `ipam.ranges[0]`; empty for the document as a whole.
    pub path: String,
    /// What was found and what was expected.
    pub message: String,
}

impl DecodeError {
    #[cold]
    #[inline(never)]
    fn within(mut self, outer: &str) -> Self {
        if !self.path.is_empty() && !self.path.starts_with('[') {
            self.path.insert(0, '.');
        }
        self.path.insert_str(0, outer);
        self
    }

    #[cold]
    #[inline(never)]
    fn within_element(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
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

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: String::new(), message: message.to_string() }
    }
}

/// Decode a text.
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, DecodeError> {
    from_value(&parse(text)?)
}

/// Decode a value.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    T::deserialize(Decoder { value, depth: 0 })
}

/// Read a text as a value, without looking at what it holds.
pub fn parse(text: &[u8]) -> Result<Value, DecodeError> {
    serde_json::from_slice(text).map_err(|error| de::Error::custom(format_args!("not valid JSON: {error}")))
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

#[cold]
#[inline(never)]
fn too_deep() -> DecodeError {
    de::Error::custom("nested too deeply")
}

/// A value that is being decoded.
#[derive(Clone, Copy)]
struct Decoder<'a> {
    value: &'a Value,
    depth: usize,
}

impl<'a> Decoder<'a> {
    fn inner(self, value: &'a Value) -> Result<Self, DecodeError> {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep());
        }
        Ok(Self { value, depth: self.depth + 1 })
    }

    #[cold]
    #[inline(never)]
    fn unexpected(self) -> Unexpected<'a> {
        match self.value {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => Unexpected::Unsigned(number),
                (_, Some(number), _) => Unexpected::Signed(number),
                (.., Some(number)) => Unexpected::Float(number),
                _ => Unexpected::Other("number"),
            },
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        }
    }
}

impl<'de> Deserializer<'de> for Decoder<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., Some(number)) => visitor.visit_f64(number),
                _ => Err(de::Error::custom("a number that fits no type")),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(items) => visitor.visit_seq(Items { decoder: self, items: items.iter(), index: 0 }),
            Value::Object(object) => visitor.visit_map(Entries {
                decoder: self,
                object,
                fields: None,
                entries: object.iter(),
                current: None,
            }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::String(text) if text.eq_ignore_ascii_case("true") => visitor.visit_bool(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => visitor.visit_bool(false),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Object(object) => {
                let entries = object.iter();
                visitor.visit_map(Entries { decoder: self, object, fields: Some(fields), entries, current: None })
            }
            // A derived visitor would take an array for the fields in order.
            _ => Err(de::Error::invalid_type(self.unexpected(), &"an object")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::String(text) => {
                let text: StrDeserializer<'_, DecodeError> = text.as_str().into_deserializer();
                text.deserialize_enum(name, variants, visitor)
            }
            value => value.deserialize_enum(name, variants, visitor).map_err(de::Error::custom),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier
    }
}

/// The elements of an array.
struct Items<'de> {
    decoder: Decoder<'de>,
    items: std::slice::Iter<'de, Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some(value) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        let element = self.decoder.inner(value).and_then(|decoder| seed.deserialize(decoder));
        element.map(Some).map_err(|error| error.within_element(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of an object; of a struct only those that are fields of it.
struct Entries<'de> {
    decoder: Decoder<'de>,
    object: &'de Map<String, Value>,
    fields: Option<&'static [&'static str]>,
    entries: serde_json::map::Iter<'de>,
    current: Option<(&'de str, &'de Value)>,
}

impl<'de> Entries<'de> {
    /// The field that an entry is for: none where it is unknown, null, or written again in a better or later spelling.
    fn field(&self, key: &str, value: &Value) -> Option<&'static str> {
        let fields = self.fields?;
        let exact = fields.iter().find(|field| **field == key);
        let field = exact.or_else(|| fields.iter().find(|field| field.eq_ignore_ascii_case(key)))?;
        get(self.object, field).is_some_and(|chosen| std::ptr::eq(chosen, value)).then_some(field)
    }

    /// Not inlined into the code of every struct, which plugins must carry.
    #[inline(never)]
    fn next(&mut self) -> Option<(&'de str, &'de Value)> {
        loop {
            let (key, value) = self.entries.next()?;
            if self.fields.is_none() {
                return Some((key, value));
            }
            if let Some(field) = self.field(key, value) {
                return Some((field, value));
            }
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.current = self.next();
        let Some((key, _)) = self.current else { return Ok(None) };
        let key: StrDeserializer<'_, DecodeError> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, DecodeError> {
        let Some((key, value)) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let value = self.decoder.inner(value).and_then(|decoder| seed.deserialize(decoder));
        value.map_err(|error| error.within(key))
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
