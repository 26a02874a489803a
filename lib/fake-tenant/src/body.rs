//! How a body goes out: in pieces, at its pace, and, when a fault says so, not to its end.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::book::Receipt;
use crate::content::Chunks;

/// The body of an answer. An error means that the connection broke.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// How a body is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manner {
    pub(crate) cut: Option<Cut>,
    /// Size of the pieces and the wait before each.
    pub(crate) pace: Option<(usize, Duration)>,
}

/// Where a body ends before its time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Reset(u64),
    Truncate(u64),
}

/// Makes a body of the pieces; the receipt is signed once the last byte was taken.
pub(crate) fn body(chunks: Chunks, manner: Manner, receipt: Option<Receipt>) -> Body {
    let left = manner.cut.map(|cut| match cut {
        Cut::Reset(bytes) | Cut::Truncate(bytes) => bytes,
    });
    let sender = Sender { chunks, pending: Bytes::new(), manner, left, receipt, broken: false };
    let frames = stream::unfold(sender, |mut sender| async move {
        let piece = sender.next().await?;
        Some((piece.map(Frame::data), sender))
    });
    StreamBody::new(frames).boxed_unsync()
}

struct Sender {
    chunks: Chunks,
    pending: Bytes,
    manner: Manner,
    /// Bytes until the cut.
    left: Option<u64>,
    receipt: Option<Receipt>,
    broken: bool,
}

impl Sender {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.broken {
            return None;
        }
        while self.pending.is_empty() && self.left != Some(0) {
            match self.chunks.next() {
                Some(chunk) => self.pending = chunk,
                None => return self.end(),
            }
        }
        let mut bytes = self.pending.len();
        if let Some(left) = self.left {
            bytes = bytes.min(usize::try_from(left).unwrap_or(usize::MAX));
        }
        if bytes == 0 {
            return self.cut_off();
        }
        if let Some((chunk_bytes, delay)) = self.manner.pace {
            bytes = bytes.min(chunk_bytes.max(1));
            tokio::time::sleep(delay).await;
        }
        if let Some(left) = &mut self.left {
            *left -= bytes as u64;
        }
        Some(Ok(self.pending.split_to(bytes)))
    }

    /// The body was sent whole; a reset that has not come yet comes now.
    fn end(&mut self) -> Option<io::Result<Bytes>> {
        if matches!(self.manner.cut, Some(Cut::Reset(_))) {
            return self.cut_off();
        }
        if let Some(receipt) = self.receipt.take() {
            receipt.sign();
        }
        self.broken = true;
        None
    }

    fn cut_off(&mut self) -> Option<io::Result<Bytes>> {
        self.broken = true;
        match self.manner.cut {
            Some(Cut::Reset(_)) => Some(Err(io::ErrorKind::ConnectionReset.into())),
            Some(Cut::Truncate(_)) | None => None,
        }
    }
}
