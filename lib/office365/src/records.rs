//! The records of one blob, one by one, while the blob arrives.
//!
//! Reading slowly slows the sender: nothing is fetched ahead. A blob is whole only if [`RecordStream::end`] says
//! [`End::Complete`]; a stream that was dropped, broke off or was cut never says so.

use bytes::Bytes;
use http_body_util::BodyExt;
use net::{Body, BodyError};

use crate::{RecordSplitter, SplitFault};

/// A record as Microsoft serves it: the bytes of a JSON object, not validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord(pub Bytes);

/// What is wrong with a blob, or with one record of it.
#[derive(Debug, thiserror::Error)]
pub enum RecordFault {
    #[error("blob is not as it should be")]
    Content {
        #[source]
        source: SplitFault,
    },
    #[error("blob did not arrive in full")]
    Transfer {
        #[source]
        source: BodyError,
    },
}

impl RecordFault {
    /// Whether the stream is at its end. Otherwise the fault is about one record, and the others follow.
    pub fn is_fatal(&self) -> bool {
        match self {
            RecordFault::Content { source } => source.is_fatal(),
            RecordFault::Transfer { .. } => true,
        }
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every record of the blob was given, or reported as bad.
    Complete,
    /// There are records that were not given.
    Broken,
}

/// Gives the records of one blob.
pub struct RecordStream {
    body: Body,
    splitter: RecordSplitter,
    bytes: u64,
    end: Option<End>,
}

impl RecordStream {
    /// Reads `body` as an array of records of at most `record_bytes_max` bytes.
    pub fn new(body: Body, record_bytes_max: usize) -> Self {
        RecordStream { body, splitter: RecordSplitter::new(record_bytes_max), bytes: 0, end: None }
    }

    /// The next record or fault; `None` after the last. May be dropped and called again without loss.
    pub async fn next(&mut self) -> Option<Result<RawRecord, RecordFault>> {
        while self.end.is_none() {
            match self.splitter.pop() {
                Some(Ok(record)) => return Some(Ok(RawRecord(record))),
                Some(Err(source)) => return Some(Err(self.note(RecordFault::Content { source }))),
                None => {}
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    let Ok(chunk) = frame.into_data() else { continue };
                    self.bytes += chunk.len() as u64;
                    self.splitter.push(chunk);
                }
                Some(Err(source)) => return Some(Err(self.note(RecordFault::Transfer { source }))),
                None => match self.splitter.finish() {
                    Ok(()) => self.end = Some(End::Complete),
                    Err(source) => return Some(Err(self.note(RecordFault::Content { source }))),
                },
            }
        }
        None
    }

    fn note(&mut self, fault: RecordFault) -> RecordFault {
        if fault.is_fatal() {
            self.end = Some(End::Broken);
        }
        fault
    }

    /// How the stream ended; `None` before it has.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// Bytes of the blob that arrived so far, after decompression.
    pub fn bytes_received(&self) -> u64 {
        self.bytes
    }
}
