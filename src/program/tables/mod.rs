//! Enrichment tables: what programs look values up in, besides the event itself.
//!
//! A table is read once, before any program is compiled, and never changes: programs share it, and each call that
//! looks something up knows at compile time which columns there are. Nothing here opens a file; whoever loads a
//! configuration hands the bytes over.

mod file;
mod geoip;
mod index;

use std::{collections::BTreeMap, sync::Arc};

use crate::config::fault::nearest;

pub use file::{FileTable, FileTableSettings, RowMistake};
pub(super) use geoip::address;
pub use geoip::{GeoDatabase, GeoDatabaseError, GeoForm, GeoNames};
pub(super) use index::{Case, Index};

/// One table.
#[derive(Clone, Debug)]
pub enum Table {
    /// Rows and columns.
    Rows(Arc<FileTable>),
    /// A database of networks.
    Geo(Arc<GeoDatabase>),
}

/// All tables of a configuration, by name. A clone shares them.
#[derive(Clone, Debug, Default)]
pub struct Tables(Arc<BTreeMap<String, Table>>);

impl FromIterator<(String, Table)> for Tables {
    fn from_iter<T: IntoIterator<Item = (String, Table)>>(tables: T) -> Tables {
        Tables(Arc::new(tables.into_iter().collect()))
    }
}

impl Tables {
    /// The table `name`.
    pub fn find(&self, name: &str) -> Option<&Table> {
        self.0.get(name)
    }

    /// What to write instead of `name`, which is no table's.
    pub fn instead_of(&self, name: &str) -> String {
        match nearest(name, self.0.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None if self.0.is_empty() => format!("declare it: `[enrichment_tables.{name}]`"),
            None => {
                let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
                format!("the tables are: {}", names.join(", "))
            }
        }
    }

    /// The databases that say where an address is, in the order of their names.
    pub(super) fn of_places(&self) -> Vec<Arc<GeoDatabase>> {
        let places = self.0.values().filter_map(|table| match table {
            Table::Geo(database) if database.has_places() => Some(Arc::clone(database)),
            Table::Geo(_) | Table::Rows(_) => None,
        });
        places.collect()
    }
}
