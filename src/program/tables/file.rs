//! A table out of a CSV file: its columns, and its rows in memory.
//!
//! Invariant: a row has a value for each column, and of the column's kind; a file that cannot give that is refused as a
//! whole. Cells are text unless a column was given a type; an empty cell of such a column is null.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use vrl::{
    compiler::{TimeZone, conversion::Conversion},
    value::{KeyString, Kind, Value, kind::Collection},
};

use crate::config::fault::nearest;

/// Mistakes that are told of one file. One is often made in every row.
const MISTAKES_MAX: usize = 20;

/// How a file is to be read.
#[derive(Clone, Debug)]
pub struct FileTableSettings<'a> {
    /// What stands between two cells.
    pub delimiter: u8,
    /// Whether the first line names the columns. Without, they are called by their numbers, from 0.
    pub has_header: bool,
    /// The types of columns, as the user wrote them.
    pub schema: &'a BTreeMap<String, String>,
}

/// What is wrong with a file, or with the types that its columns were given.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowMistake {
    /// Text that is no CSV, or not UTF-8.
    #[error("line {line}: {message}")]
    Unreadable {
        /// Where.
        line: u64,
        /// What the reader said.
        message: String,
    },
    /// A line has more or fewer cells than there are columns.
    #[error("line {line} has {found} cells, and there are {wanted} columns")]
    Ragged {
        /// Where.
        line: u64,
        /// How many there are.
        found: usize,
        /// How many there should be.
        wanted: usize,
    },
    /// A name that two columns have.
    #[error("there are two columns `{0}`")]
    DuplicateColumn(String),
    /// A cell that is not what its column was said to be. Its text is not shown, for it might be a secret.
    #[error("line {line}: the cell in the column `{column}` is no {kind}")]
    WrongType {
        /// Where.
        line: u64,
        /// In which column.
        column: String,
        /// What it should be.
        kind: String,
    },
    /// A type for a column that is not there.
    #[error("there is no column `{column}`")]
    NoColumn {
        /// The name as written.
        column: String,
        /// What it was probably meant to be.
        meant: Option<String>,
    },
    /// A type that there is not.
    #[error("there is no type `{written}`")]
    NoType {
        /// The column.
        column: String,
        /// The type as written.
        written: String,
    },
    /// A file without a line.
    #[error("the file is empty")]
    Empty,
}

/// A table of rows.
#[derive(Debug)]
pub struct FileTable {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
    /// Where each row begins in the file.
    lines: Vec<u64>,
}

#[derive(Debug)]
struct Column {
    name: KeyString,
    of: ColumnType,
}

/// What the cells of a column are.
#[derive(Debug)]
enum ColumnType {
    Text,
    /// A date without a time, in chrono's notation.
    Date(String),
    /// One of the conversions that VRL knows by name.
    Other(Conversion),
}

impl ColumnType {
    /// Reads a type as Vector's users write it: `integer`, `timestamp|%F %T`, `date`.
    fn parse(written: &str) -> Option<ColumnType> {
        let (name, format) = match written.split_once('|') {
            Some((name, format)) => (name.trim(), Some(format.trim())),
            None => (written.trim(), None),
        };
        if name == "date" {
            return Some(ColumnType::Date(format.unwrap_or("%Y-%m-%d").to_owned()));
        }
        // The machine's zone must not change a mapping.
        match Conversion::parse(written, utc()).ok()? {
            Conversion::Bytes => Some(ColumnType::Text),
            other => Some(ColumnType::Other(other)),
        }
    }

    /// The kind of a cell that is not empty.
    fn kind(&self) -> Kind {
        match self {
            ColumnType::Text | ColumnType::Other(Conversion::Bytes) => Kind::bytes(),
            ColumnType::Other(Conversion::Integer) => Kind::integer(),
            ColumnType::Other(Conversion::Float) => Kind::float(),
            ColumnType::Other(Conversion::Boolean) => Kind::boolean(),
            ColumnType::Date(_)
            | ColumnType::Other(
                Conversion::Timestamp(_)
                | Conversion::TimestampFmt(..)
                | Conversion::TimestampTzFmt(_),
            ) => Kind::timestamp(),
        }
    }

    /// Whether an empty cell is null.
    fn has_null(&self) -> bool {
        !matches!(self, ColumnType::Text)
    }

    /// The value of a cell; nothing where it is of another type.
    fn read(&self, cell: &str) -> Option<Value> {
        match self {
            ColumnType::Text => Some(Value::from(cell)),
            _ if cell.trim().is_empty() => Some(Value::Null),
            ColumnType::Date(format) => {
                let date = NaiveDate::parse_from_str(cell, format).ok()?;
                Some(Value::Timestamp(date.and_hms_opt(0, 0, 0)?.and_utc()))
            }
            ColumnType::Other(conversion) => conversion.convert(cell.to_owned().into()).ok(),
        }
    }
}

fn utc() -> TimeZone {
    TimeZone::parse("UTC").unwrap_or_default()
}

