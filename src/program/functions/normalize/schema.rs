//! What the description of fields says of each field of a record, as a tree to walk beside the record.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

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

/// The fields that all records share, which sinks and other programs can ask for.
const SHARED: [&str; 12] = [
    "ClientIP",
    "CreationTime",
    "Id",
    "ObjectId",
    "Operation",
    "OrganizationId",
    "RecordType",
    "ResultStatus",
    "UserId",
    "UserKey",
    "UserType",
    "Workload",
];

/// The kinds of a normal record: of the fields that `program` reads below `audit`, and of those that all records share.
///
/// VRL copies what it knows of an event several times with every expression that it compiles. To tell it of a thousand
/// fields, or of what lies within some, would make that take many seconds.
pub(super) fn kinds(program: &str) -> Collection<KindField> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let read = program.split(".audit.").skip(1);
    let mut named: HashSet<&str> = read.filter_map(|rest| rest.split(|letter| !is_word(letter)).next()).collect();
    named.extend(SHARED);
    let asked = record().iter().filter(|(name, _)| named.contains(*name));
    let known = asked.filter_map(|(name, rule)| Some((KindField::from(*name), kind_of(rule)?)));
    Collection::from_parts(known.collect(), Kind::any())
}

/// The kind of a field that holds values; nothing of one that holds other fields.
fn kind_of(rule: &Rule) -> Option<Kind> {
    let array = |kind: Kind| Kind::array(Collection::from_unknown(kind));
    let kind = match rule {
        Rule::One(leaf) => leaf.kind(),
        Rule::Many(leaf) => array(leaf.kind()),
        Rule::OneOrMany(leaf) => leaf.kind().union(array(leaf.kind())),
        Rule::Object(_) | Rule::Objects(_) | Rule::Pairs | Rule::Changes => return None,
    };
    // A field that is not there reads as null, and `.x || ""` works with null alone.
    Some(kind.or_null())
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
