//! How far feeds are listed whose listings named no blob, written down for many feeds at once.
//!
//! Thousands of quiet feeds would otherwise have the disk wait for each of their polls. Invariant: what is noted here
//! was listed to its end, and every blob of it is in the ledger, so that writing it late loses nothing: a process that
//! is killed before lists the same span again.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use pipeline_core::Timestamp;

use super::{ledger::FeedRow, persist::Persist};

/// The time between two writes: the ledger is this old at most.
const WRITE_INTERVAL: Duration = Duration::from_secs(30);

/// What is to be written.
pub(super) struct QuietListings {
    persist: Persist,
    waiting: Mutex<BTreeMap<FeedRow, Timestamp>>,
}

impl QuietListings {
    pub(super) fn new(persist: Persist) -> QuietListings {
        QuietListings { persist, waiting: Mutex::default() }
    }

    /// Notes that everything of `feed` that was created before `until` is listed, and that no blob goes with it that is
    /// not in the ledger.
    pub(super) fn note(&self, feed: FeedRow, until: Timestamp) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = waiting.entry(feed).or_insert(until);
        *noted = until.max(*noted);
    }

    /// Writes what was noted every now and then.
    pub(super) async fn write_for_ever(&self) -> Infallible {
        loop {
            tokio::time::sleep(WRITE_INTERVAL).await;
            self.write().await;
        }
    }

    /// Writes what was noted. Asked of the ledger at once, it goes to the disk in few commits.
    pub(super) async fn write(&self) {
        let noted =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let ledger = self.persist.ledger();
        join_all(noted.into_iter().map(async |(feed, until)| {
            let write = || ledger.add_page(feed, Vec::new(), Some(until));
            self.persist.until_done("write down how far a feed is listed", write).await
        }))
        .await;
    }
}
