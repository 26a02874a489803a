//! What the description of fields says of each field of a record, as a tree to walk beside the record.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    sync::LazyLock,
};

use vrl::{
    prelude::Field as KindField,
    value::{Kind, kind::Collection},
};

use super::{
    asked::asked,
    codes::{Codes, codes_of},
};
use crate::fields::{Field, Shape, Type, fields};

/// Below which field of an event the record lies.
const RECORD: &str = "o365.audit";

/// The fields of an object by name.
pub(super) type Names = HashMap<&'static str, Rule, BuildHasherDefault<NameHasher>>;

/// A quick hash of short names (FNV, eight bytes at a time). Only names of the description are ever put into a map, so
/// that nobody can make a map slow by names that collide.
#[derive(Debug, Default)]
pub(super) struct NameHasher(u64);

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.add(word.try_into().map_or(0, u64::from_le_bytes));
        }
        let mut last = [0; 8];
        let rest = words.remainder();
        last[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(last) ^ bytes.len() as u64);
    }

    fn write_u8(&mut self, _end_of_text: u8) {}

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

impl NameHasher {
    fn add(&mut self, word: u64) {
        const PRIME: u64 = 0x0100_0000_01b3;
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(PRIME << 21 | PRIME);
    }
}

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
    let mut names = Names::default();
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

/// The kinds of a normal record: of the fields that all records share, and of those that `program` asks for.
pub(super) fn kinds(program: &str) -> Collection<KindField> {
    let mut words = asked(program);
    words.extend(SHARED);
    kinds_of(record(), &words)
}

fn kinds_of(names: &Names, words: &HashSet<&str>) -> Collection<KindField> {
    let asked = names.iter().filter(|(name, _)| words.contains(*name));
    let known = asked.map(|(name, rule)| (KindField::from(*name), kind_of(rule)));
    Collection::from_parts(known.collect(), Kind::any())
}

fn kind_of(rule: &Rule) -> Kind {
    let array = |kind: Kind| Kind::array(Collection::from_unknown(kind));
    let kind = match rule {
        Rule::One(leaf) => leaf.kind(),
        Rule::Many(leaf) => array(leaf.kind()),
        Rule::OneOrMany(leaf) => leaf.kind().union(array(leaf.kind())),
        Rule::Object(_) => Kind::object(Collection::any()),
        Rule::Objects(_) => array(Kind::object(Collection::any())),
        Rule::Pairs => Kind::object(Collection::from_unknown(loose())),
        Rule::Changes => Kind::object(changes()),
    };
    // A field that is not there reads as null, and `.x || ""` works with null alone.
    kind.or_null()
}

/// The kind of values by name: text most often, and nothing that could be promised.
fn loose() -> Kind {
    Kind::any()
}

fn changes() -> Collection<KindField> {
    let change = Collection::any()
        .with_known("NewValue", loose().or_null())
        .with_known("OldValue", loose().or_null());
    let once_or_more = Kind::object(change).or_array(Collection::any());
    Collection::from_unknown(once_or_more)
        .with_known("_raw", loose().or_null())
        .with_known("_more", loose().or_null())
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
