//! `o365flow dead-letter list`: how many letters there are, whose, why, and since when.

use std::{collections::BTreeMap, fmt};

use clap::{Args, ValueEnum};
use pipeline_core::Timestamp;
use serde_json::{Value, json};

use super::{DeadLetterError, Which, shape::shape_of};
use crate::{
    cli::{Failure, rfc3339, say},
    delivery::{LetterReader, Selection, StoredLetter},
};

/// Reasons of one kind that are told apart. What more there is counts as one.
const SHAPES_MAX: usize = 1000;

/// Show how many letters there are, whose, why, and since when. Reasons can quote the events.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    which: Which,
    /// The letters themselves, one line of JSON each.
    #[arg(long, conflicts_with = "format")]
    events: bool,
    /// A table for people, or JSON.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
}

/// Component, kind and reason.
type Key = (String, String, String);

/// Letters with the same component, kind and shape of the reason.
#[derive(Clone, Copy, Debug)]
struct Group {
    letters: u64,
    bytes: u64,
    first: Timestamp,
    last: Timestamp,
}

/// Letters by why they were written.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<Key, Group>);

impl List {
    pub(super) fn execute(self, now: Timestamp) -> Result<(), Failure> {
        let selection = self.which.selection(now);
        let mut groups = Groups::default();
        read(&self.which, &selection, |letter, text| {
            if self.events {
                say(String::from_utf8_lossy(text));
            } else {
                groups.add(letter, text.len());
            }
        })?;
        match self.format {
            _ if self.events => {}
            Format::Table => say(&groups),
            Format::Json => say(groups.json()),
        }
        Ok(())
    }
}

/// Reads all letters that are meant.
pub(super) fn read(
    which: &Which,
    selection: &Selection,
    mut each: impl FnMut(StoredLetter, &[u8]),
) -> Result<(), Failure> {
    let (_, folder) = which.load()?;
    for file in which.files(&folder)? {
        let failed = |source| DeadLetterError::Read { path: file.path.clone(), source };
        let mut reader = match LetterReader::open(&file.path) {
            // Taken since the folder was listed.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            reader => reader.map_err(failed)?,
        };
        while let Some(line) = reader.next_line().map_err(failed)? {
            if let Some(letter) = line.letter
                && selection.has(&letter)
            {
                each(letter, &line.text);
            }
        }
    }
    Ok(())
}

impl Groups {
    pub(super) fn add(&mut self, letter: StoredLetter, bytes: usize) {
        let time = letter.time;
        let shape = shape_of(&letter.reason);
        let mut key = (letter.component_id, letter.kind, shape);
        if self.0.len() >= SHAPES_MAX && !self.0.contains_key(&key) {
            "(other reasons)".clone_into(&mut key.2);
        }
        let group =
            self.0.entry(key).or_insert(Group { letters: 0, bytes: 0, first: time, last: time });
        group.letters += 1;
        group.bytes += bytes as u64;
        group.first = group.first.min(time);
        group.last = group.last.max(time);
    }

    fn json(&self) -> Value {
        let row = |((component, kind, reason), group): (&Key, &Group)| {
            json!({
                "component_id": component, "kind": kind, "reason": reason,
                "letters": group.letters, "bytes": group.bytes,
                "first": rfc3339(group.first), "last": rfc3339(group.last),
            })
        };
        self.0.iter().map(row).collect()
    }
}

impl fmt::Display for Groups {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(formatter, "there are no dead letters");
        }
        let width = |texts: &mut dyn Iterator<Item = usize>, title: &str| {
            texts.chain([title.len()]).max().unwrap_or_default()
        };
        let [component, kind, letters] = ["COMPONENT", "KIND", "LETTERS"];
        let component_width = width(&mut self.0.keys().map(|key| key.0.chars().count()), component);
        let kind_width = width(&mut self.0.keys().map(|key| key.1.chars().count()), kind);
        write!(
            formatter,
            "{component:<component_width$}  {kind:<kind_width$}  {letters:>9}  {:<20}  {:<20}  REASON",
            "FIRST", "LAST"
        )?;
        for ((component, kind, reason), group) in &self.0 {
            write!(
                formatter,
                "\n{component:<component_width$}  {kind:<kind_width$}  {:>9}  {}  {}  {reason}",
                group.letters,
                rfc3339(group.first),
                rfc3339(group.last),
            )?;
        }
        Ok(())
    }
}
