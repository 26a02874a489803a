//! What one log line says, field by field.

use std::{collections::BTreeMap, error::Error, fmt};

use serde::Serialize;
use tracing::{
    Event,
    field::{Field, Visit},
};

/// Bytes of one text. An answer of a server can be quoted in an error.
const TEXT_BYTES_MAX: usize = 4_000;

/// Fields that are kept besides those which all lines have.
const FIELDS_MAX: usize = 16;

/// A line of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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
    pub fields: BTreeMap<&'static str, String>,
}

impl Record {
    pub(super) fn of(event: &Event<'_>) -> Record {
        let mut record = Record::default();
        event.record(&mut record);
        record
    }

    /// Whether both say the same of the same, whatever the error.
    pub(super) fn is_again(&self, other: &Record) -> bool {
        self.message == other.message
            && self.component_id == other.component_id
            && self.tenant == other.tenant
            && self.content_type == other.content_type
    }

    fn set(&mut self, field: &Field, text: &str) {
        let text = text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned();
        match field.name() {
            "message" => self.message = text,
            "component_id" => self.component_id = Some(text),
            "tenant" => self.tenant = Some(text),
            "content_type" => self.content_type = Some(text),
            "error" => self.error = Some(text),
            "fix" => self.fix = Some(text),
            name if self.fields.len() < FIELDS_MAX => {
                self.fields.insert(name, text);
            }
            _ => {}
        }
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let (mut text, mut cause) = (value.to_string(), value.source());
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.set(field, &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, &format!("{value:?}"));
    }
}
