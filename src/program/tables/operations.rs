//! What kind of thing an operation is: the rows of `operations.csv`, found by the operation, the record type and the
//! workload of a record.
//!
//! The most specific row holds: one that names the operation comes before one that names its beginning (`New-*`), the
//! longer beginning first, before one for any operation; among those, one that names the record type, then one that names
//! the workload. Of two that are equally specific, the later.
//!
//! Invariant: each value of a row is one that ECS allows.

use std::collections::HashMap;

use vrl::value::{ObjectMap, Value};

use super::FileTable;
use crate::config::fault::nearest;

/// What ECS allows in `event.kind`.
const KINDS: &[&str] =
    &["alert", "asset", "enrichment", "event", "metric", "state", "pipeline_error", "signal"];

/// What ECS allows in `event.category`.
const CATEGORIES: &[&str] = &[
    "api",
    "authentication",
    "configuration",
    "database",
    "driver",
    "email",
    "file",
    "host",
    "iam",
    "intrusion_detection",
    "library",
    "malware",
    "network",
    "package",
    "process",
    "registry",
    "session",
    "threat",
    "vulnerability",
    "web",
];

/// What ECS allows in `event.type`.
const TYPES: &[&str] = &[
    "access",
    "admin",
    "allowed",
    "change",
    "connection",
    "creation",
    "deletion",
    "denied",
    "device",
    "end",
    "error",
    "group",
    "indicator",
    "info",
    "installation",
    "protocol",
    "start",
    "user",
];

/// What ECS allows in `event.outcome`.
const OUTCOMES: &[&str] = &["success", "failure", "unknown"];

/// A table of rows that is not one of this kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongRow {
    /// A column that has to be there.
    #[error("there is no column `{0}`")]
    NoColumn(&'static str),
    /// A value that ECS does not allow.
    #[error("line {line}: `{value}` is no value of `event.{column}`")]
    NotAllowed {
        /// Where.
        line: u64,
        /// In which column.
        column: &'static str,
        /// The value.
        value: String,
        /// What it was probably meant to be.
        meant: Option<&'static str>,
    },
    /// A number that is none.
    #[error("line {line}: `{value}` is no whole number")]
    NoNumber {
        /// Where.
        line: u64,
        /// What stands there.
        value: String,
    },
}

/// The rows, by operation.
#[derive(Debug, Default)]
pub struct Operations {
    exact: HashMap<String, Vec<Row>>,
    /// By their first byte, the longest first.
    beginnings: HashMap<u8, Vec<(String, Vec<Row>)>>,
    any: Vec<Row>,
}

/// A row without its operation. Lists of them begin with the most specific.
#[derive(Debug)]
struct Row {
    record_type: String,
    workload: String,
    answer: Value,
}

impl Row {
    fn fits(&self, record_type: &str, workload: &str) -> bool {
        let fits = |own: &str, given: &str| own.is_empty() || own == given;
        fits(&self.record_type, record_type) && fits(&self.workload, workload)
    }

    fn specificity(&self) -> (bool, bool) {
        (!self.record_type.is_empty(), !self.workload.is_empty())
    }
}

