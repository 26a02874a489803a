//! Reads what the server says to a `_bulk` request. Pure.
//!
//! Invariant: every event of a request gets one word, from the item in its place; an answer that has not as many items
//! as the request had events says nothing of any of them.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline_core::LetterKind;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

use super::{
    config::Action,
    encode::{BulkRequest, Item},
};

/// Characters of an answer that makes no sense which a message shows.
const EXCERPT_CHARS_MAX: usize = 200;

/// Characters of a reason that are kept.
const REASON_CHARS_MAX: usize = 1000;

/// Errors that speak of the cluster or the index and not of the event: no space or a limit on writes (before 7.9 with the
/// status 403), a missing right or index, the limit of shards. Somebody can put them right, and then the event fits.
const NOT_THE_EVENTS: [&str; 4] = [
    "cluster_block_exception",
    "security_exception",
    "index_not_found_exception",
    "validation_exception",
];

/// What the server said of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ItemReply {
    pub status: u16,
    /// Absent when all is well.
    pub error: Option<Cause>,
}

/// The server's reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Cause {
    #[serde(default, rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub reason: Option<String>,
}

/// What follows for one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemFate {
    /// The server has it.
    Delivered,
    /// The server takes it later.
    Retry,
    /// The server never takes it.
    Reject,
}

/// What follows for a request as a whole that was answered, but not item by item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send it again after a while.
    Retry,
    /// Send it again, slowly, until somebody has changed credentials or a setting.
    RetryWhenFixed,
    /// It is too large, or one event spoils it: send it in parts. A single event is rejected.
    Split,
}

impl ItemReply {
    /// What follows for the event, which was sent with `action`.
    pub(super) fn fate(&self, action: Action) -> ItemFate {
        match (self.status, action) {
            // 409: an event with this id is there: this one, from an attempt whose answer got lost.
            (200..=299, _) | (409, Action::Create) => ItemFate::Delivered,
            (429 | 500..=599, _) => ItemFate::Retry,
            _ if self.is_not_the_events() => ItemFate::Retry,
            _ => ItemFate::Reject,
        }
    }

    fn is_not_the_events(&self) -> bool {
        self.error.as_ref().is_some_and(|cause| NOT_THE_EVENTS.contains(&cause.kind.as_str()))
    }

    /// Why, in one word.
    pub(super) fn kind(&self) -> LetterKind {
        match (self.status, self.error.as_ref().map(|cause| cause.kind.as_str())) {
            (409, _) => LetterKind::VersionConflict,
            (413, _) => LetterKind::TooLarge,
            (
                _,
                Some(
                    "document_parsing_exception"
                    | "mapper_parsing_exception"
                    | "strict_dynamic_mapping_exception",
                ),
            ) => LetterKind::MappingConflict,
            _ => LetterKind::Refused,
        }
    }

    /// Why, for people.
    pub(super) fn reason(&self) -> String {
        match &self.error {
            Some(cause) => format!("elasticsearch: {} {cause}", self.status),
            None => format!("elasticsearch: {}", self.status),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.kind)?;
        // A reason can quote a document, whose author must not be able to write lines into our log.
        let reason = self.reason.as_deref().unwrap_or("no reason given");
        for char in reason.chars().take(REASON_CHARS_MAX) {
            formatter.write_char(if char.is_control() { ' ' } else { char })?;
        }
        Ok(())
    }
}

/// What follows a status other than 200.
pub(super) fn step(status: u16) -> Step {
    match status {
        400 | 413 => Step::Split,
        408 | 429 | 500..=599 => Step::Retry,
        _ => Step::RetryWhenFixed,
    }
}

/// Why an answer says nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplyError {
    #[error("the answer is not one to a `_bulk` request: {excerpt}")]
    Nonsense { excerpt: String, source: serde_json::Error },
    #[error("the answer has {items} items for {events} events: {excerpt}")]
    Count { items: usize, events: usize, excerpt: String },
}

