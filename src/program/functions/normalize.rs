//! `normalize_record`: a raw audit record as a tree whose fields have one type for ever.

use vrl::prelude::*;

use super::{call::call, pairs::flatten_pairs};

/// `normalize_record(value)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct NormalizeRecord;

/// Fields that are text where they are there at all.
const TEXT: &[&str] = &[
    "ActorIpAddress",
    "ApplicationId",
    "ClientIP",
    "ClientIPAddress",
    "ClientInfoString",
    "CreationTime",
    "Id",
    "LogonError",
    "MailboxOwnerUPN",
    "ObjectId",
    "Operation",
    "OrganizationId",
    "OrganizationName",
    "OriginatingServer",
    "ResultStatus",
    "SiteUrl",
    "SourceFileExtension",
    "SourceFileName",
    "SourceRelativeUrl",
    "TeamName",
    "UserAgent",
    "UserId",
    "UserKey",
    "Workload",
];

/// Fields that are whole numbers.
const NUMBERS: &[&str] = &["LogonType", "RecordType", "UserType", "Version"];

/// Arrays of names and values that become objects.
const PAIRS: &[&str] = &["ExtendedProperties", "ModifiedProperties", "Parameters"];

impl Function for NormalizeRecord {
    fn identifier(&self) -> &'static str {
        "normalize_record"
    }

    fn summary(&self) -> &'static str {
        "a record whose fields have one type for ever"
    }

    fn usage(&self) -> &'static str {
        "Gives an audit record with each known field in its one type."
    }

    fn category(&self) -> &'static str {
        Category::Object.as_ref()
    }

    fn return_kind(&self) -> u16 {
        kind::OBJECT
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[Parameter::required("value", kind::ANY, "The record.")];
        PARAMETERS
    }

    fn examples(&self) -> &'static [Example] {
        &[example! {
            title: "A number that came as text",
            source: r#"normalize_record({ "RecordType": "15" })"#,
            result: Ok(r#"{ "RecordType": 15 }"#),
        }]
    }

    fn compile(
        &self,
        _state: &TypeState,
        _context: &mut FunctionCompileContext,
        arguments: ArgumentList,
    ) -> Compiled {
        let mut record: Collection<Field> = Collection::any();
        let known = |names: &[&str], kind: &Kind, record: &mut Collection<Field>| {
            for name in names {
                record.known_mut().insert((*name).into(), kind.clone());
            }
        };
        known(TEXT, &Kind::bytes().or_undefined(), &mut record);
        known(NUMBERS, &Kind::integer().or_undefined(), &mut record);
        known(PAIRS, &Kind::object(Collection::any()).or_undefined(), &mut record);
        Ok(call(&arguments, normalize_record, TypeDef::object(record)))
    }
}

fn normalize_record(value: &Value) -> Value {
    let Some(fields) = value.as_object() else { return Value::Object(ObjectMap::new()) };
    let normal = |(name, value): (&KeyString, &Value)| {
        let value = match name.as_str() {
            name if TEXT.contains(&name) => Value::from(value.to_str_lossy()?.into_owned()),
            name if NUMBERS.contains(&name) => match value {
                Value::Integer(number) => Value::Integer(*number),
                other => Value::Integer(other.to_str()?.parse().ok()?),
            },
            name if PAIRS.contains(&name) => match flatten_pairs(value) {
                Value::Null => return None,
                object => object,
            },
            _ => value.clone(),
        };
        Some((name.clone(), value))
    };
    Value::Object(fields.iter().filter_map(normal).collect())
}
