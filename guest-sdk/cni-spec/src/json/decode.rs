//! Trees to Rust types.
//!
//! `serde` makes a copy of these functions for every type that is decoded, and plugins carry them all: what does not
//! depend on the type is in functions of its own that are not inlined.

use std::fmt;

use serde::{
    Deserializer,
    de::{
        self, DeserializeSeed, EnumAccess, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
        VariantAccess, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::DecodeError;
use super::node::{self, Entry, Node};

impl Error for DecodeError {
    #[cold]
    #[inline(never)]
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: String::new(), message: message.to_string() }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        mismatch("type", unexpected, expected)
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        mismatch("value", unexpected, expected)
    }
}

/// Not the `Display` of `Unexpected`: that can print floating point numbers, which is much code.
#[cold]
#[inline(never)]
fn mismatch(what: &str, unexpected: Unexpected<'_>, expected: &dyn Expected) -> DecodeError {
    DecodeError::custom(match unexpected {
        Unexpected::Bool(value) => format!("invalid {what}: boolean `{value}`, expected {expected}"),
        Unexpected::Unsigned(value) => format!("invalid {what}: integer `{value}`, expected {expected}"),
        Unexpected::Signed(value) => format!("invalid {what}: integer `{value}`, expected {expected}"),
        Unexpected::Str(text) => format!("invalid {what}: string {text:?}, expected {expected}"),
        Unexpected::Other(name) => format!("invalid {what}: {name}, expected {expected}"),
        Unexpected::Unit => format!("invalid {what}: null, expected {expected}"),
        Unexpected::Seq => format!("invalid {what}: sequence, expected {expected}"),
        Unexpected::Map => format!("invalid {what}: map, expected {expected}"),
        _ => format!("invalid {what}, expected {expected}"),
    })
}

/// A number as the types of Rust have it.
enum Number<'a> {
    Unsigned(u64),
    Signed(i64),
    Other(&'a str),
}

impl<'a> Number<'a> {
    fn read(written: &'a str) -> Self {
        match (written.parse(), written.parse()) {
            (Ok(number), _) => Self::Unsigned(number),
            // There is no integer -0.
            (_, Ok(number)) if number != 0 => Self::Signed(number),
            _ => Self::Other(written),
        }
    }
}

/// A node that is being decoded.
#[derive(Clone, Copy)]
pub(super) struct Decoder<'n, 'a>(pub(super) &'n Node<'a>);

impl Decoder<'_, '_> {
    #[cold]
    #[inline(never)]
    fn unexpected(self, expected: &dyn Expected) -> DecodeError {
        let float;
        let unexpected = match self.0 {
            Node::Null => Unexpected::Unit,
            Node::Bool(value) => Unexpected::Bool(*value),
            Node::Number(written) => match Number::read(written) {
                Number::Unsigned(number) => Unexpected::Unsigned(number),
                Number::Signed(number) => Unexpected::Signed(number),
                Number::Other(written) => {
                    float = format!("floating point `{written}`");
                    Unexpected::Other(&float)
                }
            },
            Node::Text(text) => Unexpected::Str(text),
            Node::Array(_) => Unexpected::Seq,
            Node::Object(_) => Unexpected::Map,
        };
        mismatch("type", unexpected, expected)
    }

    #[inline(never)]
    fn boolean(self) -> Option<bool> {
        match self.0 {
            Node::Bool(value) => Some(*value),
            Node::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Node::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    #[inline(never)]
    fn integer(self) -> Number<'static> {
        match self.0 {
            Node::Number(written) => match Number::read(written) {
                Number::Other(_) => Number::Other(""),
                Number::Unsigned(number) => Number::Unsigned(number),
                Number::Signed(number) => Number::Signed(number),
            },
            _ => Number::Other(""),
        }
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.integer() {
                Number::Unsigned(number) => visitor.visit_u64(number),
                Number::Signed(number) => visitor.visit_i64(number),
                Number::Other(_) => Err(self.unexpected(&visitor)),
            }
        }
    )*};
}

