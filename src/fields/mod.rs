//! The one description of the fields of a mapped event: `vrl/ecs/fields.csv`, read for all who build on it.
//!
//! The normaliser takes from it what type a field of a record has, the index template what to map it as, the field
//! reference what it means. So they cannot disagree. Nothing here knows what any of them does with it.

mod read;

use std::{fmt, sync::LazyLock};

pub use read::{ReadError, read};

/// What the binary was built with.
const BUILT_IN: &str = include_str!("../../vrl/ecs/fields.csv");

/// One field, as one row describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The full path with dots: `o365.audit.Operation`, `source.ip`.
    pub name: String,
    /// What its values are.
    pub field_type: Type,
    /// How they stand in an event.
    pub shape: Shape,
    /// One sentence for users.
    pub description: String,
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// True or false.
    Boolean,
    /// A number that stands for a name, such as the type of a record: an integer in an event, and a keyword in the
    /// index, where it is searched for as text and as a number, and never added up.
    Code,
    /// Text that is the same in every document of an index.
    ConstantKeyword,
    /// A time, as text in ISO 8601.
    Date,
    /// An object in which every value is searched as a keyword, and which takes up one field of the index.
    Flattened,
    /// A number.
    Float,
    /// A place on earth.
    GeoPoint,
    /// An address without a port.
    Ip,
    /// Text that is searched as a whole.
    Keyword,
    /// A whole number.
    Long,
    /// Text that is searched by its words, of any length.
    MatchOnlyText,
    /// Nothing but a place for other fields.
    Object,
    /// Text that is searched by any part of it.
    Wildcard,
}

impl Type {
    /// Every type.
    pub const ALL: [Type; 13] = [
        Type::Boolean,
        Type::Code,
        Type::ConstantKeyword,
        Type::Date,
        Type::Flattened,
        Type::Float,
        Type::GeoPoint,
        Type::Ip,
        Type::Keyword,
        Type::Long,
        Type::MatchOnlyText,
        Type::Object,
        Type::Wildcard,
    ];

    /// The word for it in the description.
    pub fn name(self) -> &'static str {
        match self {
            Type::Code => "code",
            indexed => indexed.index_type(),
        }
    }

    /// What an index maps it as.
    pub fn index_type(self) -> &'static str {
        match self {
            Type::Boolean => "boolean",
            Type::Code | Type::Keyword => "keyword",
            Type::ConstantKeyword => "constant_keyword",
            Type::Date => "date",
            Type::Flattened => "flattened",
            Type::Float => "float",
            Type::GeoPoint => "geo_point",
            Type::Ip => "ip",
            Type::Long => "long",
            Type::MatchOnlyText => "match_only_text",
            Type::Object => "object",
            Type::Wildcard => "wildcard",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How the values of a field stand in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// One value or an array of them, as the record has it.
    Any,
    /// An array of values.
    Array,
    /// An object of changed properties by name, each with its `NewValue` and `OldValue`.
    Changes,
    /// An object that the record holds as JSON text.
    Json,
    /// An object.
    Object,
    /// An array of objects.
    Objects,
    /// An object of values by name, which the record holds as an array of names and values.
    Pairs,
    /// One value.
    Scalar,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Shape; 8] = [
        Shape::Any,
        Shape::Array,
        Shape::Changes,
        Shape::Json,
        Shape::Object,
        Shape::Objects,
        Shape::Pairs,
        Shape::Scalar,
    ];

    /// The word for it in the description.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Any => "any",
            Shape::Array => "array",
            Shape::Changes => "changes",
            Shape::Json => "json",
            Shape::Object => "object",
            Shape::Objects => "objects",
            Shape::Pairs => "pairs",
            Shape::Scalar => "scalar",
        }
    }

    /// Whether the field has no value of its own, but those of other fields below it.
    pub fn is_container(self) -> bool {
        match self {
            Shape::Changes | Shape::Json | Shape::Object | Shape::Objects | Shape::Pairs => true,
            Shape::Any | Shape::Array | Shape::Scalar => false,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Every field of a mapped event, in the order of their names.
pub fn fields() -> &'static [Field] {
    static FIELDS: LazyLock<Vec<Field>> =
        LazyLock::new(|| read(BUILT_IN).expect("a test reads the description in the binary"));
    &FIELDS
}

/// The field of this full name.
pub fn field(name: &str) -> Option<&'static Field> {
    let fields = fields();
    let at = fields.binary_search_by(|field| field.name.as_str().cmp(name)).ok()?;
    fields.get(at)
}

/// The fields that an index maps, each on its own: all but those that lie in a `flattened` one, which maps them.
pub fn mapped_fields() -> impl Iterator<Item = &'static Field> {
    fields().iter().filter(|field| !is_in_flattened(&field.name))
}

fn is_in_flattened(name: &str) -> bool {
    let mut parents = name.match_indices('.').filter_map(|(at, _)| field(name.get(..at)?));
    parents.any(|parent| parent.field_type == Type::Flattened)
}

#[cfg(test)]
mod tests;
