//! From what the configuration declares to tables in memory. All that is wrong with all of them is found at once.

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use pipeline_core::Problem;

use super::{
    FileTable, FileTableSettings, GeoDatabase, GeoForm, Operations, RecordTypes, RowMistake, Table,
    Tables, WrongRow,
};
use crate::config::{EnrichmentTable, FileTableConfig};

/// Reads a file that the configuration names.
pub type ReadBytes<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// Loads the tables. Those with a mistake are [`Table::Unread`], and reported at their keys.
pub fn load(
    declared: &BTreeMap<String, EnrichmentTable>,
    read_bytes: ReadBytes<'_>,
) -> (Tables, Vec<Problem>) {
    let (mut tables, mut by_name) = (Tables::default(), BTreeMap::new());
    let mut problems = Vec::new();
    for (name, table) in declared {
        let below = |key: &str| format!("enrichment_tables.{name}.{key}");
        match load_one(table, read_bytes) {
            Ok(table) => {
                if let Table::Rows(rows) = &table {
                    let wrong = take_known(name, rows, &mut tables);
                    problems.extend(wrong.iter().map(|wrong| wrong_row(&below("path"), wrong)));
                }
                by_name.insert(name.clone(), table);
            }
            Err(found) => {
                by_name.insert(name.clone(), Table::Unread);
                problems.extend(found.into_iter().map(|(key, message, fix)| {
                    let problem = Problem::at(&below(&key), message);
                    fix.into_iter().fold(problem, Problem::fix)
                }));
            }
        }
    }
    tables.by_name = Arc::new(by_name);
    (tables, problems)
}

/// Takes what functions of ours look in besides: the tables of these names.
fn take_known(name: &str, rows: &FileTable, tables: &mut Tables) -> Vec<WrongRow> {
    let wrong = match name {
        "operations" => Operations::new(rows).map(|read| tables.operations = Some(Arc::new(read))),
        "record_types" => {
            RecordTypes::new(rows).map(|read| tables.record_types = Some(Arc::new(read)))
        }
        _ => Ok(()),
    };
    wrong.err().unwrap_or_default()
}

fn wrong_row(key: &str, wrong: &WrongRow) -> Problem {
    let problem = Problem::at(key, wrong.to_string());
    match wrong {
        WrongRow::NotAllowed { meant: Some(meant), .. } => {
            problem.fix(format!("did you mean `{meant}`?"))
        }
        WrongRow::NotAllowed { .. } => problem.fix("write one that ECS allows"),
        WrongRow::NoColumn(_) => {
            problem.fix("add it, or give the table another name if it is for other things")
        }
        WrongRow::NoNumber { .. } => problem.fix("write the number that records have"),
    }
}

/// A key inside the table's own, what is wrong there, and what to do about it.
type Found = (String, String, Option<String>);

fn load_one(table: &EnrichmentTable, read_bytes: ReadBytes<'_>) -> Result<Table, Vec<Found>> {
    let (path, form) = match table {
        EnrichmentTable::File(config) => {
            let bytes = read(&config.path, read_bytes)?;
            return Ok(Table::Rows(Arc::new(rows(config, &bytes)?)));
        }
        EnrichmentTable::Geoip(config) => (&config.path, GeoForm::Places(config.locale)),
        EnrichmentTable::Mmdb(config) => (&config.path, GeoForm::Any),
    };
    let database = GeoDatabase::open(read(path, read_bytes)?, form).map_err(|error| {
        let fix = matches!(error, super::GeoDatabaseError::OtherForm(_) if form != GeoForm::Any)
            .then(|| {
                "give it `type = \"mmdb\"`, and read it by `get_enrichment_table_record`".to_owned()
            });
        vec![("path".to_owned(), format!("cannot use `{}`: {error}", path.display()), fix)]
    })?;
    Ok(Table::Geo(Arc::new(database)))
}

fn read(path: &Path, read_bytes: ReadBytes<'_>) -> Result<Vec<u8>, Vec<Found>> {
    read_bytes(path).map_err(|error| {
        vec![("path".to_owned(), format!("cannot read `{}`: {error}", path.display()), None)]
    })
}

fn rows(config: &FileTableConfig, bytes: &[u8]) -> Result<FileTable, Vec<Found>> {
    let Ok(delimiter) = u8::try_from(config.delimiter) else {
        let fix = "use one ASCII character, as `;`".to_owned();
        let message = "a delimiter of more than one byte".to_owned();
        return Err(vec![("delimiter".to_owned(), message, Some(fix))]);
    };
    let settings =
        FileTableSettings { delimiter, has_header: config.include_headers, schema: &config.schema };
    FileTable::parse(bytes, &settings)
        .map_err(|mistakes| mistakes.iter().map(|mistake| found(&config.path, mistake)).collect())
}

fn found(path: &Path, mistake: &RowMistake) -> Found {
    let in_file = |fix: &str| {
        ("path".to_owned(), format!("`{}`: {mistake}", path.display()), Some(fix.to_owned()))
    };
    match mistake {
        RowMistake::NoColumn { column, meant } => {
            let fix = meant.as_ref().map(|meant| format!("did you mean `{meant}`?"));
            let message = format!("`{}`: {mistake}", path.display());
            (format!("schema.{column}"), message, fix)
        }
        RowMistake::NoType { column, .. } => {
            let fix = "the types are: string, integer, float, boolean, date, timestamp; the last two \
                       can have a format, as `date|%d.%m.%Y`";
            (format!("schema.{column}"), mistake.to_string(), Some(fix.to_owned()))
        }
        RowMistake::Ragged { .. } => in_file("put a cell that has a comma in it in double quotes"),
        RowMistake::DuplicateColumn(_) => in_file("give one of them another name"),
        RowMistake::WrongType { .. } => {
            in_file("mend the cell, or take its column out of `schema`")
        }
        RowMistake::Unreadable { .. } => in_file("save it as CSV in UTF-8"),
        RowMistake::Empty => in_file("put the names of its columns in its first line"),
    }
}