/// Reads the answer to a request of `events` events.
pub(super) fn parse(body: &[u8], events: usize) -> Result<Vec<ItemReply>, ReplyError> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|source| ReplyError::Nonsense { excerpt: excerpt(body), source })?;
    let items = answer.items.len();
    if items != events {
        return Err(ReplyError::Count { items, events, excerpt: excerpt(body) });
    }
    Ok(answer.items.into_iter().map(|entry| entry.0).collect())
}

/// Why a request was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The reason that the body gives, or its first characters.
    pub reason: String,
    /// The words are Elasticsearch's own, not those of something in front of it.
    pub is_the_servers: bool,
}

/// Reads the body of an error.
pub(super) fn refusal(body: &[u8]) -> Refusal {
    #[derive(Deserialize)]
    struct Answer {
        error: Cause,
    }
    match serde_json::from_slice::<Answer>(body) {
        Ok(answer) => Refusal { reason: answer.error.to_string(), is_the_servers: true },
        Err(_) if body.is_empty() => {
            Refusal { reason: "no reason given".to_owned(), is_the_servers: false }
        }
        Err(_) => Refusal { reason: excerpt(body), is_the_servers: false },
    }
}

/// Reads `Retry-After`: seconds, or a date.
pub(super) fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::<Utc>::from(httpdate::parse_http_date(value.trim()).ok()?);
    Some((date - now).to_std().unwrap_or_default())
}

/// The beginning of an answer, in one line and safe to print.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * EXCERPT_CHARS_MAX)]);
    format!("\"{}\"", text.chars().take(EXCERPT_CHARS_MAX).collect::<String>().escape_debug())
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Entry>,
}

/// One item: `{"create": {"status": 201}}`, whatever the action's name.
struct Entry(ItemReply);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an item of one action")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        #[derive(Deserialize)]
        struct Outcome {
            status: u16,
            error: Option<Cause>,
        }
        let Some((IgnoredAny, outcome)) = map.next_entry::<IgnoredAny, Outcome>()? else {
            return Err(A::Error::custom("an item without an action"));
        };
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("an item with two actions"));
        }
        Ok(Entry(ItemReply { status: outcome.status, error: outcome.error }))
    }
}

/// The events of a request, by what the server said of them.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub delivered: Vec<Item>,
    /// With their lines and the reason.
    pub rejected: Vec<(Item, Bytes, (LetterKind, String))>,
    /// To be sent again, and the reason of the first.
    pub again: Option<(BulkRequest, String)>,
    /// Whether the server has too much to do for some of them.
    pub is_overload: bool,
}

