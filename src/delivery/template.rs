//! Names that are made of an event: of an index, a topic, a header.
//!
//! `{{ field.path }}` stands for a field of the event, `%Y`, `%m`, `%d` and the like for a part of its date. Both are the
//! event's own, never the clock's: an event that is sent again tomorrow must meet its first copy. An event that lacks
//! what its name is made of gets none, so that nothing lands under a name with a hole in it.

use std::fmt::Write;

use chrono::{
    DateTime, NaiveDateTime, Utc,
    format::{Item, StrftimeItems},
};
use pipeline_core::{Event, Need, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vrl::{
    path::{OwnedValuePath, parse_value_path},
    value::{Kind, Value},
};

/// A text with places for fields and dates.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Field(OwnedValuePath),
    Date(Vec<Item<'static>>),
}

/// Why a text is no [`Template`].
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Braces that nothing closes.
    #[error("there is a `{{{{` without its `}}}}`")]
    Unclosed,
    /// What stands between the braces.
    #[error("`{0}` is not the path of a field")]
    NoPath(String),
    /// A percent sign with the wrong letter behind it.
    #[error("there is a `%` that starts no known part of a date")]
    NoDate,
}

/// Why an event gets no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The field is not there, is null, or is empty.
    #[error("the event has nothing in `{field}` to make its {of} of")]
    Missing {
        /// The field.
        field: String,
        /// What the name is of, as `topic`.
        of: &'static str,
    },
    /// An object or an array is no part of a name.
    #[error("`{field}` of the event is no text to make its {of} of")]
    NoText {
        /// The field.
        field: String,
        /// What the name is of.
        of: &'static str,
    },
    /// The field of the date holds none.
    #[error("the event has no date in `{field}` to make its {of} of")]
    NoDate {
        /// The field.
        field: String,
        /// What the name is of.
        of: &'static str,
    },
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{{") {
            push_text(before, &mut pieces)?;
            let (inside, after) = behind.split_once("}}").ok_or(TemplateError::Unclosed)?;
            let path = inside.trim().trim_start_matches('.');
            let path = parse_value_path(path)
                .ok()
                .filter(|path| !path.is_root())
                .ok_or_else(|| TemplateError::NoPath(inside.trim().to_owned()))?;
            pieces.push(Piece::Field(path));
            rest = after;
        }
        push_text(rest, &mut pieces)?;
        Ok(Template { text: text.to_owned(), pieces })
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name, where it is the same for all events.
    pub fn fixed(&self) -> Option<&str> {
        match &*self.pieces {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether a part of it is a date.
    pub fn has_date(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Date(_)))
    }

    /// Whether a part of it is a field of the event.
    pub fn has_fields(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Field(_)))
    }

    /// The names that it can make, with `*` for any text: for each field, and for each date unless `date` says which.
    pub fn pattern(&self, date: Option<Timestamp>) -> String {
        let mut pattern = String::new();
        for piece in &self.pieces {
            match (piece, date) {
                (Piece::Text(text), _) => pattern.push_str(text),
                (Piece::Field(_), _) => pattern.push('*'),
                (Piece::Date(items), Some(date)) => {
                    // Writing to a string cannot fail; a specifier that no date has was refused before.
                    write!(pattern, "{}", date.format_with_items(items.iter())).unwrap_or_default();
                }
                (Piece::Date(items), None) => {
                    let is_date = |item: &Item<'_>| !is_text(item);
                    let first = items.iter().position(is_date).unwrap_or(items.len());
                    let last = items.iter().rposition(is_date).unwrap_or(items.len());
                    let text = |items: &[Item<'static>]| {
                        DateTime::UNIX_EPOCH.format_with_items(items.iter()).to_string()
                    };
                    pattern.push_str(&text(&items[..first]));
                    pattern.push('*');
                    pattern.push_str(&text(items.get(last + 1..).unwrap_or_default()));
                }
            }
        }
        pattern
    }

    /// The fields that an event must have, besides that of the date, for the option that holds the template.
    pub fn needs(&self, option: &'static str) -> Vec<Need> {
        let of_piece = |piece: &Piece| match piece {
            Piece::Field(path) => {
                let kind = Kind::bytes().or_integer().or_boolean();
                Some(Need { path: path.clone(), kind, option })
            }
            Piece::Text(_) | Piece::Date(_) => None,
        };
        self.pieces.iter().filter_map(of_piece).collect()
    }

    /// Appends what the template makes of `event`, whose date is in `date_field`. `of` says what it is, as `topic`.
    /// After an error, `out` holds a part of it.
    pub fn render(
        &self,
        event: &Event,
        date_field: &OwnedValuePath,
        of: &'static str,
        out: &mut String,
    ) -> Result<(), RenderError> {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Field(path) => push_field(event, path, of, out)?,
                Piece::Date(items) => {
                    let no_date = || RenderError::NoDate { field: date_field.to_string(), of };
                    let time = event.at(date_field).and_then(time_of).ok_or_else(no_date)?;
                    write!(out, "{}", time.format_with_items(items.iter()))
                        .map_err(|_| no_date())?;
                }
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Template, TemplateError> {
        Template::parse(&text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> String {
        template.text
    }
}

/// Adds a text without fields, which may hold parts of a date.
fn push_text(text: &str, pieces: &mut Vec<Piece>) -> Result<(), TemplateError> {
    if text.is_empty() {
        return Ok(());
    }
    let items = StrftimeItems::new(text).parse_to_owned().map_err(|_| TemplateError::NoDate)?;
    pieces.push(if items.iter().all(is_text) {
        Piece::Text(DateTime::UNIX_EPOCH.format_with_items(items.iter()).to_string())
    } else {
        Piece::Date(items)
    });
    Ok(())
}

/// Whether this part of a date's format stands for itself.
fn is_text(item: &Item<'_>) -> bool {
    matches!(item, Item::OwnedLiteral(_) | Item::Literal(_) | Item::OwnedSpace(_) | Item::Space(_))
}

fn push_field(
    event: &Event,
    path: &OwnedValuePath,
    of: &'static str,
    out: &mut String,
) -> Result<(), RenderError> {
    let field = || path.to_string();
    let before = out.len();
    match event.at(path) {
        None | Some(Value::Null) => {}
        Some(text @ (Value::Bytes(_) | Value::String(_))) => {
            out.push_str(&text.to_str_lossy().unwrap_or_default());
        }
        Some(Value::Integer(number)) => out.push_str(&number.to_string()),
        Some(Value::Boolean(is)) => out.push_str(if *is { "true" } else { "false" }),
        Some(_) => return Err(RenderError::NoText { field: field(), of }),
    }
    if out.len() == before {
        return Err(RenderError::Missing { field: field(), of });
    }
    Ok(())
}

/// The date that a value is or holds as text.
pub fn time_of(value: &Value) -> Option<DateTime<Utc>> {
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

#[cfg(test)]
mod tests {
    use pipeline_core::testing::batch;

    use super::*;

    fn check(template: &str, record: &str, expected: &str) {
        let field = parse_value_path("time").expect("a path");
        let template = Template::parse(template).expect("a template");
        let (events, _receipt) = batch(&[record]);
        let mut name = String::new();
        let rendered = template.render(&events.events()[0], &field, "name", &mut name);
        assert_eq!(rendered.map_or_else(|error| error.to_string(), |()| name), expected);
    }

    #[test]
    fn fields_are_the_events_own() {
        check("o365", "{}", "o365");
        check("{{ a.b }}", r#"{"a":{"b":"x"}}"#, "x");
        check(
            "o365-{{.a.b}}-{{ n }}{{ is }}",
            r#"{"a":{"b":"x"},"n":7,"is":true}"#,
            "o365-x-7true",
        );
        let missing = "the event has nothing in `a.b` to make its name of";
        check("o365-{{ a.b }}", r#"{"a":"x"}"#, missing);
        check("o365-{{ a.b }}", r#"{"a":{"b":null}}"#, missing);
        check("o365-{{ a.b }}", r#"{"a":{"b":""}}"#, missing);
        check("{{ a }}", r#"{"a":{}}"#, "`a` of the event is no text to make its name of");
    }

    #[test]
    fn dates_are_the_events_own() {
        check("o365-%Y.%m.%d", r#"{"time":"2026-01-02T23:30:00Z"}"#, "o365-2026.01.02");
        check("o365-%Y.%m.%d", r#"{"time":"2026-01-02T23:30:00.5-02:00"}"#, "o365-2026.01.03");
        check("o365-%Y.%m", r#"{"time":"2026-01-02T23:30:00"}"#, "o365-2026.01");
        check("{{ a }}-%Y-{{ a }}", r#"{"a":"%m","time":"2026-01-02T23:30:00"}"#, "%m-2026-%m");
        check("100%% {{ a }}", r#"{"a":"x"}"#, "100% x");
        let missing = "the event has no date in `time` to make its name of";
        check("o365-%Y", "{}", missing);
        check("o365-%Y", r#"{"time":"yesterday"}"#, missing);
        check("o365-%Y", r#"{"time":5}"#, missing);
    }

    #[test]
    fn what_is_no_template_is_an_error() {
        for text in ["{{ a", "{{ }}", "{{}}", "{{ a b }}", "o365-%Q"] {
            Template::parse(text).expect_err(text);
        }
    }

    #[test]
    fn a_pattern_stands_for_all_names() {
        let day = DateTime::from_timestamp(1_700_000_000, 0);
        for (template, pattern, of_a_day) in [
            ("o365", "o365", "o365"),
            ("o365-%Y.%m.%d", "o365-*", "o365-2023.11.14"),
            ("o365-%Y.%m-x", "o365-*-x", "o365-2023.11-x"),
            ("o365-{{ a }}-%Y", "o365-*-*", "o365-*-2023"),
        ] {
            let template = Template::parse(template).expect("a template");
            assert_eq!(template.pattern(None), pattern);
            assert_eq!(template.pattern(day), of_a_day);
        }
    }

    #[test]
    fn a_name_without_places_is_fixed_and_fields_are_needs() {
        let template = Template::parse("o365").expect("a template");
        assert_eq!((template.fixed(), template.needs("topic")), (Some("o365"), vec![]));
        let template = Template::parse("o365-{{ a.b }}-%Y").expect("a template");
        assert_eq!((template.fixed(), template.has_date()), (None, true));
        let needs = template.needs("topic");
        assert_eq!(needs.len(), 1);
        assert_eq!(needs[0].path, parse_value_path("a.b").expect("a path"));
    }
}
