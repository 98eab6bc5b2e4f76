//! What is inside arrays, objects and enumerations, one part at a time, for `serde`.

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
        VariantAccess, Visitor, value::StrDeserializer,
    },
};

use super::decode::Decoder;
use super::fault::{Fault, mismatch};
use super::node::{self, Entry, Node};

fn name_of(key: &str) -> StrDeserializer<'_, Fault> {
    key.into_deserializer()
}

/// The elements of an array.
pub(super) struct Items<'n, 'a> {
    items: std::slice::Iter<'n, Node<'a>>,
    index: usize,
}

impl<'n, 'a> Items<'n, 'a> {
    pub(super) fn new(items: &'n [Node<'a>]) -> Self {
        Self { items: items.iter(), index: 0 }
    }
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
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
pub(super) struct Entries<'n, 'a> {
    entries: std::slice::Iter<'n, Entry<'a>>,
    current: Option<&'n Entry<'a>>,
}

impl<'n, 'a> Entries<'n, 'a> {
    pub(super) fn new(entries: &'n [Entry<'a>]) -> Self {
        Self { entries: entries.iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Entries<'_, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.current = self.entries.next();
        self.current.map(|(key, _)| seed.deserialize(name_of(key))).transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let (key, node) = self.current.ok_or_else(out_of_order)?;
        seed.deserialize(Decoder(node)).map_err(|error| error.within(key))
    }
}

/// The entries of an object that are fields of a struct, with the names of the fields.
pub(super) struct Fields<'n, 'a> {
    fields: std::slice::Iter<'static, &'static str>,
    entries: &'n [Entry<'a>],
    current: Option<(&'static str, &'n Node<'a>)>,
}

impl<'n, 'a> Fields<'n, 'a> {
    pub(super) fn new(fields: &'static [&'static str], entries: &'n [Entry<'a>]) -> Self {
        Self { fields: fields.iter(), entries, current: None }
    }

    #[inline(never)]
    fn next(&mut self) -> Option<&'static str> {
        self.current = self.fields.find_map(|field| Some((*field, node::get(self.entries, field)?)));
        self.current.map(|(field, _)| field)
    }
}

impl<'de> MapAccess<'de> for Fields<'_, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.next().map(|field| seed.deserialize(name_of(field))).transpose()
    }

    /// One copy for each type, not for each field.
    #[inline(never)]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let (field, node) = self.current.ok_or_else(out_of_order)?;
        seed.deserialize(Decoder(node)).map_err(|error| error.within(field))
    }
}

#[cold]
#[inline(never)]
fn out_of_order() -> Fault {
    Fault::custom("a value was asked for before its key")
}

/// A variant of an enumeration: a text, or an object with its name as the only key.
pub(super) struct Variant<'n, 'a> {
    name: &'n str,
    content: Option<Decoder<'n, 'a>>,
}

impl<'n, 'a> Variant<'n, 'a> {
    pub(super) fn new(name: &'n str, content: Option<Decoder<'n, 'a>>) -> Self {
        Self { name, content }
    }

    fn content(self, expected: &dyn Expected) -> Result<Decoder<'n, 'a>, Fault> {
        self.content.ok_or_else(|| mismatch("type", Unexpected::Str(self.name), expected))
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        Ok((seed.deserialize(name_of(self.name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.content {
            None | Some(Decoder(Node::Null)) => Ok(()),
            Some(content) => Err(content.unexpected(&"a variant without content").within(self.name)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let name = self.name;
        seed.deserialize(self.content(&"a variant with content")?).map_err(|error| error.within(name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        let name = self.name;
        self.content(&"a variant with content")?.deserialize_seq(visitor).map_err(|error| error.within(name))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        let name = self.name;
        let content = self.content(&"a variant with content")?;
        content.deserialize_struct("", fields, visitor).map_err(|error| error.within(name))
    }
}
