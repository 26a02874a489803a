//! Events into the body of a `_bulk` request: a line that says what to do, a line with the document.
//!
//! Each document's place in the body is remembered, so that what the server refuses for now is copied into the next
//! body as it is, and what it refuses for good into the dead letters; an event's content is freed once it is encoded.

use std::sync::Arc;

use bytes::Bytes;
use pipeline_core::{ComponentId, DeadLetter, Event, EventAck, LetterKind, Origin, Timestamp};

use super::action_line::ActionLine;
use crate::delivery::{Encoded, Rejected, append_line};

/// Bytes by which a mapped event outgrows its record, roughly, with its action line.
const BODY_GROWTH: usize = 2;

/// Makes requests of events.
#[derive(Debug)]
pub(super) struct Encoder {
    pub action_line: ActionLine,
    /// A body ends before it exceeds this, if it holds an event already.
    pub bytes_max: usize,
    pub component_id: ComponentId,
}

/// A request's body, and what it is made of.
#[derive(Debug)]
pub(super) struct BulkRequest {
    /// The items, without a gap, in order.
    pub body: Bytes,
    pub items: Vec<Item>,
}

/// One event in a body.
#[derive(Debug)]
pub(super) struct Item {
    pub ack: EventAck,
    pub origin: Arc<Origin>,
    /// The line that says what to do, with its line feed.
    pub action_bytes: usize,
    /// The line with the document, with its line feed.
    pub document_bytes: usize,
}

impl Item {
    pub(super) fn bytes(&self) -> usize {
        self.action_bytes + self.document_bytes
    }

    /// The dead letter of an event whose lines are `lines`.
    pub(super) fn reject(
        self,
        lines: &[u8],
        (kind, reason): (LetterKind, String),
        component_id: &ComponentId,
        time: Timestamp,
    ) -> Rejected {
        let document = lines[self.action_bytes..].trim_ascii_end().to_vec();
        let letter = DeadLetter {
            component_id: Arc::clone(component_id),
            kind,
            reason,
            time,
            origin: self.origin.name().to_owned(),
            metadata: None,
            payload: document,
        };
        Rejected { letter, ack: self.ack }
    }
}

impl Encoder {
    /// Makes as few requests as the limit allows. `now` is the time of what is rejected.
    pub(super) fn encode(&self, events: Vec<Event>, now: Timestamp) -> Encoded<BulkRequest> {
        let mut encoded = Encoded { requests: Vec::new(), rejected: Vec::new() };
        let received: usize = events.iter().map(Event::byte_size).sum();
        let mut body = Vec::with_capacity(received.saturating_mul(BODY_GROWTH).min(self.bytes_max));
        let mut items = Vec::with_capacity(events.len());
        let mut scratch = String::new();
        for event in events {
            let start = body.len();
            if let Err(error) = self.action_line.write(&event, &mut scratch, &mut body) {
                body.truncate(start);
                let (id, kind) = (Arc::clone(&self.component_id), LetterKind::UnusableField);
                let letter = DeadLetter::of(&event, id, kind, error.to_string(), now);
                encoded.rejected.push(Rejected { letter, ack: event.into_ack() });
                continue;
            }
            let action_bytes = body.len() - start;
            append_line(&event, &mut body);
            let document_bytes = body.len() - start - action_bytes;
            if body.len() > self.bytes_max && start > 0 {
                let next = body.split_off(start);
                let full = std::mem::replace(&mut body, next);
                encoded.requests.push(BulkRequest::of(full, std::mem::take(&mut items)));
            }
            let origin = Arc::clone(event.origin());
            items.push(Item { ack: event.into_ack(), origin, action_bytes, document_bytes });
        }
        if !items.is_empty() {
            encoded.requests.push(BulkRequest::of(body, items));
        }
        encoded
    }
}

impl BulkRequest {
    /// A request of these items.
    pub(super) fn of(body: Vec<u8>, items: Vec<Item>) -> BulkRequest {
        BulkRequest { body: body.into(), items }
    }

