//! One chunk on its way: its records as events, sent until each has arrived; what is no record as dead letters.
//!
//! Invariant: a chunk is done with only when each record was delivered, filtered on purpose, or is a dead letter on disk.

use std::{path::Path, sync::Arc, time::Duration};

use pipeline_core::{
    AckGroup, Batch, Clock, ComponentId, ComponentMetrics, DeadLetter, DeadLetters, ErrorStage,
    Event, LetterKind, Origin, Outcome, Outlet, OutletClosed, Receipt, Record, Shutdown,
};
use tokio::sync::Semaphore;
use vrl::{
    path::OwnedValuePath,
    value::{ObjectMap, Value},
};

use super::{
    config::Schema,
    content::{Item, Items},
};
use crate::sources::record;

/// The wait before records that a sink failed on are sent again; it doubles up to the longest.
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A value takes about ten times the memory of the record's text, so only this part of what is on its way may be values; a
/// sink that has encoded an event has freed its value.
const PARSED_PART: usize = 4;

/// What all chunks are sent with.
pub(super) struct Sender {
    pub(super) id: ComponentId,
    pub(super) outlet: Outlet,
    pub(super) metrics: ComponentMetrics,
    pub(super) dead_letters: Arc<dyn DeadLetters>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shutdown: Shutdown,
    pub(super) record_path: OwnedValuePath,
    pub(super) schema: Schema,
    /// Bytes of records that may be values.
    pub(super) parsed: Arc<Semaphore>,
    pub(super) parsed_max: u32,
    offset: OwnedValuePath,
}

/// What [`Sender`] is made of besides what the topology gives.
pub(super) struct Limits {
    pub(super) in_flight_bytes_max: usize,
    pub(super) schema: Schema,
    pub(super) record_path: OwnedValuePath,
}

/// Records that were sent, and what was found to be none.
pub(super) struct Sent {
    file: String,
    items: Items,
    receipt: Receipt,
    bad: Vec<Item>,
}

/// The topology's part of a [`Sender`].
pub(super) struct Surroundings<'a> {
    pub(super) context: &'a pipeline_core::SourceContext,
    pub(super) outlet: Outlet,
    pub(super) shutdown: Shutdown,
}

impl Sender {
    pub(super) fn new(of: Surroundings<'_>, limits: Limits) -> Sender {
        let part = limits.in_flight_bytes_max / PARSED_PART;
        let parsed_max = u32::try_from(part.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX).max(1);
        Sender {
            id: ComponentId::clone(&of.context.id),
            outlet: of.outlet,
            metrics: of.context.metrics.clone(),
            dead_letters: Arc::clone(&of.context.dead_letters),
            clock: Arc::clone(&of.context.clock),
            shutdown: of.shutdown,
            record_path: limits.record_path,
            schema: limits.schema,
            parsed: Arc::new(Semaphore::new(parsed_max as usize)),
            parsed_max,
            offset: OwnedValuePath::single_field("offset"),
        }
    }

    /// Sends the records of `items`, which stand in the file `path`, for the first time.
    pub(super) async fn send(&self, path: &Path, items: Items) -> Result<Sent, OutletClosed> {
        let bytes = items.iter().map(|item| item.payload.len()).sum();
        self.metrics.received(items.len(), bytes);
        self.metrics.received_bytes("file", bytes);
        let file = path.display().to_string();
        let mut bad = Vec::new();
        let (items, receipt) = self.send_items(&file, items, &mut bad).await?;
        Ok(Sent { file, items, receipt, bad })
    }

