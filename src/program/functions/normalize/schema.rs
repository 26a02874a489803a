//! What the description of fields says of each field of a record, as a tree to walk beside the record.

use std::{collections::HashMap, sync::LazyLock};

use vrl::{
    prelude::Field as KindField,
    value::{Kind, kind::Collection},
};

use super::codes::{Codes, codes_of};
use crate::fields::{Field, Shape, Type, fields};

/// Below which field of an event the record lies.
const RECORD: &str = "o365.audit";

/// The fields of an object by name.
pub(super) type Names = HashMap<&'static str, Rule>;

/// What a field is.
#[derive(Debug)]
pub(super) enum Rule {
    One(Leaf),
    Many(Leaf),
    OneOrMany(Leaf),
    Object(Names),
    Objects(Names),
    Pairs,
    Changes,
}

/// What a value without fields of its own is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    pub(super) field_type: Type,
    /// For a number that stands for a name: the names.
    pub(super) codes: Option<&'static Codes>,
}

/// The fields of a record.
pub(super) fn record() -> &'static Names {
    static FIELDS: LazyLock<Names> = LazyLock::new(|| names_below(RECORD, fields()));
    &FIELDS
}

/// The rules of the fields right below `parent`; `fields` holds all that lies below it.
fn names_below(parent: &str, fields: &'static [Field]) -> Names {
    let below = |field: &'static Field| field.name.strip_prefix(parent)?.strip_prefix('.');
    let mut names = Names::new();
    for field in fields {
        if let Some(name) = below(field).filter(|name| !name.contains('.')) {
            names.insert(name, rule(field, fields));
        }
    }
    names
}

fn rule(field: &'static Field, fields: &'static [Field]) -> Rule {
    let leaf = Leaf { field_type: field.field_type, codes: codes_of(&field.name) };
    let names = || {
        let start = fields.partition_point(|other| other.name <= field.name);
        let rest = fields.get(start..).unwrap_or_default();
        // What lies below a field follows it in the order of names, among others whose names start like it.
        let end = rest.partition_point(|other| other.name.starts_with(&field.name));
        names_below(&field.name, rest.get(..end).unwrap_or_default())
    };
    match field.shape {
        Shape::Scalar => Rule::One(leaf),
        Shape::Array => Rule::Many(leaf),
        Shape::Any => Rule::OneOrMany(leaf),
        Shape::Object | Shape::Json => Rule::Object(names()),
        Shape::Objects => Rule::Objects(names()),
        Shape::Pairs => Rule::Pairs,
        Shape::Changes => Rule::Changes,
    }
}

/// The fields whose kinds programs are told of.
const TOLD: [&str; 5] = ["CreationTime", "Id", "Operation", "RecordType", "Workload"];

/// The kinds of a normal record, of a few of its fields.
///
/// For every argument of every call that it compiles, VRL compares all it knows of an event with what it knew before:
/// to tell it of a hundred fields takes ten seconds, and programs read most of them through functions of ours, which
/// take anything.
pub(super) fn kinds() -> Collection<KindField> {
    let told = TOLD.iter().filter_map(|name| match record().get(name) {
        // A field that is not there reads as null, and `.x || ""` works with null alone.
        Some(Rule::One(leaf)) => Some((KindField::from(*name), leaf.kind().or_null())),
        _ => None,
    });
    Collection::from_parts(told.collect(), Kind::any())
}

impl Leaf {
    fn kind(self) -> Kind {
        match self.field_type {
            Type::Boolean => Kind::boolean(),
            Type::Code | Type::Long => Kind::integer(),
            Type::Float => Kind::float(),
            Type::ConstantKeyword
            | Type::Date
            | Type::Flattened
            | Type::GeoPoint
            | Type::Ip
            | Type::Keyword
            | Type::MatchOnlyText
            | Type::Object
            | Type::Wildcard => Kind::bytes(),
        }
    }
}
