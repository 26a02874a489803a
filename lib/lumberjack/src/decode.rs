//! Frames from the wire, however they are cut, from senders and receivers that may be hostile.
//!
//! Invariants: no length is believed before it was compared with its limit; what inflates is bounded while it does; a
//! compressed frame holds events and no other frame, so that nothing recurses.

use std::io::{self, Read};

use flate2::read::ZlibDecoder;

use crate::{EVENT_HEAD_BYTES, Excerpt, Kind, SHORT_FRAME_BYTES, VERSION};

/// Bytes that are dropped at the front before those behind them are moved there.
const SPENT_BYTES_MAX: usize = 64 * 1024;

/// What may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an event's JSON.
    pub event_bytes_max: usize,
    /// Bytes of a compressed frame, as it comes.
    pub compressed_bytes_max: usize,
    /// Bytes that a compressed frame may inflate to.
    pub inflated_bytes_max: usize,
}

/// One frame. What a compressed one holds comes as the events that it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// So many events follow.
    Window(u32),
    /// An event.
    Json {
        /// Its number in the window.
        sequence: u32,
        /// Its JSON, as it came.
        payload: Vec<u8>,
    },
    /// The events up to this number were taken over; 0 says that the receiver is still there.
    Ack(u32),
}

/// Why what came is no frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Something else is spoken.
    #[error("this is no frame of Lumberjack 2: {0}")]
    Nonsense(Excerpt),
    /// It is a frame, but not of this direction or not at this place.
    #[error("a frame of type `{kind}` does not belong here: {excerpt}")]
    Misplaced {
        /// The type, as on the wire.
        kind: char,
        /// What came.
        excerpt: Excerpt,
    },
    /// A frame announces more than it may hold.
    #[error("a frame of type `{kind}` announces {bytes} bytes, and the limit is {max}")]
    TooLarge {
        /// The type, as on the wire.
        kind: char,
        /// What it announces.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// What is compressed can't be read.
    #[error("a compressed frame cannot be read")]
    Inflate(#[source] io::Error),
    /// What is compressed is too much.
    #[error("a compressed frame holds more than {max} bytes")]
    Bomb {
        /// The limit.
        max: usize,
    },
    /// A compressed frame ends in the middle of an event.
    #[error("a compressed frame ends within an event")]
    Cut,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    Sender(Limits),
    Receiver,
}

/// Makes frames of bytes as they come. After an error it gives nothing sensible any more.
#[derive(Debug)]
pub struct Decoder {
    speaker: Speaker,
    arrived: Bytes,
    /// What the compressed frame that came last has not given yet.
    inflated: Bytes,
}

/// Bytes that are taken from the front.
#[derive(Debug, Default)]
struct Bytes {
    bytes: Vec<u8>,
    spent: usize,
}

/// The beginning of a frame, which says how long it is.
struct Head {
    kind: Kind,
    /// Of the frame as a whole.
    bytes: usize,
}

impl Decoder {
    /// Reads what a sender of events says: windows and events.
    pub fn of_sender(limits: Limits) -> Decoder {
        Decoder::new(Speaker::Sender(limits))
    }

    /// Reads what a receiver says: acknowledgements.
    pub fn of_receiver() -> Decoder {
        Decoder::new(Speaker::Receiver)
    }

    fn new(speaker: Speaker) -> Decoder {
        Decoder { speaker, arrived: Bytes::default(), inflated: Bytes::default() }
    }

    /// Takes bytes in.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.arrived.drop_spent();
        self.arrived.bytes.extend_from_slice(bytes);
    }

    /// The next frame, or nothing when it has not come as a whole.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if !self.inflated.rest().is_empty() {
                return self.next_inflated().map(Some);
            }
            let Some(head) = head_of(self.arrived.rest(), self.speaker)? else { return Ok(None) };
            if self.arrived.rest().len() < head.bytes {
                return Ok(None);
            }
            let frame = self.arrived.take(head.bytes);
            match (head.kind, self.speaker) {
                (Kind::Window, _) => return Ok(Some(Frame::Window(number_at(frame, 2)))),
                (Kind::Ack, _) => return Ok(Some(Frame::Ack(number_at(frame, 2)))),
                (Kind::Json, _) => return Ok(Some(event_of(frame))),
                (Kind::Compressed, Speaker::Sender(limits)) => {
                    let bytes = inflate(&frame[SHORT_FRAME_BYTES..], limits.inflated_bytes_max)?;
                    self.inflated = Bytes { bytes, spent: 0 };
                }
                (Kind::Compressed, Speaker::Receiver) => {
                    return Err(misplaced(Kind::Compressed, frame));
                }
            }
        }
    }

    fn next_inflated(&mut self) -> Result<Frame, FrameError> {
        let rest = self.inflated.rest();
        let head = head_of(rest, self.speaker)?.ok_or(FrameError::Cut)?;
        if head.kind != Kind::Json {
            return Err(misplaced(head.kind, rest));
        }
        if rest.len() < head.bytes {
            return Err(FrameError::Cut);
        }
        Ok(event_of(self.inflated.take(head.bytes)))
    }
}