    /// Sends items, and gives back those that are records; others are added to `bad`.
    async fn send_items(
        &self,
        file: &str,
        items: Items,
        bad: &mut Vec<Item>,
    ) -> Result<(Items, Receipt), OutletClosed> {
        let bytes: usize = items.iter().map(|item| item.payload.len()).sum();
        let share = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.parsed_max);
        let parsed = Arc::clone(&self.parsed).acquire_many_owned(share).await;
        let parsed = parsed.expect("the semaphore is never closed");
        let origin = self.origin(file).holding(parsed);
        let (mut good, mut records) = (Items::new(), Vec::new());
        for mut item in items {
            match item.fault.take().map_or_else(|| self.parse(&item.payload), Err) {
                Ok(record) => {
                    records.push(record);
                    good.push_back(item);
                }
                Err(reason) => bad.push(Item { fault: Some(reason), ..item }),
            }
        }
        let (group, receipt) = AckGroup::new(good.len());
        let event = |(index, (item, record)): (usize, (&Item, Record))| {
            let mut event = Event::of(record, Arc::clone(&origin), group.ack(index));
            let offset = i64::try_from(item.offset).unwrap_or(i64::MAX);
            event.set_metadata(&self.offset, Value::from(offset));
            event
        };
        let events: Vec<Event> = good.iter().zip(records).enumerate().map(event).collect();
        drop((group, origin));
        self.outlet.send(Batch::from(events)).await?;
        Ok((good, receipt))
    }

    fn origin(&self, file: &str) -> Arc<Origin> {
        Origin::new(file, Value::Object(self.metadata(file)))
    }

    fn metadata(&self, file: &str) -> ObjectMap {
        let metadata =
            [("file", Value::from(file)), ("ingest_time", Value::from(self.clock.now()))];
        metadata.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }

    fn parse(&self, payload: &[u8]) -> Result<Record, String> {
        parse(payload, self.schema, &self.record_path)
    }

    /// Waits until everything that was sent has arrived, sending again what has not. Whether it has: an order to drain
    /// leaves what would have to be sent again, an order to abandon everything.
    pub(super) async fn settle(&self, sent: Sent) -> Result<bool, OutletClosed> {
        let Sent { file, mut items, mut receipt, mut bad } = sent;
        let mut failures = 0;
        loop {
            if !self.keep(&file, std::mem::take(&mut bad)).await {
                return Ok(false);
            }
            let fates = tokio::select! {
                biased;
                fates = &mut receipt => fates,
                () = self.shutdown.abandoned() => return Ok(false),
            };
            let outcomes = fates.outcomes();
            let is_left = |index: &usize| {
                outcomes.get(*index).is_none_or(|outcome| *outcome == Outcome::Errored)
            };
            let mut index = 0..;
            items.retain(|_| index.next().is_some_and(|index| is_left(&index)));
            if items.is_empty() {
                return Ok(true);
            }
            if !self.wait(&mut failures).await {
                return Ok(false);
            }
            tokio::select! {
                biased;
                () = self.shutdown.abandoned() => return Ok(false),
                sent = self.send_items(&file, items, &mut bad) => (items, receipt) = sent?,
            }
        }
    }

    /// Keeps what is no record as dead letters. Whether they are kept: not if there is no time for it any more.
    async fn keep(&self, file: &str, bad: Vec<Item>) -> bool {
        if bad.is_empty() {
            return true;
        }
        let count = bad.len();
        for _ in 0..count {
            self.metrics.error("bad_record", ErrorStage::Receiving);
        }
        let time = self.clock.now();
        let letter = |item: Item| DeadLetter {
            component_id: ComponentId::clone(&self.id),
            kind: LetterKind::Unreadable,
            reason: item.fault.unwrap_or_default(),
            time,
            origin: format!("{file}@{}", item.offset),
            metadata: Some(Value::Object(self.metadata(file))),
            payload: item.payload,
        };
        let letters: Vec<DeadLetter> = bad.into_iter().map(letter).collect();
        let mut failures = 0;
        while let Err(error) = self.dead_letters.put(letters.clone()).await {
            tracing::error!(
                component_id = &*self.id,
                error = &error as &dyn std::error::Error,
                "trying the dead letters again"
            );
            drop(error);
            self.metrics.error("dead_letters_failed", ErrorStage::Processing);
            if !self.wait(&mut failures).await {
                return false;
            }
        }
        self.metrics.discarded_unintentionally(count);
        true
    }

    /// Waits before something is tried again, longer each time. Whether to try it: not once the source is to drain.
    async fn wait(&self, failures: &mut u32) -> bool {
        let wait = WAIT_FIRST.saturating_mul(1 << (*failures).min(10)).min(WAIT_MAX);
        *failures += 1;
        tokio::select! {
            biased;
            () = self.shutdown.draining() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }
}

/// A record at its place in the event; the error says what is wrong with it.
pub(super) fn parse(
    payload: &[u8],
    schema: Schema,
    record_path: &OwnedValuePath,
) -> Result<Record, String> {
    let record = match schema {
        Schema::Audit => record::parse(payload)?,
        Schema::Any => record::parse_object(payload)?,
    };
    Ok(record.mounted(record_path))
}
