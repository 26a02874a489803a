//! A record as a line.

use std::fmt::Write;

use chrono::SecondsFormat;
use pipeline_core::Timestamp;
use serde_json::{Map, Value};
use tracing::Level;

use super::record::Record;

/// How a line is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Renderer {
    /// For people: time, level, message, fields.
    Text { in_colour: bool },
    /// As a JSON object.
    Json,
}

const RESET: &str = "\u{1b}[0m";
const DIM: &str = "\u{1b}[2m";

impl Renderer {
    /// The line, without a line feed. `repeated` is how many more of its kind it stands for.
    pub(super) fn render(self, record: &Record, at: Timestamp, repeated: Option<u64>) -> String {
        let time = at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let level = record.level.as_str();
        let place = &record.place;
        let places = [
            ("component_id", &place.component_id),
            ("tenant", &place.tenant),
            ("content_type", &place.content_type),
        ];
        let places = places.into_iter().filter_map(|(name, value)| {
            value.as_ref().map(|value| (name, Value::from(value.as_str())))
        });
        let repeated = repeated.map(|repeated| ("repeated", Value::from(repeated)));
        let fields = places.chain(record.fields.iter().cloned()).chain(repeated);
        match self {
            Renderer::Json => {
                let mut object = Map::new();
                let head = [("timestamp", time), ("level", level.to_owned())];
                for (name, value) in head {
                    object.insert(name.to_owned(), value.into());
                }
                object.insert("message".to_owned(), record.message.clone().into());
                for (name, value) in fields {
                    object.insert(name.to_owned(), value);
                }
                Value::Object(object).to_string()
            }
            Renderer::Text { in_colour } => {
                let (dim, colour, reset) =
                    if in_colour { (DIM, colour(record.level), RESET) } else { ("", "", "") };
                let mut line = format!("{dim}{time}{reset} {colour}{level:>5}{reset} ");
                line.push_str(&printable(&record.message));
                for (name, value) in fields {
                    write!(line, " {dim}{name}={reset}{}", shown(&value))
                        .expect("a String takes all that is written to it");
                }
                line
            }
        }
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        Level::DEBUG => "\u{1b}[34m",
        Level::TRACE => "\u{1b}[35m",
    }
}

/// A value in a line of text: quoted where it could be taken for more than one.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        other => printable(&other.to_string()),
    }
}

fn is_plain(text: &str) -> bool {
    let is_plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
    !text.is_empty()
        && text.chars().all(|letter| is_plain(letter) && !matches!(letter, '"' | '=' | '\\'))
}

/// The text with nothing in it that moves a terminal's cursor or ends the line.
fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
        shown
    })
}
