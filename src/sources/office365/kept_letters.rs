//! Which bad records of a blob are in the dead letters already, so that another attempt at it does not keep them twice.
//!
//! Invariant: a record counts as kept only once its letter is on disk, and as often as it was kept. Remembered in memory
//! alone: after a restart an unfinished blob leaves its bad records once more.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ring::digest::{SHA256, digest};

use super::ledger::BlobRow;

/// Records of one blob that are remembered. More than that are no record that went wrong, but a blob that is none.
const RECORDS_MAX: usize = 10_000;

/// A record that never became an event has no id; what it holds stands for it.
type Digest = [u8; 32];
type Counts = HashMap<Digest, u32>;

/// The bad records of blobs that wait for another attempt.
#[derive(Debug, Default)]
pub(super) struct KeptLetters(Mutex<HashMap<BlobRow, Counts>>);

/// The bad records of one blob, during one attempt.
#[derive(Debug)]
pub(super) struct BlobLetters(Mutex<Letters>);

#[derive(Debug)]
struct Letters {
    /// Kept by earlier attempts, and not met by this one yet.
    earlier: Counts,
    kept: Counts,
}

impl KeptLetters {
    /// What earlier attempts at the blob have kept.
    pub(super) fn begin(&self, blob: BlobRow) -> BlobLetters {
        let kept = lock(&self.0).remove(&blob).unwrap_or_default();
        BlobLetters(Mutex::new(Letters { earlier: kept.clone(), kept }))
    }

    /// Remembers what was kept, for the next attempt at the blob.
    pub(super) fn put_back(&self, blob: BlobRow, letters: &BlobLetters) {
        let kept = std::mem::take(&mut lock(&letters.0).kept);
        if !kept.is_empty() {
            lock(&self.0).insert(blob, kept);
        }
    }
}

impl BlobLetters {
    /// Whether a record of this payload has to be kept. To be asked once for each that an attempt meets.
    pub(super) fn is_new(&self, payload: &[u8]) -> bool {
        let mut letters = lock(&self.0);
        match letters.earlier.get_mut(&digest_of(payload)) {
            Some(left) if *left > 0 => {
                *left -= 1;
                false
            }
            Some(_) | None => true,
        }
    }

    /// The letter of a record of this payload is on disk.
    pub(super) fn note(&self, payload: &[u8]) {
        let mut letters = lock(&self.0);
        if letters.kept.len() < RECORDS_MAX {
            *letters.kept.entry(digest_of(payload)).or_default() += 1;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn digest_of(payload: &[u8]) -> Digest {
    let mut bytes = Digest::default();
    bytes.copy_from_slice(digest(&SHA256, payload).as_ref());
    bytes
}