macro_rules! texts {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.0 {
                Node::Text(text) => visitor.visit_str(text),
                _ => Err(self.unexpected(&visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Decoder<'_, '_> {
    type Error = DecodeError;

    /// For types that take any value, such as `serde_json::Value`.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(*value),
            Node::Number(written) => match Number::read(written) {
                Number::Unsigned(number) => visitor.visit_u64(number),
                Number::Signed(number) => visitor.visit_i64(number),
                Number::Other(_) => self.deserialize_f64(visitor),
            },
            Node::Text(text) => visitor.visit_str(text),
            Node::Array(_) => self.deserialize_seq(visitor),
            Node::Object(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.boolean() {
            Some(value) => visitor.visit_bool(value),
            None => Err(self.unexpected(&visitor)),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    texts! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let Node::Number(written) = self.0 else { return Err(self.unexpected(&visitor)) };
        match written.parse::<f64>() {
            Ok(number) if number.is_finite() => visitor.visit_f64(number),
            _ => Err(DecodeError::custom("number out of range")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Null => visitor.visit_unit(),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Array(items) => visitor.visit_seq(Items { items: items.iter(), index: 0 }),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Object(entries) => visitor.visit_map(Entries { entries: entries.iter(), current: None }),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Object(entries) => visitor.visit_map(Fields { fields: fields.iter(), entries, current: None }),
            // A derived visitor would take an array for the fields in order.
            _ => Err(self.unexpected(&"an object")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.0 {
            Node::Text(name) => visitor.visit_enum(Variant { name, content: None }),
            Node::Object(entries) if let [(name, content)] = entries.as_slice() => {
                visitor.visit_enum(Variant { name, content: Some(Decoder(content)) })
            }
            _ => Err(self.unexpected(&"a text, or an object with one key")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bytes byte_buf unit_struct }
}

fn name_of(key: &str) -> StrDeserializer<'_, DecodeError> {
    key.into_deserializer()
}

/// The elements of an array.
struct Items<'n, 'a> {
    items: std::slice::Iter<'n, Node<'a>>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        match seed.deserialize(Decoder(node)) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.within_element(index)),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of an object, with the names that they have.
struct Entries<'n, 'a> {
    entries: std::slice::Iter<'n, Entry<'a>>,
    current: Option<&'n Entry<'a>>,
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.current = self.entries.next();
        self.current.map(|(key, _)| seed.deserialize(name_of(key))).transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, DecodeError> {
        let (key, node) = self.current.ok_or_else(out_of_order)?;
        seed.deserialize(Decoder(node)).map_err(|error| error.within(key))
    }
}

/// The entries of an object that are fields of a struct, with the names of the fields.
struct Fields<'n, 'a> {
    fields: std::slice::Iter<'static, &'static str>,
    entries: &'n [Entry<'a>],
    current: Option<(&'static str, &'n Node<'a>)>,
}

impl Fields<'_, '_> {
    #[inline(never)]
    fn next(&mut self) -> Option<&'static str> {
        self.current = self.fields.find_map(|field| Some((*field, node::get(self.entries, field)?)));
        self.current.map(|(field, _)| field)
    }
}

impl<'de> MapAccess<'de> for Fields<'_, '_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.next().map(|field| seed.deserialize(name_of(field))).transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, DecodeError> {
        let (field, node) = self.current.ok_or_else(out_of_order)?;
        seed.deserialize(Decoder(node)).map_err(|error| error.within(field))
    }
}

#[cold]
#[inline(never)]
fn out_of_order() -> DecodeError {
    DecodeError::custom("a value was asked for before its key")
}

/// A variant of an enumeration: a text, or an object with its name as the only key.
struct Variant<'n, 'a> {
    name: &'n str,
    content: Option<Decoder<'n, 'a>>,
}

impl<'n, 'a> Variant<'n, 'a> {
    fn content(self, expected: &dyn Expected) -> Result<Decoder<'n, 'a>, DecodeError> {
        self.content.ok_or_else(|| mismatch("type", Unexpected::Str(self.name), expected))
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        Ok((seed.deserialize(name_of(self.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.content {
            None | Some(Decoder(Node::Null)) => Ok(()),
            Some(content) => Err(content.unexpected(&"a variant without content").within(self.name)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        let name = self.name;
        seed.deserialize(self.content(&"a variant with content")?).map_err(|error| error.within(name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        let name = self.name;
        self.content(&"a variant with content")?.deserialize_seq(visitor).map_err(|error| error.within(name))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let name = self.name;
        let content = self.content(&"a variant with content")?;
        content.deserialize_struct("", fields, visitor).map_err(|error| error.within(name))
    }
}
