//! What a user writes under `[enrichment_tables.NAME]`: which files programs look values up in, and how to read them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Deserialize;

/// A table in which programs look values up.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EnrichmentTable {
    /// A CSV file.
    File(FileTableConfig),
    /// A MaxMind database of places and networks, which `locate` looks in as well.
    Geoip(GeoipTableConfig),
    /// Any MaxMind database, whose records are given as they stand in it.
    Mmdb(MmdbTableConfig),
}

impl EnrichmentTable {
    /// The table in the file at `path` with the usual options: by its name, a database of places or a CSV file.
    pub fn of_file(path: PathBuf) -> EnrichmentTable {
        if path.extension().is_some_and(|extension| extension == "mmdb") {
            return EnrichmentTable::Geoip(GeoipTableConfig { path, locale: Locale::default() });
        }
        EnrichmentTable::File(FileTableConfig {
            path,
            delimiter: comma(),
            include_headers: yes(),
            schema: BTreeMap::new(),
        })
    }

    /// The file that it is read from.
    pub fn path(&self) -> &Path {
        match self {
            EnrichmentTable::File(config) => &config.path,
            EnrichmentTable::Geoip(config) => &config.path,
            EnrichmentTable::Mmdb(config) => &config.path,
        }
    }
}

/// `type = "file"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileTableConfig {
    /// The CSV file, relative to the working directory. It is read when the program starts.
    pub path: PathBuf,
    /// What stands between two cells: one ASCII character.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// Whether the first line names the columns. With `false` they are called `0`, `1` and so on.
    #[serde(default = "yes")]
    pub include_headers: bool,
    /// The types of columns that are not text: `integer`, `float`, `boolean`, `date`, `timestamp`, or one of the last
    /// two with a format, as `timestamp|%d.%m.%Y %H:%M`. An empty cell of such a column is null.
    #[serde(default)]
    pub schema: BTreeMap<String, String>,
}

/// `type = "geoip"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeoipTableConfig {
    /// The database, relative to the working directory: a file of MaxMind's form, as `GeoLite2-City.mmdb` or
    /// `GeoLite2-ASN.mmdb`. It is held in memory.
    pub path: PathBuf,
    /// The language of names, as far as the database has it: `en`, `de`, `es`, `fr`, `ja`, `pt-BR`, `ru`, `zh-CN`.
    #[serde(default)]
    pub locale: Locale,
}

/// `type = "mmdb"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MmdbTableConfig {
    /// The database, relative to the working directory, with records of any form. It is held in memory.
    pub path: PathBuf,
}

/// A language of names in a MaxMind database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Locale {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// German.
    #[serde(rename = "de")]
    German,
    /// Spanish.
    #[serde(rename = "es")]
    Spanish,
    /// French.
    #[serde(rename = "fr")]
    French,
    /// Japanese.
    #[serde(rename = "ja")]
    Japanese,
    /// The Portuguese of Brazil.
    #[serde(rename = "pt-BR")]
    Portuguese,
    /// Russian.
    #[serde(rename = "ru")]
    Russian,
    /// Simplified Chinese.
    #[serde(rename = "zh-CN")]
    Chinese,
}

fn comma() -> char {
    ','
}

fn yes() -> bool {
    true
}
