//! Which index an event goes to.
//!
//! A name with a date takes it from the event, never from the clock: an event that is sent again tomorrow must meet its
//! first copy, or it is stored twice. So an event without the date can't be sent.

use chrono::{
    DateTime, NaiveDateTime, Utc,
    format::{Item, ParseError, StrftimeItems},
};
use pipeline_core::Event;
use vrl::{path::OwnedValuePath, value::Value};

/// The longest name that Elasticsearch takes.
const NAME_BYTES_MAX: usize = 255;

/// An index's name, or how to make it of an event.
#[derive(Clone, Debug)]
pub(super) enum IndexName {
    Fixed(String),
    Dated { pattern: Vec<Item<'static>>, timestamp_field: OwnedValuePath },
}

impl IndexName {
    /// Reads a name that may hold `strftime` specifiers.
    pub(super) fn parse(
        pattern: &str,
        timestamp_field: &OwnedValuePath,
    ) -> Result<IndexName, ParseError> {
        let items = StrftimeItems::new(pattern).parse_to_owned()?;
        let is_text = |item: &Item<'_>| {
            matches!(
                item,
                Item::OwnedLiteral(_) | Item::Literal(_) | Item::OwnedSpace(_) | Item::Space(_)
            )
        };
        Ok(if items.iter().all(is_text) {
            IndexName::Fixed(DateTime::UNIX_EPOCH.format_with_items(items.iter()).to_string())
        } else {
            IndexName::Dated { pattern: items, timestamp_field: timestamp_field.clone() }
        })
    }

    /// Appends the name of the index for `event`, or says why there is none.
    pub(super) fn write(&self, event: &Event, name: &mut String) -> Result<(), String> {
        use std::fmt::Write;
        match self {
            IndexName::Fixed(fixed) => name.push_str(fixed),
            IndexName::Dated { pattern, timestamp_field } => {
                let Some(time) = event.at(timestamp_field).and_then(time_of) else {
                    return Err(format!(
                        "the event has no date in `{timestamp_field}` to choose its index by"
                    ));
                };
                write!(name, "{}", time.format_with_items(pattern.iter()))
                    .map_err(|_| "the event's date does not fit the index name".to_owned())?;
            }
        }
        Ok(())
    }
}

fn time_of(value: &Value) -> Option<DateTime<Utc>> {
    if let Value::Timestamp(time) = value {
        return Some(*time);
    }
    let text = value.to_str_lossy()?;
    // Microsoft leaves the zone out; it is UTC.
    DateTime::parse_from_rfc3339(&text)
        .map(|time| time.to_utc())
        .or_else(|_| text.parse::<NaiveDateTime>().map(|time| time.and_utc()))
        .ok()
}

/// What Elasticsearch would say against a name of an index, if anything.
pub(super) fn name_problem(name: &str) -> Option<&'static str> {
    let is_forbidden = |char: char| {
        matches!(char, '\\' | '/' | '*' | '?' | '"' | '<' | '>' | '|' | ' ' | ',' | '#' | ':')
    };
    if name.is_empty() {
        Some("it is empty")
    } else if name.chars().any(char::is_uppercase) {
        Some("it has upper-case letters")
    } else if name.chars().any(is_forbidden) {
        Some("it has one of the characters \\ / * ? \" < > | , # : or a space")
    } else if name.starts_with(['-', '_', '+', '.']) {
        Some("it begins with one of - _ + .")
    } else if name.len() > NAME_BYTES_MAX {
        Some("it is longer than 255 bytes")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use pipeline_core::testing::batch;
    use vrl::path::parse_value_path;

    use super::*;

    fn check(pattern: &str, record: &str, expected: &str) {
        let field = parse_value_path("time").expect("a path");
        let index = IndexName::parse(pattern, &field).expect("a pattern");
        let (events, _receipt) = batch(&[record]);
        let mut name = String::new();
        let written = index.write(&events.events()[0], &mut name);
        assert_eq!(written.map_or_else(|reason| reason, |()| name), expected);
    }

    #[test]
    fn the_date_is_the_events_own() {
        check("o365", "{}", "o365");
        check("o365-%Y.%m.%d", r#"{"time":"2026-01-02T23:30:00Z"}"#, "o365-2026.01.02");
        check("o365-%Y.%m.%d", r#"{"time":"2026-01-02T23:30:00.5-02:00"}"#, "o365-2026.01.03");
        check("o365-%Y.%m", r#"{"time":"2026-01-02T23:30:00"}"#, "o365-2026.01");
        let missing = "the event has no date in `time` to choose its index by";
        check("o365-%Y", "{}", missing);
        check("o365-%Y", r#"{"time":"yesterday"}"#, missing);
        check("o365-%Y", r#"{"time":5}"#, missing);
    }

    #[test]
    fn a_specifier_that_does_not_exist_is_an_error() {
        IndexName::parse("o365-%Q", &OwnedValuePath::root()).expect_err("no such specifier");
    }

    #[test]
    fn names_that_the_server_would_refuse_are_known() {
        for name in ["", "Upper", "a b", "a,b", "-a", "_a", &"a".repeat(256)] {
            assert!(name_problem(name).is_some(), "{name}");
        }
        for name in ["o365", "logs-o365.audit-default", "o365-2026.01.02"] {
            assert_eq!(name_problem(name), None);
        }
    }
}
