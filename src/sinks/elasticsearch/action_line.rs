//! The line of a `_bulk` request that says what to do with the document below it.

use std::borrow::Cow;

use pipeline_core::Event;
use vrl::{path::OwnedValuePath, value::Value};

use super::{
    destination::{Destination, NameError},
    target::{Action, VersionType},
};
use crate::delivery::{RenderError, Template, time_of};

/// The longest `_id` that Elasticsearch takes. A longer one would make it refuse the whole request.
const ID_BYTES_MAX: usize = 512;

/// How the line is made of an event.
#[derive(Debug)]
pub(super) struct ActionLine {
    pub destination: Destination,
    pub action: Action,
    /// None: the server makes ids.
    pub id_field: Option<OwnedValuePath>,
    /// None: the server counts.
    pub version: Option<(OwnedValuePath, VersionType)>,
    /// An ingest pipeline that depends on the event.
    pub pipeline: Option<Template>,
}

/// Why an event can't be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum ActionError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Pipeline(#[from] RenderError),
    #[error("the event has no text or number in `{field}` to be its `_id`")]
    NoId { field: OwnedValuePath },
    #[error("`{field}` has {bytes} bytes, but an `_id` has 1 to {ID_BYTES_MAX}")]
    IdLength { field: OwnedValuePath, bytes: usize },
    #[error("the event has no whole number from 0 or date in `{field}` to be its version")]
    NoVersion { field: OwnedValuePath },
}

impl ActionLine {
    /// Appends the line for `event`, with its line feed, or says why it can't be sent; `out` then holds a part of it.
    /// `scratch` is space to work in.
    pub(super) fn write(
        &self,
        event: &Event,
        scratch: &mut String,
        out: &mut Vec<u8>,
    ) -> Result<(), ActionError> {
        scratch.clear();
        self.destination.write(event, scratch)?;
        out.extend_from_slice(match self.action {
            Action::Create => b"{\"create\":{\"_index\":",
            Action::Index => b"{\"index\":{\"_index\":",
        });
        write_string(scratch, out);
        if let Some(field) = &self.id_field {
            out.extend_from_slice(b",\"_id\":");
            write_string(&id_of(event, field)?, out);
        }
        if let Some((field, version_type)) = &self.version {
            let version = event
                .at(field)
                .and_then(version_of)
                .ok_or_else(|| ActionError::NoVersion { field: field.clone() })?;
            out.extend_from_slice(b",\"version\":");
            out.extend_from_slice(version.to_string().as_bytes());
            out.extend_from_slice(b",\"version_type\":");
            write_string(version_type.as_str(), out);
        }
        if let Some(pipeline) = &self.pipeline {
            scratch.clear();
            pipeline.render(event, &self.destination.date_field, "pipeline", scratch)?;
            out.extend_from_slice(b",\"pipeline\":");
            write_string(scratch, out);
        }
        out.extend_from_slice(b"}}\n");
        Ok(())
    }
}

fn id_of<'a>(event: &'a Event, field: &OwnedValuePath) -> Result<Cow<'a, str>, ActionError> {
    let id = event.at(field).and_then(text_of);
    let id = id.ok_or_else(|| ActionError::NoId { field: field.clone() })?;
    if id.is_empty() || id.len() > ID_BYTES_MAX {
        return Err(ActionError::IdLength { field: field.clone(), bytes: id.len() });
    }
    Ok(id)
}

/// A version as the server takes it; of a date, the milliseconds since 1970.
fn version_of(value: &Value) -> Option<i64> {
    let version = match value {
        Value::Integer(number) => *number,
        _ => time_of(value)?.timestamp_millis(),
    };
    (version >= 0).then_some(version)
}

/// Appends a JSON string.
fn write_string(text: &str, out: &mut Vec<u8>) {
    // Text always has a JSON form, and a Vec takes all that is written to it.
    serde_json::to_writer(out, text).expect("text is written to memory as JSON");
}

