//! A source that sends the events of dead letters on their way again.
//!
//! Invariant: a letter is struck out only after its event was acknowledged: delivered, filtered out, or rejected again, in
//! which case it has a new letter by then. Killed at any instant, what was under way is sent again next time.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    future::BoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use pipeline_core::{
    AckGroup, Batch, BuildError, Event, Fates, Origin, Outcome, Outlet, Output, Receipt, RunError,
    Shutdown, Source, SourceConfig, SourceContext,
};
use tokio::task::spawn_blocking;
use tracing::{info, warn};
use vrl::value::{ObjectMap, Value};

use super::{
    Selection, StoredLetter,
    folder::LetterFolder,
    reader::{LetterReader, LetterTaker},
    restore::restore_times,
};

/// Letters and bytes of a batch. What is under way is sent again after a kill.
const BATCH_LETTERS_MAX: usize = 200;
const BATCH_BYTES_MAX: usize = 1_000_000;

/// Batches under way.
const BATCHES_MAX: usize = 4;

/// What makes an event's content of what a letter holds; nothing where none can be made.
pub type ReadAgain = dyn Fn(&[u8]) -> Option<Value> + Send + Sync;

/// What became of letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// A sink has the event.
    pub delivered: u64,
    /// A program filtered the event out.
    pub filtered: u64,
    /// The event was rejected again, and has a new letter.
    pub rejected: u64,
    /// The event did not arrive; its letter stays.
    pub undelivered: u64,
    /// No event can be made of it; the letter stays.
    pub unreadable: u64,
}

/// Sends letters of files that were moved aside.
#[derive(Clone)]
pub struct LetterSource {
    /// Where the files are.
    pub folder: LetterFolder,
    /// The files, oldest first.
    pub files: Vec<PathBuf>,
    /// The letters that are sent.
    pub selection: Selection,
    /// What leaves.
    pub outputs: Vec<Output>,
    /// Makes events of letters.
    pub read_again: Arc<ReadAgain>,
    /// Counts.
    pub replayed: Arc<Mutex<Replayed>>,
}

impl fmt::Debug for LetterSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LetterSource").field("files", &self.files).finish_non_exhaustive()
    }
}

impl SourceConfig for LetterSource {
    fn outputs(&self) -> Vec<Output> {
        self.outputs.clone()
    }

    fn build(&self, _context: SourceContext) -> BoxFuture<'_, Result<Box<dyn Source>, BuildError>> {
        Box::pin(std::future::ready(Ok(Box::new(self.clone()) as Box<dyn Source>)))
    }
}

impl Source for LetterSource {
    fn run(
        self: Box<Self>,
        outlet: Outlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = shutdown.abandoned() => Ok(()),
                done = self.send_all(&outlet, &shutdown) => done,
            }
        })
    }
}

/// Letters that go together.
struct Gathered {
    events: Vec<Event>,
    /// Where each stands in its file.
    offsets: Vec<u64>,
    receipt: Receipt,
}

impl LetterSource {
    async fn send_all(&self, outlet: &Outlet, shutdown: &Shutdown) -> Result<(), RunError> {
        for path in &self.files {
            if shutdown.is_draining() {
                break;
            }
            let failed = |error| {
                RunError::new(format!("cannot take letters from `{}`", path.display()), error)
            };
            let reader = LetterReader::open(path).map_err(failed)?;
            let taker = Arc::new(LetterTaker::open(path).map_err(failed)?);
            self.send_file(reader, &taker, outlet, shutdown).await?;
            let taker = Arc::into_inner(taker).expect("nothing of the file is under way");
            let folder = self.folder.clone();
            let compacted = spawn_blocking(move || taker.compact(&folder)).await;
            compacted.map_err(std::io::Error::other).and_then(|done| done).map_err(failed)?;
            info!(path = %path.display(), "dead letters were sent again");
        }
        Ok(())
    }

