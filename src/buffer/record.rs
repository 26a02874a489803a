//! What stands in the buffer's file: one record a batch, and one that says where the buffer is.
//!
//! Invariant: a record says by itself whether it is whole, and begins with bytes that can be searched for, so that it can be
//! found in a file whose structure is broken.

use flate2::Crc;

/// Begins the record of a batch; the last byte is the version of its form.
pub(super) const BATCH_MAGIC: [u8; 8] = *b"o365buf\x01";

/// Begins the record of the state.
pub(super) const STATE_MAGIC: [u8; 8] = *b"o365sta\x01";

/// Bytes of a header.
pub(super) const HEADER_BYTES: usize = 40;

/// Bytes of the state's record.
pub(super) const STATE_BYTES: usize = 44;

/// What is in front of a batch's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The batch's number; later batches have greater ones.
    pub(super) number: u64,
    /// The number of the first batch that was not settled when this one was written.
    pub(super) first: u64,
    /// Events in the batch.
    pub(super) events: u32,
    /// Bytes of content that follow.
    pub(super) length: u32,
    content_sum: u32,
}

/// Where the buffer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The number of the first batch that is not settled.
    pub(super) first: u64,
    /// The number of the next batch.
    pub(super) next: u64,
    /// What is in the file.
    pub(super) amount: Amount,
}

/// Events, and the bytes of the records that they are in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) events: u64,
    pub(super) bytes: u64,
}

impl Amount {
    pub(super) fn add(&mut self, other: Amount) {
        self.events += other.events;
        self.bytes += other.bytes;
    }

    pub(super) fn subtract(&mut self, other: Amount) {
        self.events = self.events.saturating_sub(other.events);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

impl Header {
    /// The header of `content`.
    pub(super) fn new(number: u64, first: u64, events: u32, content: &[u8]) -> Header {
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        Header { number, first, events, length, content_sum: sum(content) }
    }

    /// The header at the start of `bytes`, if it is whole.
    pub(super) fn read(bytes: &[u8]) -> Option<Header> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let fields = checked(bytes, BATCH_MAGIC)?;
        Some(Header {
            number: u64_at(fields, 0)?,
            first: u64_at(fields, 8)?,
            events: u32_at(fields, 16)?,
            length: u32_at(fields, 20)?,
            content_sum: u32_at(fields, 24)?,
        })
    }

    /// Header and content, as they are stored.
    pub(super) fn record(&self, content: &[u8]) -> Vec<u8> {
        let mut fields = Vec::with_capacity(HEADER_BYTES);
        fields.extend(self.number.to_be_bytes());
        fields.extend(self.first.to_be_bytes());
        fields.extend(self.events.to_be_bytes());
        fields.extend(self.length.to_be_bytes());
        fields.extend(self.content_sum.to_be_bytes());
        let mut record = sealed(BATCH_MAGIC, &fields);
        record.extend(content);
        record
    }

    /// Bytes of the whole record.
    pub(super) fn record_bytes(&self) -> usize {
        HEADER_BYTES + self.length as usize
    }

    /// What is in the record.
    pub(super) fn amount(&self) -> Amount {
        Amount { events: self.events.into(), bytes: self.record_bytes() as u64 }
    }

    /// Whether `content` is what the header was made for.
    pub(super) fn fits(&self, content: &[u8]) -> bool {
        content.len() == self.length as usize && sum(content) == self.content_sum
    }
}

impl State {
    /// The state at the start of `bytes`, if it is whole.
    pub(super) fn read(bytes: &[u8]) -> Option<State> {
        let bytes: &[u8; STATE_BYTES] = bytes.first_chunk()?;
        let fields = checked(bytes, STATE_MAGIC)?;
        Some(State {
            first: u64_at(fields, 0)?,
            next: u64_at(fields, 8)?,
            amount: Amount { events: u64_at(fields, 16)?, bytes: u64_at(fields, 24)? },
        })
    }

    /// The state as it is stored.
    pub(super) fn record(&self) -> Vec<u8> {
        let Amount { events, bytes } = self.amount;
        let fields = [self.first, self.next, events, bytes].map(u64::to_be_bytes);
        sealed(STATE_MAGIC, fields.as_flattened())
    }
}

/// Magic, checksum, fields.
fn sealed(magic: [u8; 8], fields: &[u8]) -> Vec<u8> {
    [magic.as_slice(), &sum(fields).to_be_bytes(), fields].concat()
}

/// The fields of what [`sealed`] has made.
fn checked(bytes: &[u8], magic: [u8; 8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(&magic)?;
    let (stored, fields) = rest.split_at_checked(4)?;
    (u32_at(stored, 0)? == sum(fields)).then_some(fields)
}

fn sum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
