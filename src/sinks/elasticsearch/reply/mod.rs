//! Reads what the server says to a `_bulk` request. Pure.
//!
//! Invariant: every event of a request gets one word, from the item in its place; an answer that has not as many items
//! as the request had events says nothing of any of them.

use std::{fmt, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline_core::LetterKind;
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

use super::{
    cause::{Cause, Obstacle, excerpt},
    encode::{BulkRequest, Item},
    target::Action,
};

/// How events were sent, as far as it matters to what an answer means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub action: Action,
    /// Each event says which version it is.
    pub is_versioned: bool,
    /// Events name their index by a field.
    pub names_index: bool,
    /// Events name their pipeline by a field.
    pub names_pipeline: bool,
}

/// What the server said of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ItemReply {
    pub status: u16,
    /// Absent when all is well.
    pub error: Option<Cause>,
}

/// What follows for one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemFate {
    /// The server has it.
    Delivered,
    /// The server has it from an attempt whose answer got lost.
    Repeated,
    /// The server has this version of it, or a later one.
    Superseded,
    /// The server takes it later.
    Retry,
    /// The server takes it once somebody has changed a setting.
    RetryWhenFixed,
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
    /// What follows for the event, which was sent on these `terms`.
    pub(super) fn fate(&self, terms: Terms) -> ItemFate {
        let cause = self.error.as_ref();
        let obstacle = cause.and_then(Cause::obstacle);
        match (self.status, terms.action) {
            (200..=299, _) => ItemFate::Delivered,
            (409, Action::Index) if terms.is_versioned => ItemFate::Superseded,
            (409, Action::Create) => ItemFate::Repeated,
            // Who wrote an event must not be able to hold the others up by what it names.
            _ if obstacle.is_some_and(|obstacle| obstacle.is_of_a_name(terms)) => ItemFate::Reject,
            (500..=599, _) if cause.is_some_and(Cause::is_of_a_pipeline) => ItemFate::Reject,
            // A disk with space again is no longer blocked.
            (429, _) => ItemFate::Retry,
            _ if obstacle.is_some() => ItemFate::RetryWhenFixed,
            (500..=599, _) => ItemFate::Retry,
            _ => ItemFate::Reject,
        }
    }

    /// Whether the server has too much to do.
    fn is_overload(&self) -> bool {
        let is_blocked = self.error.as_ref().is_some_and(|cause| cause.obstacle().is_some());
        matches!(self.status, 429 | 503) && !is_blocked
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

    /// Why, for a log.
    fn for_log(&self) -> String {
        match &self.error {
            Some(cause) => format!("{} {}", self.status, cause.for_log()),
            None => self.status.to_string(),
        }
    }

    /// Why, for a dead letter.
    pub(super) fn reason(&self) -> String {
        match &self.error {
            Some(cause) => format!("elasticsearch: {} {cause}", self.status),
            None => format!("elasticsearch: {}", self.status),
        }
    }
}

impl Obstacle {
    /// Whether an event can have chosen it, by the index or the pipeline that it names.
    fn is_of_a_name(self, terms: Terms) -> bool {
        match self {
            Obstacle::NoIndex
            | Obstacle::ClosedIndex
            | Obstacle::NoWriteIndex
            | Obstacle::CreateAlone => terms.names_index,
            Obstacle::NoPipeline => terms.names_pipeline,
            Obstacle::Blocked | Obstacle::Forbidden | Obstacle::ShardLimit => false,
        }
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

/// Reads `Retry-After`: seconds, or a date.
pub(super) fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::<Utc>::from(httpdate::parse_http_date(value.trim()).ok()?);
    Some((date - now).to_std().unwrap_or_default())
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
    /// How many of the delivered had been stored before.
    pub repeated: u64,
    /// How many of the delivered are there in the same version or a later one.
    pub superseded: u64,
    /// With their lines and the reason.
    pub rejected: Vec<(Item, Bytes, (LetterKind, String))>,
    pub again: Option<Again>,
}

/// Events to be sent again.
#[derive(Debug)]
pub(super) struct Again {
    pub request: BulkRequest,
    /// What the server said of the first of them, for a log.
    pub first: String,
    /// None of them fits before somebody has changed a setting.
    pub needs_user: bool,
    /// The server has too much to do for some of them.
    pub is_overload: bool,
}

/// Sorts the events of `request` by `replies`, of which there are as many.
pub(super) fn sort(request: BulkRequest, replies: &[ItemReply], terms: Terms) -> Sorted {
    let mut sorted = Sorted::default();
    let (mut body, mut items) = (Vec::new(), Vec::new());
    let mut first = None;
    let (mut needs_user, mut is_overload) = (true, false);
    let mut start = 0;
    for (item, reply) in request.items.into_iter().zip(replies) {
        let end = start + item.bytes();
        let fate = reply.fate(terms);
        match fate {
            ItemFate::Delivered | ItemFate::Repeated | ItemFate::Superseded => {
                sorted.repeated += u64::from(fate == ItemFate::Repeated);
                sorted.superseded += u64::from(fate == ItemFate::Superseded);
                sorted.delivered.push(item);
            }
            ItemFate::Reject => {
                let why = (reply.kind(), reply.reason());
                sorted.rejected.push((item, request.body.slice(start..end), why));
            }
            ItemFate::Retry | ItemFate::RetryWhenFixed => {
                first.get_or_insert_with(|| reply.for_log());
                needs_user &= fate == ItemFate::RetryWhenFixed;
                is_overload |= reply.is_overload();
                body.extend_from_slice(&request.body[start..end]);
                items.push(item);
            }
        }
        start = end;
    }
    sorted.again = first.map(|first| {
        let request = BulkRequest::of(body, items);
        Again { request, first, needs_user, is_overload }
    });
    sorted
}

#[cfg(test)]
mod tests;