/// A scalar as text; nothing of anything else.
fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    Some(match value {
        Value::Bytes(_) | Value::String(_) => value.to_str_lossy()?,
        Value::Integer(number) => number.to_string().into(),
        Value::Float(number) => number.to_string().into(),
        Value::Boolean(truth) => truth.to_string().into(),
        Value::Timestamp(time) => time.to_rfc3339().into(),
        Value::Regex(_) | Value::Object(_) | Value::Array(_) | Value::Null => return None,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use pipeline_core::testing::batch;
    use vrl::path::parse_value_path;

    use super::{super::destination::Target, *};

    /// Writes to `index` with `time` and `id` as the fields of date and id.
    pub(in super::super) fn action_line(index: &str, action: Action) -> ActionLine {
        let path = |text| parse_value_path(text).expect("a path");
        let index = Template::parse(index).expect("an index");
        ActionLine {
            destination: Destination { target: Target::Index(index), date_field: path("time") },
            action,
            id_field: Some(path("id")),
            version: None,
            pipeline: None,
        }
    }

    fn check(line: &ActionLine, record: &str, expected: &str) {
        let (events, _receipt) = batch(&[record]);
        let (mut scratch, mut out) = (String::new(), Vec::new());
        let written = line.write(&events.events()[0], &mut scratch, &mut out);
        let out = String::from_utf8(out).expect("text");
        let shown = written.map_or_else(|error| error.to_string(), |()| out.trim_end().to_owned());
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_id_is_a_scalar_of_the_event() {
        let line = action_line("o365-%Y", Action::Create);
        check(
            &line,
            r#"{"id":"a\"b","time":"2026-01-01T00:00:00"}"#,
            r#"{"create":{"_index":"o365-2026","_id":"a\"b"}}"#,
        );
        let line = action_line("o365", Action::Create);
        check(&line, r#"{"id":7}"#, r#"{"create":{"_index":"o365","_id":"7"}}"#);
        let missing = "the event has no text or number in `id` to be its `_id`";
        for record in ["{}", r#"{"id":null}"#, r#"{"id":{}}"#] {
            check(&line, record, missing);
        }
        check(&line, r#"{"id":""}"#, "`id` has 0 bytes, but an `_id` has 1 to 512");
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(513));
        check(&line, &long, "`id` has 513 bytes, but an `_id` has 1 to 512");
    }

    #[test]
    fn without_an_id_field_the_server_makes_ids() {
        let line = ActionLine { id_field: None, ..action_line("o365", Action::Index) };
        check(&line, "{}", r#"{"index":{"_index":"o365"}}"#);
    }

    #[test]
    fn a_version_is_a_number_or_a_date() {
        let version = Some((parse_value_path("v").expect("a path"), VersionType::ExternalGte));
        let line = ActionLine { version, ..action_line("o365", Action::Index) };
        for (value, version) in [("5", "5"), (r#""1970-01-01T00:00:01Z""#, "1000")] {
            check(
                &line,
                &format!(r#"{{"id":1,"v":{value}}}"#),
                &format!(
                    r#"{{"index":{{"_index":"o365","_id":"1","version":{version},"version_type":"external_gte"}}}}"#
                ),
            );
        }
        for value in ["-1", "\"x\"", "null", "1.5"] {
            check(
                &line,
                &format!(r#"{{"id":1,"v":{value}}}"#),
                "the event has no whole number from 0 or date in `v` to be its version",
            );
        }
    }

    #[test]
    fn a_pipeline_can_be_the_events_own() {
        let pipeline = Some(Template::parse("o365-{{ p }}").expect("a template"));
        let line = ActionLine { pipeline, ..action_line("o365", Action::Create) };
        check(
            &line,
            r#"{"id":1,"p":"x\"y"}"#,
            r#"{"create":{"_index":"o365","_id":"1","pipeline":"o365-x\"y"}}"#,
        );
        check(&line, r#"{"id":1}"#, "the event has nothing in `p` to make its pipeline of");
    }
}