    /// The same events in two requests, of nearly the same size in bytes; nothing when it is one event.
    pub(super) fn halves(mut self) -> Result<[BulkRequest; 2], BulkRequest> {
        if self.items.len() < 2 {
            return Err(self);
        }
        let half = self.body.len() / 2;
        let (mut count, mut end) = (1, self.items[0].bytes());
        while count < self.items.len() - 1 && end + self.items[count].bytes() <= half {
            end += self.items[count].bytes();
            count += 1;
        }
        let items = self.items.split_off(count);
        let body = self.body.split_off(end);
        Ok([self, BulkRequest { body, items }])
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use pipeline_core::testing::batch;

    use super::{
        super::{action_line::tests::action_line, target::Action},
        *,
    };

    fn encoder(index: &str, bytes_max: usize) -> Encoder {
        let action_line = action_line(index, Action::Create);
        Encoder { action_line, bytes_max, component_id: "es".into() }
    }

    fn check(maker: &Encoder, records: &[&str], expected: &Expect) {
        let (events, _receipt) = batch(records);
        let encoded = maker.encode(events.into_events(), Timestamp::UNIX_EPOCH);
        let mut lines = Vec::new();
        for request in &encoded.requests {
            let items: usize = request.items.iter().map(Item::bytes).sum();
            assert_eq!(items, request.body.len(), "the items cover the body");
            lines.push(format!("-- {} items", request.items.len()));
            lines.push(std::str::from_utf8(&request.body).expect("text").trim_end().to_owned());
        }
        for Rejected { letter, .. } in &encoded.rejected {
            let payload = String::from_utf8_lossy(&letter.payload);
            lines.push(format!("rejected {payload}: {}", letter.reason));
        }
        let text = lines.join("\n") + "\n";
        expected.assert_eq(&text);
    }

    #[test]
    fn an_event_is_an_action_and_a_document() {
        check(
            &encoder("o365-%Y", 999),
            &[
                r#"{"id":"a\"b","time":"2026-01-01T00:00:00","x":[1]}"#,
                r#"{"id":7,"time":"2025-01-01T00:00:00"}"#,
            ],
            &expect![[r#"
                -- 2 items
                {"create":{"_index":"o365-2026","_id":"a\"b"}}
                {"id":"a\"b","time":"2026-01-01T00:00:00","x":[1]}
                {"create":{"_index":"o365-2025","_id":"7"}}
                {"id":7,"time":"2025-01-01T00:00:00"}
            "#]],
        );
    }

    #[test]
    fn what_has_no_id_is_rejected_and_the_rest_is_sent() {
        check(
            &encoder("o365", 999),
            &["{}", r#"{"id":""}"#, r#"{"id":"ok"}"#],
            &expect![[r#"
                -- 1 items
                {"create":{"_index":"o365","_id":"ok"}}
                {"id":"ok"}
                rejected {}: the event has no text or number in `id` to be its `_id`
                rejected {"id":""}: `id` has 0 bytes, but an `_id` has 1 to 512
            "#]],
        );
    }

    #[test]
    fn a_body_ends_before_it_is_too_large() {
        check(
            &encoder("o365", 100),
            &[r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3}"#],
            &expect![[r#"
                -- 2 items
                {"create":{"_index":"o365","_id":"1"}}
                {"id":1}
                {"create":{"_index":"o365","_id":"2"}}
                {"id":2}
                -- 1 items
                {"create":{"_index":"o365","_id":"3"}}
                {"id":3}
            "#]],
        );
    }

    #[test]
    fn halves_hold_the_same_events() {
        for (records, sizes) in [
            (vec!["{\"id\":1}"; 2], [1, 1]),
            (vec!["{\"id\":1}"; 5], [2, 3]),
            (
                vec![
                    "{\"id\":1,\"x\":\"..............................................................\"}",
                    "{\"id\":1}",
                    "{\"id\":1}",
                ],
                [1, 2],
            ),
        ] {
            let (events, _receipt) = batch(&records);
            let mut encoded =
                encoder("o365", 9999).encode(events.into_events(), Timestamp::UNIX_EPOCH);
            let request = encoded.requests.pop().expect("a request");
            let body = request.body.clone();
            let [first, second] = request.halves().expect("it is more than one");
            assert_eq!([first.items.len(), second.items.len()], sizes);
            assert_eq!([first.body, second.body].concat(), body);
        }
    }
}
