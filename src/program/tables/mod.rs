//! Enrichment tables: what programs look values up in, besides the event itself.
//!
//! A table is read once, before any program is compiled, and never changes: programs share it, and each call that
//! looks something up knows at compile time which columns there are. Nothing here opens a file; whoever loads a
//! configuration hands the bytes over.

mod file;
mod geoip;
mod index;
mod load;
#[cfg(test)]
mod mmdb_writer;
mod operations;
mod record_types;

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use crate::config::fault::nearest;

pub use file::{FileTable, FileTableSettings, RowMistake};
pub(super) use geoip::address;
pub use geoip::{GeoDatabase, GeoDatabaseError, GeoForm};
pub(super) use index::{Case, Index};
pub use load::{ReadBytes, load};
pub use operations::{Operations, WrongRow};
pub use record_types::RecordTypes;

const OPERATIONS: &[u8] = include_bytes!("../../../vrl/ecs/operations.csv");
const RECORD_TYPES: &[u8] = include_bytes!("../../../vrl/ecs/record_types.csv");

/// One table.
#[derive(Clone, Debug)]
pub enum Table {
    /// Rows and columns.
    Rows(Arc<FileTable>),
    /// A database of networks.
    Geo(Arc<GeoDatabase>),
    /// One that could not be read, which has been reported: programs that name it are right.
    Unread,
}

/// All tables of a configuration, by name. A clone shares them.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    by_name: Arc<BTreeMap<String, Table>>,
    operations: Option<Arc<Operations>>,
    record_types: Option<Arc<RecordTypes>>,
}

/// The operations that the program knows by itself.
///
/// # Panics
/// When the table in the binary is wrong, which a test would find.
pub(super) fn builtin_operations() -> Arc<Operations> {
    static BUILTIN: LazyLock<Arc<Operations>> = LazyLock::new(|| {
        let operations = Operations::new(&builtin(OPERATIONS));
        Arc::new(operations.expect("the built-in table of operations is right"))
    });
    Arc::clone(&BUILTIN)
}

/// The record types that the program knows by itself.
///
/// # Panics
/// When the table in the binary is wrong, which a test would find.
pub(super) fn builtin_record_types() -> Arc<RecordTypes> {
    static BUILTIN: LazyLock<Arc<RecordTypes>> = LazyLock::new(|| {
        let record_types = RecordTypes::new(&builtin(RECORD_TYPES));
        Arc::new(record_types.expect("the built-in table of record types is right"))
    });
    Arc::clone(&BUILTIN)
}

fn builtin(text: &[u8]) -> FileTable {
    let schema = BTreeMap::new();
    let settings = FileTableSettings { delimiter: b',', has_header: true, schema: &schema };
    FileTable::parse(text, &settings).expect("a built-in table is right")
}

impl Tables {
    /// The tables that a transform is prepared with; none where it was given something else.
    pub fn shared_by(tables: &(dyn Any + Send + Sync)) -> Tables {
        tables.downcast_ref::<Tables>().cloned().unwrap_or_default()
    }

    /// The same tables, and those of these names that are not among them as [`Table::Unread`].
    #[must_use]
    pub fn and_unread<'a>(mut self, names: impl Iterator<Item = &'a str>) -> Tables {
        let by_name = Arc::make_mut(&mut self.by_name);
        for name in names {
            by_name.entry(name.to_owned()).or_insert(Table::Unread);
        }
        self
    }

    /// The table `name`.
    pub fn find(&self, name: &str) -> Option<&Table> {
        self.by_name.get(name)
    }

    /// What to write instead of `name`, which is no table's.
    pub fn instead_of(&self, name: &str) -> String {
        match nearest(name, self.by_name.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None if self.by_name.is_empty() => format!("declare it: `[enrichment_tables.{name}]`"),
            None => {
                let names: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
                format!("the tables are: {}", names.join(", "))
            }
        }
    }

    /// The user's own operations.
    pub(super) fn operations(&self) -> Option<&Arc<Operations>> {
        self.operations.as_ref()
    }

    /// The name of the record type with this number; the number itself where it has none.
    pub fn record_type_name(&self, number: i64) -> String {
        let builtin = builtin_record_types();
        let name = self.record_types().and_then(|table| table.name(number));
        let name = name.or_else(|| builtin.name(number));
        name.map_or_else(|| number.to_string(), |name| name.to_string_lossy().into_owned())
    }

    /// The user's own record types.
    pub(super) fn record_types(&self) -> Option<&Arc<RecordTypes>> {
        self.record_types.as_ref()
    }

    /// The databases that say where an address is, in the order of their names.
    pub(super) fn of_places(&self) -> Vec<Arc<GeoDatabase>> {
        let places = self.by_name.values().filter_map(|table| match table {
            Table::Geo(database) if database.has_places() => Some(Arc::clone(database)),
            Table::Geo(_) | Table::Rows(_) | Table::Unread => None,
        });
        places.collect()
    }
}

#[cfg(test)]
pub(super) mod tests;