impl Bytes {
    fn rest(&self) -> &[u8] {
        &self.bytes[self.spent..]
    }

    fn take(&mut self, count: usize) -> &[u8] {
        let start = self.spent;
        self.spent += count;
        &self.bytes[start..self.spent]
    }

    fn drop_spent(&mut self) {
        if self.spent == self.bytes.len() {
            self.bytes.clear();
            self.spent = 0;
        } else if self.spent > SPENT_BYTES_MAX {
            self.bytes.drain(..self.spent);
            self.spent = 0;
        }
    }
}

/// Reads the beginning of a frame, if it is there, and compares it with the limits.
fn head_of(bytes: &[u8], speaker: Speaker) -> Result<Option<Head>, FrameError> {
    let [version, rest @ ..] = bytes else { return Ok(None) };
    if *version != VERSION {
        return Err(FrameError::Nonsense(Excerpt::of(bytes)));
    }
    let Some(kind) = rest.first() else { return Ok(None) };
    let kind = Kind::of(*kind).ok_or_else(|| FrameError::Nonsense(Excerpt::of(bytes)))?;
    let (head_bytes, max) = match (kind, speaker) {
        (Kind::Window, Speaker::Sender(_)) | (Kind::Ack, Speaker::Receiver) => {
            return Ok(Some(Head { kind, bytes: SHORT_FRAME_BYTES }));
        }
        (Kind::Json, Speaker::Sender(limits)) => (EVENT_HEAD_BYTES, limits.event_bytes_max),
        (Kind::Compressed, Speaker::Sender(limits)) => {
            (SHORT_FRAME_BYTES, limits.compressed_bytes_max)
        }
        (Kind::Ack, Speaker::Sender(_))
        | (Kind::Window | Kind::Json | Kind::Compressed, Speaker::Receiver) => {
            return Err(misplaced(kind, bytes));
        }
    };
    if bytes.len() < head_bytes {
        return Ok(None);
    }
    let length = usize::try_from(number_at(bytes, head_bytes - 4)).unwrap_or(usize::MAX);
    if length > max {
        return Err(FrameError::TooLarge { kind: kind.byte().into(), bytes: length, max });
    }
    Ok(Some(Head { kind, bytes: head_bytes + length }))
}

/// The event in a frame that has come as a whole.
fn event_of(frame: &[u8]) -> Frame {
    Frame::Json { sequence: number_at(frame, 2), payload: frame[EVENT_HEAD_BYTES..].to_vec() }
}

fn misplaced(kind: Kind, bytes: &[u8]) -> FrameError {
    FrameError::Misplaced { kind: kind.byte().into(), excerpt: Excerpt::of(bytes) }
}

/// Four bytes as a number. They have come.
fn number_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn inflate(compressed: &[u8], max: usize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = Vec::new();
    let mut limited = ZlibDecoder::new(compressed).take(max as u64 + 1);
    limited.read_to_end(&mut bytes).map_err(FrameError::Inflate)?;
    if bytes.len() > max { Err(FrameError::Bomb { max }) } else { Ok(bytes) }
}
