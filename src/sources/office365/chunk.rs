//! From a blob's bytes to checked records, a chunk at a time.
//!
//! Invariants: a chunk holds a share of the source's memory from before its records are parsed until it is dropped, and
//! while its records are parsed values, another of the smaller memory that there is for those. A
//! record that gets through is what [`super::schema`] declares. What does not is kept with the reason, never thrown
//! away, and never a panic.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use office365::{RecordFault, RecordStream, SplitFault};
use pipeline_core::Record;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vrl::{path::OwnedValuePath, value::Value};

use super::ledger::RecordId;
use crate::sources::record;

/// Records of one chunk: enough that what is paid once for a chunk does not count for a record.
const CHUNK_RECORDS_MAX: usize = 128;

/// A chunk ends with the record that brings it to this size.
const CHUNK_BYTES_MAX: usize = 256 * 1024;

/// A record that can be sent.
#[derive(Debug)]
pub(super) struct Identified {
    pub(super) id: RecordId,
    /// At its place in the event.
    pub(super) record: Record,
}

/// An element of the array that can never be an event.
#[derive(Debug)]
pub(super) struct BadRecord {
    pub(super) reason: String,
    pub(super) payload: Bytes,
}

/// Records that travel together.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) records: Vec<Identified>,
    pub(super) bad: Vec<BadRecord>,
    /// Bytes of all of them as received.
    pub(super) bytes: usize,
    /// To be held for as long as one of the records is a value.
    pub(super) parsed: Arc<OwnedSemaphorePermit>,
    pub(super) share: OwnedSemaphorePermit,
}

/// How a blob's body ended.
#[derive(Debug)]
pub(super) enum BodyEnd {
    Complete,
    Broken(RecordFault),
}

/// A value takes about ten times the memory of the record's text, so only this part of what is on its way may be parsed
/// values; a sink that has encoded an event has freed its value.
const PARSED_PART: usize = 4;

/// The memory that records on their way may take together, in bytes as received.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    all: Share,
    parsed: Share,
}

impl InFlight {
    pub(super) fn new(bytes_max: usize) -> InFlight {
        InFlight { all: Share::new(bytes_max), parsed: Share::new(bytes_max / PARSED_PART) }
    }

    /// Waits until `bytes` are free, and may be parsed.
    async fn take(&self, bytes: usize) -> (OwnedSemaphorePermit, OwnedSemaphorePermit) {
        // In this order everywhere: who waits for the second holds only the first.
        (self.all.take(bytes).await, self.parsed.take(bytes).await)
    }
}

#[derive(Clone, Debug)]
struct Share {
    bytes: Arc<Semaphore>,
    bytes_max: u32,
}

impl Share {
    fn new(bytes_max: usize) -> Share {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let bytes_max = u32::try_from(bytes_max).unwrap_or(u32::MAX).clamp(1, most);
        Share { bytes: Arc::new(Semaphore::new(bytes_max as usize)), bytes_max }
    }

    /// Waits until `bytes` are free. What is larger than everything waits until it is alone.
    async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.bytes_max);
        let semaphore = Arc::clone(&self.bytes);
        semaphore.acquire_many_owned(wanted).await.expect("the semaphore is never closed")
    }
}

/// Reads the chunks of one blob.
pub(super) struct ChunkReader {
    stream: RecordStream,
    in_flight: InFlight,
    record_path: OwnedValuePath,
    gathered: Gathered,
    end: Option<BodyEnd>,
    /// The wait for memory for what is gathered.
    share: Option<BoxFuture<'static, (OwnedSemaphorePermit, OwnedSemaphorePermit)>>,
}

/// What the next chunk will be made of.
#[derive(Default)]
struct Gathered {
    records: Vec<Bytes>,
    bad: Vec<BadRecord>,
    bytes: usize,
}

impl Gathered {
    fn count(&self) -> usize {
        self.records.len() + self.bad.len()
    }

    fn is_full(&self) -> bool {
        self.count() >= CHUNK_RECORDS_MAX || self.bytes >= CHUNK_BYTES_MAX
    }
}

impl ChunkReader {
    pub(super) fn new(
        stream: RecordStream,
        in_flight: InFlight,
        record_path: OwnedValuePath,
    ) -> ChunkReader {
        let gathered = Gathered::default();
        ChunkReader { stream, in_flight, record_path, gathered, end: None, share: None }
    }

    /// The next chunk, or how the body ended. May be dropped and called again without loss.
    pub(super) async fn next(&mut self) -> Result<Chunk, BodyEnd> {
        while self.end.is_none() && !self.gathered.is_full() {
            self.gather().await;
        }
        if self.gathered.count() == 0 {
            return Err(self.end.take().unwrap_or(BodyEnd::Complete));
        }
        let wait = self.share.get_or_insert_with(|| {
            let (in_flight, bytes) = (self.in_flight.clone(), self.gathered.bytes);
            Box::pin(async move { in_flight.take(bytes).await })
        });
        let (share, parsed) = wait.await;
        self.share = None;
        Ok(self.parse_gathered(share, parsed))
    }

