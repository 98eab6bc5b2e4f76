//! Trees to Rust types.
//!
//! `serde` makes a copy of these functions for every type that is decoded, and plugins carry them all: what does not
//! depend on the type is in functions of its own that are not inlined.

use serde::{
    Deserializer,
    de::{Error, Expected, Unexpected, Visitor},
    forward_to_deserialize_any,
};

use super::access::{Entries, Fields, Items, Variant};
use super::fault::{Fault, mismatch};
use super::node::Node;

/// A number as the types of Rust have it.
enum Number<'a> {
    Unsigned(u64),
    Signed(i64),
    Other(&'a str),
}

impl<'a> Number<'a> {
    fn read(written: &'a str) -> Self {
        let (digits, is_negative) = written.strip_prefix('-').map_or((written, false), |digits| (digits, true));
        match digits.parse::<u64>() {
            Ok(number) if !is_negative => Self::Unsigned(number),
            // There is no integer -0.
            Ok(number) if number != 0 => 0_i64.checked_sub_unsigned(number).map_or(Self::Other(written), Self::Signed),
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
    pub(super) fn unexpected(self, expected: &dyn Expected) -> Fault {
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
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
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
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            match self.0 {
                Node::Text(text) => visitor.visit_str(text),
                _ => Err(self.unexpected(&visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Decoder<'_, '_> {
    type Error = Fault;

    /// For types that take any value, such as `serde_json::Value`.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
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

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
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

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Node::Number(written) = self.0 else { return Err(self.unexpected(&visitor)) };
        match written.parse::<f64>() {
            Ok(number) if number.is_finite() => visitor.visit_f64(number),
            _ => Err(Fault::custom("number out of range")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Node::Null => visitor.visit_unit(),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Node::Array(items) => visitor.visit_seq(Items::new(items)),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Node::Object(entries) => visitor.visit_map(Entries::new(entries)),
            _ => Err(self.unexpected(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Node::Object(entries) => visitor.visit_map(Fields::new(fields, entries)),
            // A derived visitor would take an array for the fields in order.
            _ => Err(self.unexpected(&"an object")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Node::Text(name) => visitor.visit_enum(Variant::new(name, None)),
            Node::Object(entries) if let [(name, content)] = entries.as_slice() => {
                visitor.visit_enum(Variant::new(name, Some(Decoder(content))))
            }
            _ => Err(self.unexpected(&"a text, or an object with one key")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bytes byte_buf unit_struct }
}
