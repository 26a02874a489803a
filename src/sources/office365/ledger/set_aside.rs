//! Getting a ledger out of the way that cannot be used, with nothing of it deleted.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use pipeline_core::Timestamp;

use super::LedgerError;
use crate::storage::Lock;

/// What `SQLite` keeps beside a file, and the file itself. The log goes first: without its file it does no harm, and
/// beside a new one it would be taken for that one's.
const ENDINGS: [&str; 3] = ["-wal", "-shm", ""];

/// A ledger that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where it is now.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
    /// Ids of delivered records that the new ledger has from it.
    pub salvaged_ids: u64,
}

/// Renames the ledger at `path`, with what belongs to it.
pub(super) fn set_aside(
    path: &Path,
    lock: &Lock,
    reason: String,
    now: Timestamp,
) -> Result<SetAside, LedgerError> {
    let aside = with_ending(path, &now.format(".corrupt-%Y%m%dT%H%M%SZ").to_string());
    // Whoever is killed between two renames leaves a file without its log, which may look sound.
    lock.note_damage(&reason);
    let rename = || -> io::Result<()> {
        for ending in ENDINGS {
            match fs::rename(with_ending(path, ending), with_ending(&aside, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        lock.clear_note()
    };
    match rename() {
        Ok(()) => Ok(SetAside { path: aside, reason, salvaged_ids: 0 }),
        Err(error) => Err(LedgerError::Open { path: path.to_owned(), source: error.into() }),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}
