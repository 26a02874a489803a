//! The disk under the ledger: full, failing or slow when the weather says so.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::BoxFuture;
use o365flow::sources::office365::ledger::{BlobEnd, LedgerError, RecordId, Span};
use office365::BlobRef;
use pipeline_core::Clock;

use crate::{
    content::Content,
    dice::happens,
    journal::{Entry, Journal},
    life::Life,
    sabotage::Sabotage,
    stage::{Gate, SimulatedClock, disk_full},
    trace::Trace,
    weather::{Trouble, Weather},
};

/// How the disk treats one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Sound,
    FailBefore,
    /// The change is made, and an error returned all the same.
    FailAfter,
    SlowBefore,
    SlowAfter,
}

/// The ledger's disk as one process sees it.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) life: Arc<Life>,
    pub(crate) clock: Arc<SimulatedClock>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) content: Arc<Content>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) trace: Arc<Trace>,
    pub(crate) dice: Mutex<fastrand::Rng>,
    pub(crate) sabotage: Sabotage,
}

impl Disk {
    fn manner(&self, name: &str) -> (Manner, Duration) {
        let now = Clock::now(&*self.clock);
        let mut dice = self.dice.lock().unwrap();
        if self.weather.is_on(Trouble::DiskFull, now) {
            return (Manner::FailBefore, Duration::ZERO);
        }
        if self.weather.is_on(Trouble::DiskFlaky, now) && happens(&mut dice, 0.33) {
            // What a failed look at the queue has taken from it would be held by nobody: that the ledger promises to
            // have changed nothing matters here.
            let after = dice.bool() && name != "take_due";
            return (if after { Manner::FailAfter } else { Manner::FailBefore }, Duration::ZERO);
        }
        if self.weather.is_on(Trouble::DiskSlow, now) && happens(&mut dice, 0.05) {
            let wait = Duration::from_millis(dice.u64(1..120_000));
            return (if dice.bool() { Manner::SlowBefore } else { Manner::SlowAfter }, wait);
        }
        (Manner::Sound, Duration::ZERO)
    }
}

impl Gate for Disk {
    fn pass<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        request: BoxFuture<'a, Result<T, LedgerError>>,
    ) -> BoxFuture<'a, Result<T, LedgerError>> {
        Box::pin(async move {
            self.life.proceed().await;
            let (manner, wait) = self.manner(name);
            if manner != Manner::Sound {
                self.trace.note(format_args!("ledger {name} {manner:?} {wait:?}"));
            }
            match manner {
                Manner::Sound => request.await,
                Manner::FailBefore => Err(disk_full()),
                Manner::FailAfter => {
                    request.await?;
                    Err(disk_full())
                }
                Manner::SlowBefore => {
                    tokio::time::sleep(wait).await;
                    self.life.proceed().await;
                    request.await
                }
                Manner::SlowAfter => {
                    let answer = request.await;
                    tokio::time::sleep(wait).await;
                    self.life.proceed().await;
                    answer
                }
            }
        })
    }

    fn remembered(&self, ids: &[RecordId]) {
        self.trace.note(format_args!("remembered {} records", ids.len()));
        for id in ids {
            let record = self.content.by_key(id);
            self.journal.add(record.map_or_else(
                || Entry::Unknown { id: format!("{id:?}") },
                |record| Entry::Remembered { record },
            ));
        }
    }

    fn finished(&self, end: &BlobEnd) {
        self.trace.note(format_args!("finished {end:?}"));
    }

    fn spoil_page(&self, blobs: &mut Vec<BlobRef>) {
        self.sabotage.spoil_page(blobs);
    }

    fn spoil_gap(&self, span: &mut Span) {
        self.sabotage.spoil_gap(span);
    }

    fn spoil_seen(&self, ids: &mut Vec<RecordId>) {
        self.sabotage.spoil_seen(ids);
    }

    fn spoil_end(&self, end: &mut BlobEnd) {
        self.sabotage.spoil_end(end);
    }
}
