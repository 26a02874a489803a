//! What is done to a buffer's file at once, and what comes of it.

use super::{codec::Content, record::Amount, store::BufferError};

/// A batch to be stored.
#[derive(Debug, Default)]
pub(super) struct Packed {
    pub(super) content: Vec<u8>,
    pub(super) events: u32,
}

/// A batch that was read.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) kept: Kept,
    pub(super) contents: Vec<Content>,
}

/// A batch in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) events: u64,
    /// Bytes of its record.
    pub(super) bytes: u64,
}

impl Kept {
    pub(super) fn amount(&self) -> Amount {
        Amount { events: self.events, bytes: self.bytes }
    }
}

/// What is to be done to the file at once.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// To be stored, in this order.
    pub(super) add: Vec<Packed>,
    /// Go on with the next where one does not fit.
    pub(super) may_skip: bool,
    /// Batches that are settled.
    pub(super) remove: Vec<Kept>,
    /// The number of the first batch that is not settled, as far as the caller has read.
    pub(super) first: u64,
    /// Batches to be read once more.
    pub(super) again: Vec<u64>,
    /// Bytes of new batches to be read, as their sources received them; 0 reads none.
    pub(super) read_bytes: usize,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// For each batch to be stored, whether it was.
    pub(super) added: Vec<bool>,
    /// New batches, in order.
    pub(super) read: Vec<Unpacked>,
    /// Those asked for again; one that cannot be read is not among them.
    pub(super) again: Vec<Unpacked>,
    /// What was found to be lost.
    pub(super) lost: Amount,
    /// Why nothing could be read.
    pub(super) failure: Option<BufferError>,
}
