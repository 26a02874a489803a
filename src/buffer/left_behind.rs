//! Buffers on disk that hold events and belong to no sink of the topology: never deleted, never passed over in silence.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use super::{FILE, schema};

/// A buffer on disk, looked at without being opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftBehind {
    /// The name of the sink that it belonged to.
    pub sink: String,
    /// Its file.
    pub path: PathBuf,
    /// Events in it; nothing where that cannot be read.
    pub events: Option<u64>,
}

/// The buffers below `data_dir` that are not empty.
pub fn left_behind(data_dir: &Path) -> io::Result<Vec<LeftBehind>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let entry = entry?;
        let path = entry.path().join(FILE);
        if !path.is_file() {
            continue;
        }
        let events = events_in(&path).ok();
        if events != Some(0) {
            let sink = entry.file_name().to_string_lossy().into_owned();
            found.push(LeftBehind { sink, path, events });
        }
    }
    Ok(found)
}

fn events_in(path: &Path) -> rusqlite::Result<u64> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0) {
        return Ok(0);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    let state = schema::read_state(&connection)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(state.amount.events)
}