    async fn gather(&mut self) {
        match self.stream.next().await {
            Some(Ok(record)) => {
                self.gathered.bytes += record.0.len();
                self.gathered.records.push(record.0);
            }
            Some(Err(fault)) => match bad_record(fault) {
                Ok(record) => {
                    self.gathered.bytes += record.payload.len();
                    self.gathered.bad.push(record);
                }
                Err(fault) => self.end = Some(BodyEnd::Broken(fault)),
            },
            None => self.end = Some(BodyEnd::Complete),
        }
    }

    fn parse_gathered(
        &mut self,
        share: OwnedSemaphorePermit,
        parsed: OwnedSemaphorePermit,
    ) -> Chunk {
        let Gathered { records: raw, mut bad, bytes } = std::mem::take(&mut self.gathered);
        let mut records = Vec::with_capacity(raw.len());
        for bytes in raw {
            match parse(&bytes) {
                Ok((id, record)) => {
                    let record = record.mounted(&self.record_path);
                    records.push(Identified { id, record });
                }
                Err(reason) => bad.push(BadRecord { reason, payload: bytes }),
            }
        }
        Chunk { records, bad, bytes, parsed: Arc::new(parsed), share }
    }
}

/// The element that a fault is about; the fault itself where it ends the body.
fn bad_record(fault: RecordFault) -> Result<BadRecord, RecordFault> {
    let RecordFault::Content { source } = fault else { return Err(fault) };
    let reason = source.to_string();
    match source {
        SplitFault::TooLarge { prefix, .. } => Ok(BadRecord { reason, payload: prefix }),
        SplitFault::NotAnObject { value, .. } => Ok(BadRecord { reason, payload: value }),
        source @ (SplitFault::NotAnArray { .. }
        | SplitFault::Syntax { .. }
        | SplitFault::Truncated { .. }
        | SplitFault::Trailing { .. }) => Err(RecordFault::Content { source }),
    }
}

fn parse(bytes: &[u8]) -> Result<(RecordId, Record), String> {
    let record = record::parse(bytes)?;
    Ok((RecordId::new(&record::id(record.value())), record))
}

/// The event of a record that once was bad, if it is one that can be sent.
pub(super) fn read_again(record: &[u8], record_path: &OwnedValuePath) -> Option<Value> {
    parse(record).ok().map(|(_, record)| record.mounted(record_path).into_value())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_record_needs_an_id_and_a_time_that_are_strings() {
        let deep = format!(
            r#"{{"Id":"a","CreationTime":"t","x":{}{}}}"#,
            "[".repeat(5000),
            "]".repeat(5000)
        );
        for (record, wrong) in [
            (&br#"{"Id":"a","CreationTime":"t"}"#[..], None),
            (br#"{"CreationTime":"t"}"#, Some("no `Id`")),
            (br#"{"Id":"","CreationTime":"t"}"#, Some("empty `Id`")),
            (br#"{"Id":7,"CreationTime":"t"}"#, Some("`Id` of the record is not a string")),
            (br#"{"Id":"a"}"#, Some("no `CreationTime`")),
            (br#"{"Id":"a","CreationTime":null}"#, Some("`CreationTime` of the record is not")),
            (br#"{"Id":"a","CreationTime":}"#, Some("not valid JSON")),
            (b"{\"Id\":\"\xff\",\"CreationTime\":\"t\"}", Some("not valid UTF-8")),
            (deep.as_bytes(), Some("not valid JSON: recursion")),
        ] {
            let reason = parse(record).err();
            match wrong {
                None => assert_eq!(reason, None),
                Some(wrong) => {
                    assert!(reason.as_deref().is_some_and(|it| it.contains(wrong)), "{reason:?}");
                }
            }
        }
    }

    #[test]
    fn a_record_is_mounted_whole() {
        let path = vrl::path::parse_value_path("o365.audit").unwrap();
        let (_, record) = parse(br#"{"Id":"a","CreationTime":"t"}"#).unwrap();
        let mounted = record.clone().mounted(&path);
        assert_eq!(mounted.value().get(&path), Some(record.value()));
        assert_eq!(record.clone().mounted(&OwnedValuePath::root()), record);
    }

    #[test]
    fn a_record_larger_than_all_memory_waits_until_it_is_alone() {
        let in_flight = Share::new(10);
        let small = in_flight.take(3).now_or_never().expect("there is room");
        let mut large = Box::pin(in_flight.take(usize::MAX));
        assert!((&mut large).now_or_never().is_none());
        drop(small);
        assert!(large.now_or_never().is_some());
    }
}
