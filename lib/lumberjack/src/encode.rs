//! Frames for the wire.
//!
//! Events are written as frames once, one behind the other, and numbered when it is known which of them make a window:
//! so any run of them is a window, sent as it lies in memory or handed to the compressor in one piece.

use std::{io::Write, ops::Range};

use flate2::{Compression, write::ZlibEncoder};

use crate::{EVENT_HEAD_BYTES, Kind, SHORT_FRAME_BYTES, VERSION};

/// By how much text shrinks at least, roughly, for the first allocation.
const SHRINKS_BY: usize = 5;

/// Events as frames, in order.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Where each frame ends.
    ends: Vec<usize>,
}

/// An event is larger than a frame, or than it may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of {bytes} bytes is larger than {max}")]
pub struct PayloadTooLarge {
    /// Its size.
    pub bytes: usize,
    /// The limit.
    pub max: usize,
}

impl Frames {
    /// No event yet, and space for so many.
    pub fn with_capacity(events: usize, bytes: usize) -> Frames {
        let bytes = bytes.saturating_add(events.saturating_mul(EVENT_HEAD_BYTES));
        Frames { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(events) }
    }

    /// Appends an event: `write` appends its JSON. One of more than `bytes_max` bytes is left out.
    pub fn push(
        &mut self,
        bytes_max: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), PayloadTooLarge> {
        let start = self.bytes.len();
        // The number and the length are not known yet.
        self.bytes.extend_from_slice(&[VERSION, Kind::Json.byte(), 0, 0, 0, 0, 0, 0, 0, 0]);
        write(&mut self.bytes);
        let bytes = self.bytes.len() - start - EVENT_HEAD_BYTES;
        let length = u32::try_from(bytes).ok().filter(|_| bytes <= bytes_max);
        let Some(length) = length else {
            self.bytes.truncate(start);
            return Err(PayloadTooLarge { bytes, max: bytes_max });
        };
        self.bytes[start + 6..start + EVENT_HEAD_BYTES].copy_from_slice(&length.to_be_bytes());
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The JSON of an event.
    pub fn payload(&self, index: usize) -> &[u8] {
        &self.bytes[self.start(index) + EVENT_HEAD_BYTES..self.ends[index]]
    }

    /// Bytes of these events' frames.
    pub fn bytes_of(&self, events: Range<usize>) -> usize {
        self.start(events.end) - self.start(events.start)
    }

    /// Puts an event behind all others.
    ///
    /// # Panics
    /// When there is no event of this index.
    pub fn move_to_end(&mut self, index: usize) {
        let start = self.start(index);
        let bytes = self.ends[index] - start;
        self.bytes[start..].rotate_left(bytes);
        self.ends.remove(index);
        for end in &mut self.ends[index..] {
            *end -= bytes;
        }
        self.ends.push(self.bytes.len());
    }

    /// The frames of these events, numbered from 1 as a window is.
    pub fn numbered(&mut self, events: Range<usize>) -> &[u8] {
        let mut start = self.start(events.start);
        let all = start..self.start(events.end);
        for (number, end) in (1_u32..).zip(&self.ends[events]) {
            self.bytes[start + 2..start + 6].copy_from_slice(&number.to_be_bytes());
            start = *end;
        }
        &self.bytes[all]
    }

    /// A whole window of these events, as one compressed frame. `level` is from 1, fast, to 9, small.
    pub fn compressed(&mut self, events: Range<usize>, level: u32) -> Vec<u8> {
        let window = window_of(count(events.len()));
        let frames = self.numbered(events);
        let mut bytes = Vec::with_capacity(frames.len() / SHRINKS_BY + 64);
        bytes.extend_from_slice(&window);
        bytes.extend_from_slice(&[VERSION, Kind::Compressed.byte(), 0, 0, 0, 0]);
        let start = bytes.len();
        let mut encoder = ZlibEncoder::new(bytes, Compression::new(level.min(9)));
        let written = encoder.write_all(frames).and_then(|()| encoder.finish());
        let mut bytes = written.expect("compressing into memory does not fail");
        let length = count(bytes.len() - start);
        bytes[start - 4..start].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// Where the frame of an event begins; for the number of events, where the last one ends.
    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.ends[before])
    }
}

/// The frame that announces a window of so many events.
pub fn window_of(events: u32) -> [u8; SHORT_FRAME_BYTES] {
    short_frame(Kind::Window, events)
}

/// The frame with which a receiver says that it has taken over the events up to this number.
pub fn ack(sequence: u32) -> [u8; SHORT_FRAME_BYTES] {
    short_frame(Kind::Ack, sequence)
}

fn short_frame(kind: Kind, number: u32) -> [u8; SHORT_FRAME_BYTES] {
    let [a, b, c, d] = number.to_be_bytes();
    [VERSION, kind.byte(), a, b, c, d]
}

/// A number as frames hold it. Windows are bounded far below 4 GB and 4 billion events by those who make them.
fn count(number: usize) -> u32 {
    u32::try_from(number).expect("a window is bounded by its maker")
}