impl Operations {
    /// Reads the rows of `table`, which has a column `operation`, and as many of the others as the user cares for.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn new(table: &FileTable) -> Result<Operations, Vec<WrongRow>> {
        if table.column("operation").is_err() {
            return Err(vec![WrongRow::NoColumn("operation")]);
        }
        let mut operations = Operations::default();
        let mut mistakes = Vec::new();
        // Later rows first, so that of two that are equally specific the later is found.
        for row in (0..table.rows().len()).rev() {
            let cell = |column: &str| text(table, row, column);
            let answer = answer(table.line(row), cell, &mut mistakes);
            let own = Row { record_type: cell("record_type"), workload: cell("workload"), answer };
            operations.add(&cell("operation"), own);
        }
        operations.sort();
        mistakes.reverse();
        if mistakes.is_empty() { Ok(operations) } else { Err(mistakes) }
    }

    /// What the most specific row that fits says.
    pub(in crate::program) fn find(
        &self,
        operation: &str,
        record_type: &str,
        workload: &str,
    ) -> Option<&Value> {
        let first = |rows: &'_ [Row]| rows.iter().position(|row| row.fits(record_type, workload));
        let in_rows = |rows| first(rows).map(|at: usize| (rows, at));
        let exact = self.exact.get(operation).and_then(|rows| in_rows(rows));
        let found = exact.or_else(|| {
            let alike = self.beginnings.get(operation.as_bytes().first()?)?;
            let mut fitting = alike.iter().filter(|(start, _)| operation.starts_with(start));
            fitting.find_map(|(_, rows)| in_rows(rows))
        });
        let (rows, at) = found.or_else(|| in_rows(&self.any))?;
        rows.get(at).map(|row| &row.answer)
    }

    fn add(&mut self, operation: &str, row: Row) {
        match operation.strip_suffix('*') {
            _ if operation.is_empty() => self.any.push(row),
            None => self.exact.entry(operation.to_owned()).or_default().push(row),
            Some(start) => match start.as_bytes().first() {
                None => self.any.push(row),
                Some(first) => {
                    let alike = self.beginnings.entry(*first).or_default();
                    match alike.iter_mut().find(|(known, _)| known == start) {
                        Some((_, rows)) => rows.push(row),
                        None => alike.push((start.to_owned(), vec![row])),
                    }
                }
            },
        }
    }

    /// Puts the most specific first; what is equally specific keeps its order.
    fn sort(&mut self) {
        let beginnings = self.beginnings.values_mut().flatten().map(|(_, rows)| rows);
        for rows in self.exact.values_mut().chain(beginnings).chain([&mut self.any]) {
            rows.sort_by_key(|row| std::cmp::Reverse(row.specificity()));
        }
        for alike in self.beginnings.values_mut() {
            alike.sort_by_key(|(start, _)| std::cmp::Reverse(start.len()));
        }
    }
}

/// What a row says, with what is usual where it says nothing.
fn answer(line: u64, cell: impl Fn(&str) -> String, mistakes: &mut Vec<WrongRow>) -> Value {
    let mut list = |column: &'static str, allowed: &'static [&'static str], usual: &str| {
        let written = cell(column);
        let written = if written.is_empty() { usual } else { &written };
        let mut values: Vec<Value> = Vec::new();
        for value in written.split('|').map(str::trim).filter(|value| !value.is_empty()) {
            if !allowed.contains(&value) {
                let meant = nearest(value, allowed.iter().copied());
                let meant = allowed.iter().copied().find(|known| Some(*known) == meant);
                let value = value.to_owned();
                mistakes.push(WrongRow::NotAllowed { line, column, value, meant });
            } else if !values.contains(&Value::from(value)) {
                values.push(Value::from(value));
            }
        }
        values
    };
    let mut one = |column, allowed, usual| {
        list(column, allowed, usual).into_iter().next().unwrap_or_else(|| Value::from(usual))
    };
    let (kind, outcome) = (one("kind", KINDS, "event"), one("outcome", OUTCOMES, "unknown"));
    Value::Object(ObjectMap::from([
        ("kind".into(), kind),
        ("category".into(), Value::Array(list("category", CATEGORIES, ""))),
        ("type".into(), Value::Array(list("type", TYPES, ""))),
        ("outcome".into(), outcome),
    ]))
}

/// The text of a cell; empty where there is no such column.
pub(super) fn text(table: &FileTable, row: usize, column: &str) -> String {
    let column = table.column(column).ok();
    let cell = column.and_then(|column| table.rows().get(row)?.get(column));
    match cell {
        None | Some(Value::Null) => String::new(),
        Some(value) => value.to_string_lossy().trim().to_owned(),
    }
}
