//! Events and bytes by record type and operation.

use std::{collections::HashMap, fmt};

use pipeline_core::Event;
use serde_json::{Value as Json, json};
use vrl::value::Value;

use crate::program::tables::Tables;

/// Pairs of record type and operation that are told apart. What more there is counts as one.
const GROUPS_MAX: usize = 10_000;

const TITLES: [&str; 9] = [
    "RECORD TYPE",
    "OPERATION",
    "EVENTS",
    "KEPT",
    "DROPPED",
    "FAILED",
    "BYTES",
    "BYTES KEPT",
    "KEPT %",
];

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// This many bytes are left of it.
    Kept { bytes: usize },
    /// Nothing is left of it.
    Dropped,
    /// It could not be told.
    Failed,
}

impl Fate {
    /// Of a record of which these events are left.
    pub(super) fn of(events: &[Event]) -> Fate {
        if events.is_empty() {
            return Fate::Dropped;
        }
        let mut json = Vec::new();
        for event in events {
            event.write_json(&mut json);
        }
        Fate::Kept { bytes: json.len() }
    }
}

/// Record type and operation.
pub(super) type Key = (String, String);

/// The group that a record belongs to.
pub(super) fn key(record: &Value, tables: &Tables) -> Key {
    let text = |name: &str| match record.as_object().and_then(|fields| fields.get(name)) {
        Some(Value::Integer(number)) if name == "RecordType" => tables.record_type_name(*number),
        Some(value @ (Value::Bytes(_) | Value::String(_))) => value.to_string_lossy().into_owned(),
        Some(value) => value.to_string(),
        None => "-".to_owned(),
    };
    (text("RecordType"), text("Operation"))
}

/// What is counted of a group.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    events: u64,
    kept: u64,
    failed: u64,
    bytes: u64,
    bytes_kept: u64,
}

impl Group {
    fn add(&mut self, bytes: usize, fate: Fate) {
        self.events += 1;
        self.bytes += bytes as u64;
        match fate {
            Fate::Kept { bytes } => {
                self.kept += 1;
                self.bytes_kept += bytes as u64;
            }
            Fate::Dropped => {}
            Fate::Failed => self.failed += 1,
        }
    }

    fn dropped(&self) -> u64 {
        self.events - self.kept - self.failed
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    fn percent(&self) -> f64 {
        if self.bytes == 0 { 0.0 } else { 100.0 * self.bytes_kept as f64 / self.bytes as f64 }
    }

    fn json(&self) -> Json {
        json!({
            "events": self.events, "kept": self.kept, "dropped": self.dropped(),
            "failed": self.failed, "bytes": self.bytes, "bytes_kept": self.bytes_kept,
            "bytes_kept_percent": (self.percent() * 10.0).round() / 10.0,
        })
    }

    fn cells(&self, (record_type, operation): &Key) -> [String; 9] {
        [
            record_type.clone(),
            operation.clone(),
            self.events.to_string(),
            self.kept.to_string(),
            self.dropped().to_string(),
            self.failed.to_string(),
            self.bytes.to_string(),
            self.bytes_kept.to_string(),
            format!("{:.1}", self.percent()),
        ]
    }
}

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: HashMap<Key, Group>,
    total: Group,
}

impl Groups {
    pub(super) fn add(&mut self, mut key: Key, bytes: usize, fate: Fate) {
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&key) {
            key = ("(others)".to_owned(), "-".to_owned());
        }
        self.groups.entry(key).or_default().add(bytes, fate);
        self.total.add(bytes, fate);
    }

    /// The groups, those with the most bytes first.
    fn sorted(&self) -> Vec<(&Key, &Group)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by(|one, other| (other.1.bytes, one.0).cmp(&(one.1.bytes, other.0)));
        groups
    }

    pub(super) fn json(&self) -> Json {
        let row = |((record_type, operation), group): (&Key, &Group)| {
            let mut row = group.json();
            row["record_type"] = json!(record_type);
            row["operation"] = json!(operation);
            row
        };
        let groups: Vec<Json> = self.sorted().into_iter().map(row).collect();
        json!({ "groups": groups, "total": self.total.json() })
    }
}

impl fmt::Display for Groups {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![TITLES.map(str::to_owned)];
        rows.extend(self.sorted().into_iter().map(|(key, group)| group.cells(key)));
        rows.push(self.total.cells(&("total".to_owned(), String::new())));
        let width = |column: usize| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let widths: [usize; 9] = std::array::from_fn(width);
        for (number, row) in rows.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Names to the left, figures to the right.
                let cell = if column < 2 {
                    format!("{cell:<width$}  ")
                } else {
                    format!("{cell:>width$}  ")
                };
                line.push_str(&cell);
            }
            let end = if number + 1 < rows.len() { "\n" } else { "" };
            write!(formatter, "{}{end}", line.trim_end())?;
        }
        Ok(())
    }
}