/// Sorts the events of `request` by `replies`, of which there are as many.
pub(super) fn sort(request: BulkRequest, replies: &[ItemReply], action: Action) -> Sorted {
    let mut sorted = Sorted::default();
    let mut body = Vec::new();
    let mut items = Vec::new();
    let mut first_reason = None;
    let mut start = 0;
    for (item, reply) in request.items.into_iter().zip(replies) {
        let end = start + item.bytes();
        match reply.fate(action) {
            ItemFate::Delivered => sorted.delivered.push(item),
            ItemFate::Reject => {
                let why = (reply.kind(), reply.reason());
                sorted.rejected.push((item, request.body.slice(start..end), why));
            }
            ItemFate::Retry => {
                first_reason.get_or_insert_with(|| reply.reason());
                sorted.is_overload |=
                    matches!(reply.status, 429 | 503) && !reply.is_not_the_events();
                body.extend_from_slice(&request.body[start..end]);
                items.push(item);
            }
        }
        start = end;
    }
    sorted.again = first_reason.map(|reason| (BulkRequest::of(body, items), reason));
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, events: usize, expected: &str) {
        let replies = match parse(body.as_bytes(), events) {
            Err(error) => error.to_string(),
            Ok(replies) => replies
                .iter()
                .map(|reply| format!("{:?} {}", reply.fate(Action::Create), reply.reason()))
                .collect::<Vec<_>>()
                .join("; "),
        };
        assert_eq!(replies, expected);
    }

    #[test]
    fn each_item_has_its_own_fate() {
        let body = r#"{"took":3,"errors":true,"items":[
            {"create":{"status":201}},
            {"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"exists"}}},
            {"create":{"status":429,"error":{"type":"cluster_block_exception","reason":null}}},
            {"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"bad \"ip\""}}},
            {"create":{"status":503}}]}"#;
        check(
            body,
            5,
            "Delivered elasticsearch: 201; \
             Delivered elasticsearch: 409 version_conflict_engine_exception: exists; \
             Retry elasticsearch: 429 cluster_block_exception: no reason given; \
             Reject elasticsearch: 400 document_parsing_exception: bad \"ip\"; \
             Retry elasticsearch: 503",
        );
    }

    #[test]
    fn what_is_wrong_with_the_cluster_is_not_held_against_the_event() {
        for (status, kind) in [
            (403, "cluster_block_exception"),
            (403, "security_exception"),
            (404, "index_not_found_exception"),
            (400, "validation_exception"),
        ] {
            let error = Some(Cause { kind: kind.to_owned(), reason: None });
            assert_eq!(ItemReply { status, error }.fate(Action::Create), ItemFate::Retry, "{kind}");
        }
    }

    #[test]
    fn a_conflict_is_a_success_for_create_alone() {
        let reply = ItemReply { status: 409, error: None };
        assert_eq!(reply.fate(Action::Create), ItemFate::Delivered);
        assert_eq!(reply.fate(Action::Index), ItemFate::Reject);
    }

    #[test]
    fn an_answer_that_says_nothing_is_an_error() {
        const START: &str = "the answer is not one to a `_bulk` request: ";
        check("{\"items\":[]}", 1, "the answer has 0 items for 1 events: \"{\\\"items\\\":[]}\"");
        check("", 1, &format!("{START}\"\""));
        check("<html>\n", 1, &format!("{START}\"<html>\\n\""));
        check("{\"items\":[{}]}", 1, &format!("{START}\"{{\\\"items\\\":[{{}}]}}\""));
        check(
            "{\"items\":[{\"a\":{}}]}",
            1,
            &format!("{START}\"{{\\\"items\\\":[{{\\\"a\\\":{{}}}}]}}\""),
        );
        let long = "é".repeat(1000);
        check(&long, 1, &format!("{START}\"{}\"", "é".repeat(200)));
    }

    #[test]
    fn a_refusal_gives_the_servers_reason() {
        let body = br#"{"error":{"root_cause":[],"type":"security_exception","reason":"who\n?"},"status":401}"#;
        let check = |body: &[u8], reason: &str, is_the_servers| {
            let expected = Refusal { reason: reason.to_owned(), is_the_servers };
            assert_eq!(refusal(body), expected);
        };
        check(body, "security_exception: who ?", true);
        check(b"", "no reason given", false);
        check(b"Bad\tGateway", "\"Bad\\tGateway\"", false);
        check(br#"{"error":"text"}"#, r#""{\"error\":\"text\"}""#, false);
    }

    #[test]
    fn retry_after_is_a_number_or_a_date() {
        let now = DateTime::from_timestamp(784_111_777 - 90, 0).expect("a time");
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(90)));
        assert_eq!(retry_after(date, now + chrono::TimeDelta::days(1)), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn every_status_has_its_step() {
        for (status, expected) in [
            (400, Step::Split),
            (413, Step::Split),
            (429, Step::Retry),
            (503, Step::Retry),
            (401, Step::RetryWhenFixed),
            (403, Step::RetryWhenFixed),
            (404, Step::RetryWhenFixed),
            (301, Step::RetryWhenFixed),
        ] {
            assert_eq!(step(status), expected, "{status}");
        }
    }
}
