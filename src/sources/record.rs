//! Audit records, wherever they come from: what is checked of each, and what a program may take for granted.
//!
//! Invariant: what [`kind`] declares is true of every record that [`parse`] lets through. `Id` and `CreationTime` are
//! checked; of the other fields Microsoft's own tables are not right often enough, so they are any JSON, or absent.

use std::{borrow::Cow, collections::BTreeMap};

use pipeline_core::Record;
use vrl::{
    path::{OwnedSegment, OwnedValuePath},
    value::{
        Kind, ObjectMap, Value,
        kind::{Collection, Field},
    },
};

/// The fields of Microsoft's common schema besides `Id` and `CreationTime`.
const COMMON_FIELDS: [&str; 13] = [
    "AppAccessContext",
    "ClientIP",
    "ObjectId",
    "Operation",
    "OrganizationId",
    "RecordType",
    "ResultStatus",
    "Scope",
    "UserId",
    "UserKey",
    "UserType",
    "Version",
    "Workload",
];

/// What a record is.
pub(super) fn kind() -> Kind {
    let mut known: BTreeMap<Field, Kind> = COMMON_FIELDS
        .iter()
        .map(|name| (Field::from(*name), Kind::json().or_undefined()))
        .collect();
    known.insert("Id".into(), Kind::bytes());
    known.insert("CreationTime".into(), Kind::bytes());
    Kind::object(Collection::from_parts(known, Kind::any()))
}

/// What an event is that has a record at `path`.
pub(super) fn mounted_kind(path: &OwnedValuePath) -> Kind {
    path.segments.iter().rev().fold(kind(), |kind, segment| match segment {
        OwnedSegment::Field(name) => {
            let known = BTreeMap::from([(Field::from(name.as_str()), kind)]);
            Kind::object(Collection::from_parts(known, Kind::undefined()))
        }
        // Refused as a problem of the configuration before any event is made.
        OwnedSegment::Index(_) => kind,
    })
}

/// Reads a JSON object; the error says what is wrong with it.
pub(super) fn parse_object(bytes: &[u8]) -> Result<Record, String> {
    Record::read(bytes).map_err(|error| format!("record is {error}"))
}

/// Reads a record and checks what [`kind`] promises; the error says what is wrong with it.
pub(super) fn parse(bytes: &[u8]) -> Result<Record, String> {
    let record = parse_object(bytes)?;
    check(record.value())?;
    Ok(record)
}

/// Checks what [`kind`] promises.
pub(super) fn check(value: &Value) -> Result<(), String> {
    let Value::Object(fields) = value else { return Err("record is not an object".to_owned()) };
    if string(fields, "Id")?.is_empty() {
        return Err("record has an empty `Id`".to_owned());
    }
    string(fields, "CreationTime").map(drop)
}

/// The `Id` of a record that was checked.
pub(super) fn id(record: &Value) -> Cow<'_, str> {
    let fields = record.as_object();
    fields.and_then(|fields| string(fields, "Id").ok()).unwrap_or_default()
}

fn string<'a>(fields: &'a ObjectMap, name: &str) -> Result<Cow<'a, str>, String> {
    let value = fields.get(name).ok_or_else(|| format!("record has no `{name}`"))?;
    // Nothing is lost here: what was read from JSON is UTF-8.
    value.to_str_lossy().ok_or_else(|| format!("`{name}` of the record is not a string"))
}
