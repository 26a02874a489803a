//! The tree as serde reads it: what is known to be wrong is left out, what is known to be missing is made up.

use std::cell::RefCell;

use serde::{
    de::{
        self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
        VariantAccess, Visitor,
    },
    forward_to_deserialize_any,
};

use super::{
    Notes,
    mistake::{Mistake, ReadError},
    stand_in::StandIn,
};
use crate::config::tree::{Node, Table, Value};

/// Reads one node.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) node: &'a Node,
    pub(super) notes: &'a RefCell<Notes>,
}

impl<'a> Reader<'a> {
    fn is_wrong(self) -> bool {
        self.notes.borrow().wrong.contains(&self.node.span)
    }

    fn table(self, table: &'a Table) -> TableReader<'a> {
        let missing = &self.notes.borrow().missing;
        let stand_ins =
            missing.iter().filter(|(at, _)| at == &self.node.span).map(|(_, key)| *key).collect();
        TableReader { reader: self, table, next: 0, value: None, stand_ins }
    }
}

impl<'de, 'a: 'de> Deserializer<'de> for Reader<'a> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let read = match &self.node.value {
            Value::String(text) if !self.node.variables.is_empty() => {
                let expected = (&visitor as &dyn de::Expected).to_string();
                visitor.visit_str(text).map_err(|error: ReadError| error.expecting(&expected))
            }
            Value::String(text) | Value::Datetime(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Array(items) => visitor.visit_seq(ArrayReader { reader: self, items, next: 0 }),
            Value::Table(table) => visitor.visit_map(self.table(table)),
        };
        read.map_err(|error| error.or_at(self.node))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self).map_err(|error| error.or_at(self.node))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let read = match &self.node.value {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Table(Table(entries)) if entries.len() == 1 => visitor.visit_enum(EnumReader {
                name: &entries[0].key,
                value: Reader { node: &entries[0].node, ..self },
            }),
            _ => Err(de::Error::custom("expected a name")),
        };
        read.map_err(|error: ReadError| error.or_at(self.node))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

/// Reads the entries of a table that are not known to be wrong, and stand-ins for those that are missing.
struct TableReader<'a> {
    reader: Reader<'a>,
    table: &'a Table,
    next: usize,
    value: Option<&'a Node>,
    stand_ins: Vec<&'static str>,
}

impl<'de, 'a: 'de> MapAccess<'de> for TableReader<'a> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        while let Some(entry) = self.table.0.get(self.next) {
            self.next += 1;
            if (Reader { node: &entry.node, ..self.reader }).is_wrong() {
                continue;
            }
            self.value = Some(&entry.node);
            return seed.deserialize(entry.key.as_str().into_deserializer()).map(Some);
        }
        self.value = None;
        match self.stand_ins.pop() {
            Some(key) => seed.deserialize(key.into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        match self.value {
            // A value can also be refused after it was read, as by `try_from`.
            Some(node) => {
                seed.deserialize(Reader { node, ..self.reader }).map_err(|error| error.or_at(node))
            }
            None => seed.deserialize(StandIn).map_err(|_| ReadError::new(Mistake::InStandIn)),
        }
    }
}

struct ArrayReader<'a> {
    reader: Reader<'a>,
    items: &'a [Node],
    next: usize,
}

impl<'de, 'a: 'de> SeqAccess<'de> for ArrayReader<'a> {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ReadError> {
        while let Some(node) = self.items.get(self.next) {
            self.next += 1;
            let reader = Reader { node, ..self.reader };
            if !reader.is_wrong() {
                return seed.deserialize(reader).map(Some).map_err(|error| error.or_at(node));
            }
        }
        Ok(None)
    }
}

struct EnumReader<'a> {
    name: &'a str,
    value: Reader<'a>,
}

impl<'de, 'a: 'de> EnumAccess<'de> for EnumReader<'a> {
    type Error = ReadError;
    type Variant = Reader<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Reader<'a>), ReadError> {
        Ok((seed.deserialize(self.name.into_deserializer())?, self.value))
    }
}

impl<'de, 'a: 'de> VariantAccess<'de> for Reader<'a> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Err(de::Error::custom("expected a name, not a table"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ReadError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_any(visitor)
    }
}
