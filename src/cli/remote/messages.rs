//! Server-sent events, as they arrive.

use std::time::Duration;

use http_body_util::BodyExt;
use net::Body;
use tokio::time::timeout;

use super::ApiError;

/// The API sends a ping every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(40);

/// Bytes of one message: an event of some megabytes with what it was before.
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Message {
    /// What it is.
    pub(in crate::cli) event: String,
    /// JSON.
    pub(in crate::cli) data: String,
}

/// A stream of messages.
pub(in crate::cli) struct Messages {
    url: String,
    body: Body,
    parser: Parser,
}

impl Messages {
    pub(super) fn new(url: String, body: Body) -> Messages {
        Messages { url, body, parser: Parser::default() }
    }

    /// The next message. Cancel-safe.
    pub(in crate::cli) async fn next(&mut self) -> Result<Message, ApiError> {
        loop {
            if let Some(message) = self.parser.take() {
                return Ok(message);
            }
            let url = || self.url.clone();
            if self.parser.waiting.len() > MESSAGE_BYTES_MAX {
                return Err(ApiError::TooLarge { url: url(), bytes_max: MESSAGE_BYTES_MAX });
            }
            let frame = timeout(SILENCE_MAX, self.body.frame()).await;
            let frame = frame.map_err(|_| ApiError::Silent { url: url() })?;
            let frame = frame.ok_or_else(|| ApiError::Ended { url: url() })?;
            let frame = frame.map_err(|source| ApiError::BrokeOff { url: url(), source })?;
            if let Ok(bytes) = frame.into_data() {
                self.parser.waiting.extend_from_slice(&bytes);
            }
        }
    }
}

/// Takes messages out of bytes.
#[derive(Debug, Default)]
struct Parser {
    waiting: Vec<u8>,
}

impl Parser {
    /// The next whole message. Comments and other fields are passed over.
    fn take(&mut self) -> Option<Message> {
        loop {
            let end = self.waiting.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.waiting.drain(..end + 2).collect();
            let block = String::from_utf8_lossy(&block);
            let mut message = Message { event: String::new(), data: String::new() };
            for line in block.lines() {
                let (field, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "event" => value.clone_into(&mut message.event),
                    "data" => message.data.push_str(value),
                    _ => {}
                }
            }
            if !message.event.is_empty() {
                return Some(message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_the_bytes_are_cut() {
        let text = "event: a\ndata: {\"x\":1}\n\n: ping\n\nevent: b\ndata:{}\n\nevent: c\nda";
        for cut in 0..text.len() {
            let mut parser = Parser::default();
            let mut found = Vec::new();
            for part in [&text.as_bytes()[..cut], &text.as_bytes()[cut..]] {
                parser.waiting.extend_from_slice(part);
                while let Some(message) = parser.take() {
                    found.push(format!("{} {}", message.event, message.data));
                }
            }
            assert_eq!(found, ["a {\"x\":1}", "b {}"], "cut at {cut}");
        }
    }
}
