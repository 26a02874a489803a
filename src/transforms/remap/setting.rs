//! What a user may set for a program: one string, number or boolean under each name.

use std::{borrow::Cow, fmt};

use pipeline_core::Problem;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use vrl::value::Value;

use crate::{config::fault::nearest, program::SettingMistake};

/// One setting.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Setting(pub(super) Value);

impl fmt::Debug for Setting {
    /// Shows no value: it may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Setting")
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Setting, D::Error> {
        deserializer.deserialize_any(Visitor).map(Setting)
    }
}

impl JsonSchema for Setting {
    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string, a number, `true` or `false`")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from_f64_or_zero(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }
}

/// What is wrong with a setting, at its key.
pub(super) fn problem(mistake: &SettingMistake) -> Problem {
    let problem = Problem::at(&format!("settings.{}", mistake.name()), mistake.to_string());
    let (name, known) = match mistake {
        SettingMistake::Unread { name, known } => (name, known),
        SettingMistake::NoChoice { given, choices, .. } => (given, choices),
        SettingMistake::WrongType { .. } => return problem,
    };
    problem.fix(match nearest(name.trim_matches('`'), known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "remove it: the program reads none".to_owned(),
        None => format!("there are: {}", known.join(", ")),
    })
}
