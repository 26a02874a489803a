//! A new file in the place of a damaged one, with all that could be saved.
//!
//! Invariant: killed at any instant, there is either the damaged file or the complete new one. The damaged one is kept beside
//! it, for a person to look at.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use pipeline_core::Timestamp;
use rusqlite::TransactionBehavior;
use tracing::{error, warn};

use super::{
    record::{Amount, State},
    salvage::Wreck,
    schema,
    store::{BufferError, cannot},
};
use crate::storage::{Lock, open_private};

/// What is known beside the damaged file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought {
    /// The state, if the file was in use when it was found damaged.
    pub(super) known: Option<State>,
    /// The number of the last batch that was read.
    pub(super) read_to: u64,
    pub(super) now: Timestamp,
}

/// What the new file has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Repaired {
    pub(super) state: State,
    /// What is in the batches that were not read yet.
    pub(super) unread: Amount,
    pub(super) lost: Amount,
}

/// Puts what is whole of the damaged file into a new one.
pub(super) fn repair(
    path: &Path,
    lock: &Lock,
    reason: &str,
    sought: &Sought,
) -> Result<Repaired, BufferError> {
    // Whoever is killed in between must not take the file for sound.
    lock.note_damage(reason);
    let failed = |error: io::Error| cannot(path, error);
    let wreck = Wreck::search(path).map_err(failed)?;
    let new_path = with_ending(path, ".new");
    for leftover in [with_ending(path, ".new-journal"), new_path.clone()] {
        remove(&leftover).map_err(failed)?;
    }
    let repaired = copy(&wreck, &new_path, sought)?;
    remove(&with_ending(path, ".new-journal")).map_err(failed)?;
    let aside = set_aside(path, sought.now).map_err(failed)?;
    fs::rename(&new_path, path).map_err(failed)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    lock.clear_note().map_err(failed)?;
    error!(
        path = %path.display(),
        reason,
        kept_at = aside.map(|aside| aside.display().to_string()),
        saved_events = repaired.state.amount.events,
        lost_events = repaired.lost.events,
        lost_bytes = repaired.lost.bytes,
        "a buffer was damaged: what was whole goes on from a new file"
    );
    Ok(repaired)
}

/// Makes the new file.
fn copy(wreck: &Wreck, new_path: &Path, sought: &Sought) -> Result<Repaired, BufferError> {
    let failed = |error: rusqlite::Error| cannot(new_path, error);
    let first = sought.known.map_or_else(|| wreck.first(), |state| state.first);
    let mut repaired = Repaired::default();
    let (mut next, mut claimed) = (first, Amount::default());
    drop(open_private(new_path).map_err(|error| cannot(new_path, error))?);
    let mut connection = schema::connect(new_path).map_err(failed)?;
    schema::fill(&mut connection, &State::default()).map_err(failed)?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    for number in wreck.numbers(first) {
        next = next.max(number + 1);
        claimed.add(wreck.claimed(number));
        let whole = wreck.content(number).map_err(|error| cannot(new_path, error))?;
        let Some((header, content)) = whole else { continue };
        schema::insert(&transaction, number, &header.record(&content)).map_err(failed)?;
        repaired.state.amount.add(header.amount());
        if number > sought.read_to {
            repaired.unread.add(header.amount());
        }
    }
    // Without a state, it is not known of what has no header left.
    let state = sought.known.or(wreck.state);
    let mut lost = state.map_or(claimed, |state| state.amount);
    lost.subtract(repaired.state.amount);
    repaired.lost = lost;
    repaired.state.first = first;
    repaired.state.next = next.max(state.map_or(0, |state| state.next));
    schema::write_state(&transaction, &repaired.state).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(repaired)
}

/// Gives the damaged file a second name, so that it is still there when a new one takes its first. Its journal is none of
/// the new one's.
fn set_aside(path: &Path, now: Timestamp) -> io::Result<Option<PathBuf>> {
    let aside = with_ending(path, &now.format(".corrupt-%Y%m%dT%H%M%S%.3fZ").to_string());
    let journal = with_ending(path, "-journal");
    if fs::metadata(&journal).is_ok_and(|metadata| metadata.len() > 0) {
        fs::rename(&journal, with_ending(&aside, "-journal"))?;
    }
    match fs::hard_link(path, &aside) {
        Ok(()) => Ok(Some(aside)),
        Err(error) => {
            warn!(path = %path.display(), %error, "a damaged buffer cannot be kept");
            Ok(None)
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}
