//! What one log line says, as it is kept.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::telemetry::logs::record::Record as Line;

/// Bytes of one text. An answer of a server can be quoted in an error.
const TEXT_BYTES_MAX: usize = 4_000;

/// Fields that are kept besides those which all lines have.
const FIELDS_MAX: usize = 16;

/// A line of the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Record {
    /// The component that it concerns.
    pub component_id: Option<String>,
    /// The tenant, by name.
    pub tenant: Option<String>,
    /// The content type.
    pub content_type: Option<String>,
    /// What is said.
    pub message: String,
    /// The error and its causes.
    pub error: Option<String>,
    /// What to do about it.
    pub fix: Option<String>,
    /// What else there is.
    pub fields: BTreeMap<&'static str, Value>,
}

impl Record {
    /// Whether both say the same of the same, whatever the error.
    pub(super) fn is_again(&self, other: &Record) -> bool {
        self.message == other.message
            && self.component_id == other.component_id
            && self.tenant == other.tenant
            && self.content_type == other.content_type
    }
}

impl From<Line> for Record {
    fn from(line: Line) -> Record {
        let mut record = Record {
            component_id: line.place.component_id.map(cut),
            tenant: line.place.tenant.map(cut),
            content_type: line.place.content_type.map(cut),
            message: cut(line.message),
            ..Record::default()
        };
        for (name, value) in line.fields {
            match (name, value) {
                ("error", Value::String(text)) => record.error = Some(cut(text)),
                ("fix", Value::String(text)) => record.fix = Some(cut(text)),
                (name, value) if record.fields.len() < FIELDS_MAX => {
                    let value = match value {
                        Value::String(text) => cut(text).into(),
                        value => value,
                    };
                    record.fields.insert(name, value);
                }
                _ => {}
            }
        }
        record
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}
