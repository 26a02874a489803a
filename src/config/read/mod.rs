//! Reads a typed configuration out of a tree, and finds all of its mistakes rather than the first.
//!
//! Serde stops at the first error. So reading is repeated: what was wrong is noted and left out of the next try,
//! and what was missing is filled with a stand-in, until nothing new turns up. A configuration for which any fault
//! was noted is never used.

use std::{cell::RefCell, fmt};

use serde::{
    de::{
        self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer,
        MapAccess, SeqAccess, VariantAccess, Visitor,
    },
    forward_to_deserialize_any,
};

use super::{
    fault::{Fault, Span, nearest},
    tree::{Node, Table, Value},
};

/// More tries than a table has keys would be a loop.
const TRIES_MAX: usize = 200;

/// Reads a `T` from `node`, or notes in `faults` all that is in the way.
pub(super) fn read<T: DeserializeOwned>(node: &Node, faults: &mut Vec<Fault>) -> Option<T> {
    let faults_before = faults.len();
    let notes = RefCell::new(Notes::default());
    for _ in 0..TRIES_MAX {
        match T::deserialize(Reader { node, notes: &notes }) {
            Ok(config) if faults.len() == faults_before => return Some(config),
            Ok(_) => return None,
            Err(error) => {
                if !notes.borrow_mut().learn(error, node, faults) {
                    return None;
                }
            }
        }
    }
    None
}

/// What earlier tries have found out.
#[derive(Default)]
struct Notes {
    /// Places of values that are wrong, to be left out.
    wrong: Vec<Span>,
    /// Tables, by place, with keys that they lack.
    missing: Vec<(Span, &'static str)>,
}

impl Notes {
    /// Notes the error's cause. False when another try would not get further.
    fn learn(&mut self, error: ReadError, root: &Node, faults: &mut Vec<Fault>) -> bool {
        let at = error.at.unwrap_or_else(|| root.span.clone());
        match error.mistake {
            Mistake::InStandIn => false,
            Mistake::Missing(name) => {
                if self.missing.iter().any(|(table, key)| table == &at && *key == name) {
                    return false;
                }
                // A key that is there was left out because its value is wrong, which is noted already.
                let is_there = table_at(root, &at).is_some_and(|table| table.entry(name).is_some());
                if !is_there {
                    faults.push(
                        Fault::at(&at, format!("`{name}` is missing"))
                            .fix(format!("add `{name} = …`")),
                    );
                }
                self.missing.push((at, name));
                true
            }
            Mistake::Unknown { name, expected } => {
                let (span, fault) = unknown(&at, &name, expected, root);
                faults.push(fault);
                self.omit(span)
            }
            Mistake::Invalid(message) => {
                faults.push(Fault::at(&at, message));
                self.omit(at)
            }
        }
    }

    fn omit(&mut self, span: Span) -> bool {
        let is_new = !self.wrong.contains(&span);
        self.wrong.push(span);
        is_new
    }
}

/// The fault of a key that nobody knows, and the place of the value that it names.
fn unknown(at: &Span, name: &str, expected: &[&'static str], root: &Node) -> (Span, Fault) {
    let entry = table_at(root, at).and_then(|table| table.entry(name));
    let (key_span, value_span) =
        entry.map_or((at, at), |entry| (&entry.key_span, &entry.node.span));
    let fault = Fault::at(key_span, format!("unknown option `{name}`"));
    let fault = match nearest(name, expected.iter().copied()) {
        Some(meant) => fault.fix(format!("did you mean `{meant}`?")),
        None if expected.is_empty() => fault.fix("remove it: there are no options here"),
        None => fault.fix(format!("the options here are: {}", expected.join(", "))),
    };
    (value_span.clone(), fault)
}

fn table_at<'a>(node: &'a Node, span: &Span) -> Option<&'a Table> {
    match &node.value {
        Value::Table(table) if &node.span == span => Some(table),
        Value::Table(table) => table.0.iter().find_map(|entry| table_at(&entry.node, span)),
        Value::Array(items) => items.iter().find_map(|item| table_at(item, span)),
        _ => None,
    }
}

/// What serde says went wrong, with the place as soon as it is known.
#[derive(Debug)]
struct ReadError {
    at: Option<Span>,
    mistake: Mistake,
}

#[derive(Debug)]
enum Mistake {
    Unknown {
        name: String,
        expected: &'static [&'static str],
    },
    Missing(&'static str),
    Invalid(String),
    /// A stand-in did not satisfy the type that it stands for; nothing follows from that.
    InStandIn,
}

impl ReadError {
    fn new(mistake: Mistake) -> ReadError {
        ReadError { at: None, mistake }
    }

    /// The error as one of `node`, unless it is known to be one of something inside.
    fn or_at(mut self, node: &Node) -> ReadError {
        if self.at.is_none() {
            self.at = Some(node.span.clone());
            if let (Mistake::Invalid(message), Some(text), true) =
                (&mut self.mistake, node.as_str(), node.has_variable)
            {
                // What a variable holds may be a secret that ended up in the wrong place.
                *message = message.replace(text, "(value of a variable)");
            }
        }
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.mistake {
            Mistake::Unknown { name, .. } => write!(formatter, "unknown option `{name}`"),
            Mistake::Missing(name) => write!(formatter, "`{name}` is missing"),
            Mistake::Invalid(message) => formatter.write_str(message),
            Mistake::InStandIn => formatter.write_str("a stand-in for a missing value"),
        }
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> ReadError {
        ReadError::new(Mistake::Invalid(message.to_string()))
    }

    // What was found is named by its type alone: a value in the wrong place may be a secret.
    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> ReadError {
        de::Error::custom(format!("expected {expected}, found {}", type_name(&found)))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> ReadError {
        de::Error::custom(format!("expected {expected}, found another {}", type_name(&found)))
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> ReadError {
        ReadError::new(Mistake::Unknown { name: name.to_owned(), expected })
    }

    fn missing_field(name: &'static str) -> ReadError {
        ReadError::new(Mistake::Missing(name))
    }

    fn unknown_variant(name: &str, expected: &'static [&'static str]) -> ReadError {
        let message = format!("`{name}` is not one of: {}", expected.join(", "));
        ReadError::new(Mistake::Invalid(message))
    }
}

fn type_name(found: &de::Unexpected<'_>) -> &'static str {
    match found {
        de::Unexpected::Bool(_) => "boolean",
        de::Unexpected::Unsigned(_) | de::Unexpected::Signed(_) => "integer",
        de::Unexpected::Float(_) => "float",
        de::Unexpected::Seq => "array",
        de::Unexpected::Map => "table",
        de::Unexpected::Enum | de::Unexpected::UnitVariant => "name",
        _ => "string",
    }
}

/// Reads one node.
#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    notes: &'a RefCell<Notes>,
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
            Some(node) => seed.deserialize(Reader { node, ..self.reader }),
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
                return seed.deserialize(reader).map(Some);
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

macro_rules! stand_in_numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            visitor.visit_u8(1)
        }
    )*};
}

/// Something of whatever type is asked for, so that reading can go on behind a key that is missing.
struct StandIn;

impl<'de> Deserializer<'de> for StandIn {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_str("")
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_bool(false)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_none()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_seq(de::value::SeqDeserializer::new(std::iter::empty::<u8>()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_map(de::value::MapDeserializer::new(std::iter::empty::<(u8, u8)>()))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_enum(variants.first().copied().unwrap_or_default().into_deserializer())
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    stand_in_numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_f32 deserialize_f64
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests;
