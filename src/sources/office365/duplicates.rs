//! Which records of a tenant were delivered before, and which are on their way.
//!
//! Invariants: an id is called seen only when the ledger holds that very id, which it does only for records that a
//! sink has acknowledged: as delivered, filtered out, or safe in the dead letters. At most one copy of an id is on its way at a time. Whoever meets an id that is on its way
//! waits for the copy that is, and asks again: only then is it known whether a copy is needed.
//!
//! No two can wait for each other: who waits holds no claim that others wait for. A claim is held only while its
//! records are with the sinks, and the sinks wait for nobody here.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pipeline_core::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    ledger::{BlobRow, Ledger, LedgerError, RecordId, SeenRow, Sighting, TenantRow},
    persist::Persist,
    seen_index::SeenIndex,
};

/// Groups of seen ids read at once while the index is built.
const GROUPS_READ_MAX: u32 = 500;

/// What is known of an id.
#[derive(Debug)]
pub(super) enum Claim {
    /// Its record is to be sent: nobody else will, until the claim is given up.
    Mine,
    /// It is done with, as the ledger says.
    Seen(Sighting),
    /// A copy is on its way; to be asked again when this is cancelled.
    OnItsWay(CancellationToken),
}

/// The records of one tenant.
#[derive(Debug)]
pub(super) struct Duplicates {
    tenant: TenantRow,
    persist: Persist,
    /// Off: every record is new, and nothing is remembered.
    is_on: bool,
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    on_their_way: HashMap<RecordId, CancellationToken>,
    seen: SeenIndex,
    /// The last row that was added to the ledger.
    newest: SeenRow,
}

impl Duplicates {
    pub(super) fn new(tenant: TenantRow, persist: Persist, is_on: bool) -> Duplicates {
        let known = Known {
            on_their_way: HashMap::new(),
            seen: SeenIndex::new(),
            newest: SeenRow::default(),
        };
        let hasher = RandomState::new();
        Duplicates { tenant, persist, is_on, hasher, known: Mutex::new(known) }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> &Arc<dyn Ledger> {
        self.persist.ledger()
    }

    /// Reads from the ledger what was seen before the start. To be awaited before the first claim.
    pub(super) async fn load(&self) {
        if !self.is_on {
            return;
        }
        loop {
            let after = self.known().newest;
            let read = || self.ledger().seen_groups(self.tenant, after, GROUPS_READ_MAX);
            let groups = self.persist.until_done("read seen records", read).await;
            let Some(last) = groups.last() else { return };
            let mut known = self.known();
            known.newest = last.row;
            for group in &groups {
                for id in &group.ids {
                    known.seen.add(self.hasher.hash_one(id), group.row);
                }
            }
        }
    }

    /// The last group of seen records so far: a sighting after it is younger than this call.
    pub(super) fn newest(&self) -> SeenRow {
        self.known().newest
    }

    /// Forgets what the ledger has forgotten.
    pub(super) async fn follow_pruning(&self) -> Result<(), LedgerError> {
        // Taken before the ledger is asked: what is added while it answers must not be forgotten.
        let newest = self.newest();
        let oldest = self.ledger().seen_groups(self.tenant, SeenRow::default(), 1).await?;
        let after_newest = SeenRow::of_number(newest.number() + 1);
        let oldest = oldest.first().map_or(after_newest, |group| group.row);
        self.known().seen.forget_before(oldest);
        Ok(())
    }

    /// Claims each id that is neither seen nor on its way. The claims end with the guard.
    pub(super) async fn claim<'a>(&'a self, ids: &[&RecordId]) -> (Vec<Claim>, Claims<'a>) {
        let mut claims = Claims {
            duplicates: self,
            ids: Vec::with_capacity(ids.len()),
            settled: CancellationToken::new(),
        };
        if !self.is_on {
            return (ids.iter().map(|_| Claim::Mine).collect(), claims);
        }
        let hashes: Vec<u64> = ids.iter().map(|id| self.hasher.hash_one(id)).collect();
        let mut verdicts = Vec::with_capacity(ids.len());
        let mut doubtful = Vec::new();
        {
            let mut known = self.known();
            for (index, (id, hash)) in ids.iter().zip(hashes).enumerate() {
                match known.on_their_way.entry((*id).clone()) {
                    Entry::Occupied(entry) => {
                        verdicts.push(Claim::OnItsWay(entry.get().clone()));
                        continue;
                    }
                    Entry::Vacant(entry) => {
                        entry.insert(claims.settled.clone());
                        claims.ids.push((*id).clone());
                        verdicts.push(Claim::Mine);
                    }
                }
                let rows = known.seen.candidates(hash);
                if !rows.is_empty() {
                    doubtful.push((index, ((*id).clone(), rows)));
                }
            }
        }
        if !doubtful.is_empty() {
            // Claimed all the same until the ledger has answered, so that nobody else looks meanwhile.
            let (indices, wanted): (Vec<_>, Vec<_>) = doubtful.into_iter().unzip();
            for (index, sighting) in indices.into_iter().zip(self.look_up(wanted).await) {
                if let Some(sighting) = sighting {
                    verdicts[index] = Claim::Seen(sighting);
                }
            }
        }
        (verdicts, claims)
    }

    async fn look_up(&self, wanted: Vec<(RecordId, Vec<SeenRow>)>) -> Vec<Option<Sighting>> {
        let read = || self.ledger().find_seen(wanted.clone());
        self.persist.until_done("look up seen records", read).await
    }
}

/// Ids whose records are on their way. When it is dropped, those who wait for them ask again.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    duplicates: &'a Duplicates,
    ids: Vec<RecordId>,
    settled: CancellationToken,
}

impl Claims<'_> {
    /// Remembers the ids of each group, which are among the claimed ones, and ends the claims.
    pub(super) async fn settle(self, groups: [(BlobRow, Vec<RecordId>); 3], at: Timestamp) {
        let duplicates = self.duplicates;
        let ledger = duplicates.ledger();
        for (blob, ids) in groups {
            if !duplicates.is_on || ids.is_empty() {
                continue;
            }
            let add = || ledger.add_seen(duplicates.tenant, blob, ids.clone(), at);
            let row = duplicates.persist.until_done("remember settled records", add).await;
            let mut known = duplicates.known();
            known.newest = known.newest.max(row);
            for id in &ids {
                known.seen.add(duplicates.hasher.hash_one(id), row);
            }
        }
    }
}

impl Drop for Claims<'_> {
    fn drop(&mut self) {
        if !self.ids.is_empty() {
            let mut known = self.duplicates.known();
            for id in &self.ids {
                known.on_their_way.remove(id);
            }
        }
        self.settled.cancel();
    }
}