impl FileTable {
    /// Reads a table out of the text of a file.
    ///
    /// # Errors
    /// All that is wrong with it, up to a limit.
    pub fn parse(
        text: &[u8],
        settings: &FileTableSettings<'_>,
    ) -> Result<FileTable, Vec<RowMistake>> {
        // Spreadsheets put a mark at the start, which would be part of the first column's name.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .delimiter(settings.delimiter)
            .flexible(true)
            .from_reader(text);
        let mut records = reader.records().enumerate().map(|(index, record)| {
            record.map_err(|error| RowMistake::Unreadable {
                line: error.position().map_or(index as u64 + 1, csv::Position::line),
                message: unreadable(&error),
            })
        });
        let first = match records.next() {
            Some(first) => first.map_err(|mistake| vec![mistake])?,
            None => return Err(vec![RowMistake::Empty]),
        };
        let names: Vec<String> = if settings.has_header {
            first.iter().map(|name| name.trim().to_owned()).collect()
        } else {
            (0..first.len()).map(|number| number.to_string()).collect()
        };
        let mut mistakes = Vec::new();
        let columns = columns(&names, settings.schema, &mut mistakes);
        let first_row = (!settings.has_header).then_some(Ok(first));
        let (mut rows, mut lines) = (Vec::new(), Vec::new());
        for record in first_row.into_iter().chain(records) {
            match record.and_then(|record| Ok((line(&record), row(&columns, &record)?))) {
                Ok((line, row)) => {
                    rows.push(row);
                    lines.push(line);
                }
                Err(mistake) => mistakes.push(mistake),
            }
            if mistakes.len() >= MISTAKES_MAX {
                break;
            }
        }
        if mistakes.is_empty() { Ok(FileTable { columns, rows, lines }) } else { Err(mistakes) }
    }

    /// The number of the column `name`.
    ///
    /// # Errors
    /// There is none: what to write instead.
    pub fn column(&self, name: &str) -> Result<usize, String> {
        let names = self.columns.iter().map(|column| column.name.as_str());
        names.clone().position(|column| column == name).ok_or_else(|| {
            match nearest(name, names.clone()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the columns are: {}", names.collect::<Vec<_>>().join(", ")),
            }
        })
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// The rows, each with a value for each column.
    pub fn rows(&self) -> &[Vec<Value>] {
        &self.rows
    }

    /// The line of the file in which a row begins.
    pub fn line(&self, row: usize) -> u64 {
        self.lines.get(row).copied().unwrap_or_default()
    }

    /// A row as an object with these columns.
    pub fn object(&self, row: usize, columns: &[usize]) -> Value {
        let cell = |&column: &usize| {
            let name = self.columns.get(column)?.name.clone();
            Some((name, self.rows.get(row)?.get(column)?.clone()))
        };
        Value::Object(columns.iter().filter_map(cell).collect())
    }

    /// The kind of such an object.
    pub fn kind(&self, columns: &[usize]) -> Collection<vrl::value::kind::Field> {
        let known = columns.iter().filter_map(|&column| self.columns.get(column));
        let kind = |of: &ColumnType| if of.has_null() { of.kind().or_null() } else { of.kind() };
        let known = known.map(|column| (column.name.as_str().into(), kind(&column.of))).collect();
        Collection::from_parts(known, Kind::undefined())
    }
}

/// The columns, each with its type.
fn columns(
    names: &[String],
    schema: &BTreeMap<String, String>,
    mistakes: &mut Vec<RowMistake>,
) -> Vec<Column> {
    for column in schema.keys().filter(|column| !names.contains(column)) {
        let meant = nearest(column, names.iter().map(String::as_str)).map(str::to_owned);
        mistakes.push(RowMistake::NoColumn { column: column.clone(), meant });
    }
    let mut seen = BTreeSet::new();
    let mut columns = Vec::new();
    for name in names {
        if !seen.insert(name) {
            mistakes.push(RowMistake::DuplicateColumn(name.clone()));
        }
        let written = schema.get(name).map_or("string", String::as_str);
        let of = ColumnType::parse(written).unwrap_or_else(|| {
            let (column, written) = (name.clone(), written.to_owned());
            mistakes.push(RowMistake::NoType { column, written });
            ColumnType::Text
        });
        columns.push(Column { name: name.as_str().into(), of });
    }
    columns
}

fn row(columns: &[Column], record: &csv::StringRecord) -> Result<Vec<Value>, RowMistake> {
    let line = line(record);
    if record.len() != columns.len() {
        let (found, wanted) = (record.len(), columns.len());
        return Err(RowMistake::Ragged { line, found, wanted });
    }
    let cell = |(column, cell): (&Column, &str)| {
        column.of.read(cell).ok_or_else(|| RowMistake::WrongType {
            line,
            column: column.name.to_string(),
            kind: column.of.kind().to_string(),
        })
    };
    columns.iter().zip(record).map(cell).collect()
}

/// The line in which a record begins.
fn line(record: &csv::StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn unreadable(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "the text is not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}