    async fn send_file(
        &self,
        reader: LetterReader,
        taker: &Arc<LetterTaker>,
        outlet: &Outlet,
        shutdown: &Shutdown,
    ) -> Result<(), RunError> {
        let mut reader = Some(reader);
        let (mut under_way, mut is_closed) = (FuturesUnordered::new(), false);
        while let Some(mut lines) = reader.take() {
            let source = self.clone();
            let gathered = spawn_blocking(move || (source.gather(&mut lines), lines)).await;
            let (gathered, lines) =
                gathered.map_err(|panic| RunError::new("letters could not be read", panic))?;
            let gathered =
                gathered.map_err(|error| RunError::new("letters could not be read", error))?;
            let Some(Gathered { events, offsets, receipt }) = gathered else { break };
            is_closed = outlet.send(Batch::from(events)).await.is_err();
            under_way.push(async { self.settle(taker, offsets, receipt.await).await });
            while under_way.len() >= BATCHES_MAX
                && let Some(settled) = under_way.next().await
            {
                settled?;
            }
            if !shutdown.is_draining() && !is_closed {
                reader = Some(lines);
            }
        }
        while let Some(settled) = under_way.next().await {
            settled?;
        }
        if is_closed {
            return Err(RunError::plain("what letters are sent to has ended"));
        }
        Ok(())
    }

    /// The next letters that are meant; nothing at the end of the file.
    fn gather(&self, reader: &mut LetterReader) -> std::io::Result<Option<Gathered>> {
        let (mut ready, mut bytes) = (Vec::new(), 0);
        while ready.len() < BATCH_LETTERS_MAX && bytes < BATCH_BYTES_MAX {
            let Some(line) = reader.next_line()? else { break };
            let Some(letter) = line.letter else {
                self.count(|replayed| replayed.unreadable += 1);
                continue;
            };
            if !self.selection.has(&letter) {
                continue;
            }
            match (self.read_again)(&letter.payload()) {
                Some(value) => {
                    bytes += line.text.len();
                    ready.push((line.offset, line.text.len(), letter, value));
                }
                None => self.count(|replayed| replayed.unreadable += 1),
            }
        }
        if ready.is_empty() {
            return Ok(None);
        }
        let (group, receipt) = AckGroup::new(ready.len());
        let (mut events, mut offsets) = (Vec::new(), Vec::new());
        for (index, (offset, byte_size, letter, value)) in ready.into_iter().enumerate() {
            let (mut value, origin) = (value, letter.origin.clone());
            let mut metadata = metadata_of(letter);
            if let Some(Output { schema, .. }) = self.outputs.first() {
                restore_times(&mut value, &schema.event);
                restore_times(&mut metadata, &schema.metadata);
            }
            let origin = Origin::new(origin, metadata);
            events.push(Event::new(value, byte_size, origin, group.ack(index)));
            offsets.push(offset);
        }
        Ok(Some(Gathered { events, offsets, receipt }))
    }

    /// Strikes out what is settled.
    async fn settle(
        &self,
        taker: &Arc<LetterTaker>,
        offsets: Vec<u64>,
        fates: Fates,
    ) -> Result<(), RunError> {
        let mut settled = Vec::with_capacity(offsets.len());
        for (offset, outcome) in offsets.into_iter().zip(fates.outcomes()) {
            self.count(|replayed| match outcome {
                Outcome::Delivered => replayed.delivered += 1,
                Outcome::Filtered => replayed.filtered += 1,
                Outcome::Rejected => replayed.rejected += 1,
                Outcome::Errored => replayed.undelivered += 1,
            });
            if *outcome != Outcome::Errored {
                settled.push(offset);
            }
        }
        let taker = Arc::clone(taker);
        let struck = spawn_blocking(move || taker.strike_out(&settled)).await;
        struck.map_err(std::io::Error::other).and_then(|done| done).map_err(|error| {
            warn!(%error, "letters that were delivered stay, and are sent once more by the next replay");
            RunError::new("letters that are settled could not be struck out", error)
        })
    }

    fn count(&self, change: impl FnOnce(&mut Replayed)) {
        change(&mut self.replayed.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The metadata as it was before a transform said why it dropped the event.
fn metadata_of(letter: StoredLetter) -> Value {
    match letter.metadata {
        Some(Value::Object(mut fields)) => {
            fields.remove("dropped");
            Value::Object(fields)
        }
        Some(_) | None => Value::Object(ObjectMap::new()),
    }
}
