//! Lumberjack, version 2: how Beats speak to Logstash, with JSON events in acknowledged windows.
//!
//! A sender announces a window of so many events, sends them numbered from 1, and the receiver acknowledges the highest
//! number that it has taken over. Here are the frames ([`Frames`], [`Decoder`]), without I/O, and a [`Client`] for one
//! connection that somebody else has made.
//!
//! Invariant: whatever the other side sends, memory is bounded and nothing panics. It does not connect, encrypt, repeat
//! or know what an event is: bytes that are JSON.

mod client;
mod decode;
mod encode;
mod excerpt;

pub use client::{Client, ClientError, Undelivered};
pub use decode::{Decoder, Frame, FrameError, Limits};
pub use encode::{Frames, PayloadTooLarge, ack, window_of};
pub use excerpt::Excerpt;

/// The version that each frame begins with.
const VERSION: u8 = b'2';

/// Bytes of the frames `window` and `ack`: version, type, a number.
const SHORT_FRAME_BYTES: usize = 6;

/// Bytes in front of an event: version, type, its number, its length.
const EVENT_HEAD_BYTES: usize = 10;

/// The second byte of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Window = b'W',
    Json = b'J',
    Compressed = b'C',
    Ack = b'A',
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Window, Kind::Json, Kind::Compressed, Kind::Ack];

    fn byte(self) -> u8 {
        self as u8
    }

    fn of(byte: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.byte() == byte)
    }
}
