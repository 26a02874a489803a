//! A dead letter as one line of JSON.
//!
//! Invariant: what is written can be read back whole, whatever bytes the letter holds. A line begins with `{` and holds no
//! line feed; [`SETTLED`] takes the place of its first byte when its letter is settled.

use base64::{Engine, engine::general_purpose::STANDARD};
use pipeline_core::{DeadLetter, LetterKind, Timestamp};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use vrl::value::Value;

/// What a line begins with whose letter was delivered or discarded.
pub(super) const SETTLED: u8 = b'#';

/// Appends a letter, its line feed included.
pub(super) fn write(letter: &DeadLetter, out: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *out, &Line::of(letter))?;
    out.push(b'\n');
    Ok(())
}

/// A letter as it was read.
#[derive(Debug, Deserialize)]
pub struct StoredLetter {
    /// When the event was given up.
    pub time: Timestamp,
    /// The component that did.
    pub component_id: String,
    /// Why, in one word; empty in a letter of a version that had none.
    #[serde(default)]
    pub kind: String,
    /// Why.
    pub reason: String,
    /// Where the event came from.
    #[serde(default)]
    pub origin: String,
    /// The event's metadata, where it was kept.
    #[serde(default)]
    pub metadata: Option<Value>,
    /// The event.
    event: Option<Box<RawValue>>,
    /// What never was one.
    record: Option<String>,
    record_base64: Option<String>,
}

impl StoredLetter {
    /// Reads a line, with its line feed or without.
    pub(super) fn parse(line: &[u8]) -> serde_json::Result<StoredLetter> {
        serde_json::from_slice(line)
    }

    /// The event or record, as it was.
    pub fn payload(&self) -> Vec<u8> {
        let bytes = self.record_base64.as_deref().and_then(|text| STANDARD.decode(text).ok());
        let event = self.event.as_deref().map(|event| event.get().as_bytes().to_vec());
        let record = self.record.as_deref().map(|record| record.as_bytes().to_vec());
        bytes.or(event).or(record).unwrap_or_default()
    }

    /// The kind, if it is one that this version knows.
    pub fn known_kind(&self) -> Option<LetterKind> {
        LetterKind::of_name(&self.kind)
    }
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(serialize_with = "rfc3339")]
    time: Timestamp,
    component_id: &'a str,
    kind: &'static str,
    reason: &'a str,
    origin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Value>,
    #[serde(flatten)]
    payload: Payload<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case", untagged)]
enum Payload<'a> {
    Event { event: &'a RawValue },
    Text { record: &'a str },
    Bytes { record: String, record_base64: String },
}

impl<'a> Line<'a> {
    fn of(letter: &'a DeadLetter) -> Line<'a> {
        Line {
            time: letter.time,
            component_id: &letter.component_id,
            kind: letter.kind.as_str(),
            reason: &letter.reason,
            origin: &letter.origin,
            metadata: letter.metadata.as_ref(),
            payload: Payload::of(&letter.payload),
        }
    }
}

impl<'a> Payload<'a> {
    fn of(bytes: &'a [u8]) -> Payload<'a> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            let record = String::from_utf8_lossy(bytes).into_owned();
            return Payload::Bytes { record, record_base64: STANDARD.encode(bytes) };
        };
        // A record with line feeds between its fields would take several lines: it is kept as text.
        let is_one_line = memchr::memchr2(b'\n', b'\r', bytes).is_none();
        if is_one_line
            && text.starts_with('{')
            && let Ok(event) = serde_json::from_str(text)
        {
            return Payload::Event { event };
        }
        Payload::Text { record: text }
    }
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
}
