//! One feed: the blobs that exist, which of them a subscription makes obtainable, and what has been asked of it.
//! Only metadata is held; a blob's bytes come from [`crate::content`].

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::content::{BlobContent, Recipe};
use crate::guid::{mix, record_id};
use crate::history::History;
use crate::records::Org;
use crate::tenant::ContentType;

/// Numbers of blobs added by hand start here, above any number of the history.
const ADDED_FROM: u32 = 1 << 30;

/// How many blobs back a duplicate may lie.
const DUPLICATE_REACH: u32 = 300;

/// A blob's place in its feed: `contentCreated`, then a number of its own.
pub(crate) type BlobKey = (DateTime<Utc>, u32);

#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) available: DateTime<Utc>,
    pub(crate) expires: DateTime<Utc>,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    Generated { seed: u64, own: u64, duplicates: usize },
    Records(Arc<[Bytes]>),
    Raw(Bytes),
}

/// A blob to be added by hand.
#[derive(Clone, Debug)]
pub struct NewBlob {
    pub created: DateTime<Utc>,
    /// When it is listed first; `created` if not given.
    pub available: Option<DateTime<Utc>>,
    /// Seven days after `created` if not given.
    pub expires: Option<DateTime<Utc>>,
    pub content: NewContent,
}

/// What a blob added by hand holds.
#[derive(Clone, Debug)]
pub enum NewContent {
    /// JSON objects; each is expected to arrive once by its `Id`.
    Records(Vec<Bytes>),
    /// The whole body as it is; nothing is expected to arrive.
    Raw(Bytes),
    /// So many generated records, written while they are sent: a blob may be far larger than the memory.
    Generated(u64),
}

impl NewBlob {
    pub fn new(created: DateTime<Utc>, content: NewContent) -> Self {
        NewBlob { created, available: None, expires: None, content }
    }
}

/// What a subscription is, as `subscriptions/list` shows it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Subscription {
    #[default]
    Absent,
    Enabled {
        webhook: Value,
    },
    /// Switched off by the service or a tenant administrator.
    Disabled,
}

#[derive(Debug)]
pub(crate) struct Feed {
    content_type: ContentType,
    /// Makes the records of blobs added here differ from those of every other feed.
    salt: u64,
    history: Option<History>,
    next_hour: u32,
    blobs: BTreeMap<BlobKey, Blob>,
    /// When blob `n` of the history was created.
    created_by_number: Vec<DateTime<Utc>>,
    added: u32,
    pub(crate) subscription: Subscription,
    pub(crate) last_start: Option<DateTime<Utc>>,
    /// Spans of `contentCreated` that the feed's subscriptions cover; the last may be open.
    obtainable: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Feed {
    pub(crate) fn new(
        content_type: ContentType,
        tenant_salt: u64,
        history: Option<History>,
        subscribed: bool,
    ) -> Self {
        let (subscription, obtainable) = if subscribed {
            let always = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
            (Subscription::Enabled { webhook: Value::Null }, vec![always])
        } else {
            (Subscription::Absent, Vec::new())
        };
        Feed {
            content_type,
            salt: mix(tenant_salt, content_type as u64),
            history,
            next_hour: 0,
            blobs: BTreeMap::new(),
            created_by_number: Vec::new(),
            added: 0,
            subscription,
            last_start: None,
            obtainable,
        }
    }

    /// Brings the history up to `now`.
    pub(crate) fn advance(&mut self, now: DateTime<Utc>) {
        let Some(history) = &self.history else { return };
        let until = now.min(history.end);
        while history.start + TimeDelta::hours(i64::from(self.next_hour)) <= until {
            for planned in history.blobs_in_hour(self.content_type, self.next_hour) {
                let number = u32::try_from(self.created_by_number.len()).unwrap_or(ADDED_FROM - 1);
                self.created_by_number.push(planned.created);
                let duplicates = if number == 0 { 0 } else { planned.duplicates };
                let content =
                    Content::Generated { seed: planned.seed, own: planned.own, duplicates };
                let blob = Blob { available: planned.available, expires: planned.expires, content };
                self.blobs.insert((planned.created, number), blob);
            }
            self.next_hour += 1;
        }
    }

    /// Adds a blob and says where it stands.
    pub(crate) fn add(&mut self, new: NewBlob) -> BlobKey {
        let number = ADDED_FROM + self.added;
        self.added += 1;
        let content = match new.content {
            NewContent::Records(records) => Content::Records(records.into()),
            NewContent::Raw(body) => Content::Raw(body),
            NewContent::Generated(own) => {
                let seed = mix(self.salt, u64::from(number));
                let millis = new.created.timestamp_millis().cast_unsigned();
                Content::Generated { seed: mix(seed, millis), own, duplicates: 0 }
            }
        };
        // The API shows milliseconds, and the key must survive the way through the content id.
        let created =
            DateTime::from_timestamp_millis(new.created.timestamp_millis()).unwrap_or(new.created);
        let available = new.available.unwrap_or(created);
        let expires = new.expires.unwrap_or(created + TimeDelta::days(7));
        self.blobs.insert((created, number), Blob { available, expires, content });
        (created, number)
    }

    /// Begins a subscription whose content reaches back by `backfill`, but never into a time when it was stopped.
    pub(crate) fn start(&mut self, now: DateTime<Utc>, backfill: TimeDelta, webhook: Value) {
        self.last_start = Some(now);
        self.subscription = Subscription::Enabled { webhook };
        let from = self.obtainable.last().map_or(now - backfill, |(_, stopped)| now.max(*stopped));
        self.obtainable.push((from, DateTime::<Utc>::MAX_UTC));
    }

    pub(crate) fn stop(&mut self, now: DateTime<Utc>, subscription: Subscription) {
        self.subscription = subscription;
        if let Some((_, end)) = self.obtainable.last_mut() {
            *end = now.min(*end);
        }
    }

    pub(crate) fn is_obtainable(&self, created: DateTime<Utc>) -> bool {
        self.obtainable.iter().any(|(from, to)| *from <= created && created < *to)
    }

    pub(crate) fn blob(&self, key: BlobKey) -> Option<&Blob> {
        self.blobs.get(&key).filter(|_| self.is_obtainable(key.0))
    }

    /// The obtainable blobs created in `[from, to)` after `key` that can be listed at `now`, oldest first.
    pub(crate) fn listed(
        &self,
        span: &Span,
        now: DateTime<Utc>,
    ) -> impl Iterator<Item = (BlobKey, &Blob)> {
        let from = span.after.map_or((span.from, 0), |(created, number)| (created, number + 1));
        let to = (span.to.max(from.0), 0).max(from);
        let in_span = self.blobs.range(from..to);
        in_span.map(|(key, blob)| (*key, blob)).filter(move |(key, blob)| {
            key.0 <= now && blob.available <= now && self.is_obtainable(key.0)
        })
    }

    /// How to write the body of a blob.
    pub(crate) fn content(&self, key: BlobKey, blob: &Blob, org: Arc<Org>) -> BlobContent {
        match &blob.content {
            Content::Records(records) => BlobContent::Records(records.clone()),
            Content::Raw(body) => BlobContent::Raw(body.clone()),
            Content::Generated { seed, own, duplicates } => {
                let repeats = self.duplicates_of(key.1, *seed, *duplicates);
                let fill = self.history.as_ref().map_or(0, |history| history.record_bytes_min);
                let recipe = Recipe { seed: *seed, created: key.0, own: *own, fill };
                BlobContent::Generated { content_type: self.content_type, org, recipe, repeats }
            }
        }
    }

    /// The records of earlier blobs that blob `number` repeats.
    fn duplicates_of(&self, number: u32, seed: u64, count: usize) -> Vec<Repeat> {
        let mut rng = fastrand::Rng::with_seed(mix(seed, 0xd0b1e));
        let earliest = number.saturating_sub(DUPLICATE_REACH);
        let mut repeats = Vec::with_capacity(count);
        for _ in 0..count {
            let number = rng.u32(earliest..number);
            let key = self.created_by_number.get(number as usize).map(|created| (*created, number));
            let source = key.and_then(|key| Some((key, &self.blobs.get(&key)?.content)));
            if let Some((key, Content::Generated { seed, own, .. })) = source
                && *own > 0
            {
                repeats.push(Repeat { key, seed: *seed, index: rng.u64(0..*own) });
            }
        }
        repeats
    }

    /// What should reach a client that reads all obtainable blobs created in a span and available at `now`.
    pub(crate) fn expected(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> FeedExpectation {
        let mut expectation = FeedExpectation::default();
        let span = Span { from, to, after: None };
        for (key, blob) in self.listed(&span, now) {
            match &blob.content {
                Content::Raw(_) => {}
                Content::Records(records) => {
                    for record in records.iter() {
                        expectation.total += 1;
                        expectation.singles.extend(id_of(record));
                    }
                }
                Content::Generated { seed, own, duplicates } => {
                    expectation.generated.push((*seed, *own));
                    let repeats = self.duplicates_of(key.1, *seed, *duplicates);
                    expectation.total += own + repeats.len() as u64;
                    let outside = repeats.iter().filter(|repeat| {
                        let source = self.blobs.get(&repeat.key);
                        let listed = source.is_some_and(|blob| blob.available <= now);
                        !(from..to).contains(&repeat.key.0)
                            || !listed
                            || !self.is_obtainable(repeat.key.0)
                    });
                    let ids = outside
                        .map(|repeat| record_id(repeat.seed, repeat.index).as_str().to_owned());
                    expectation.singles.extend(ids);
                }
            }
        }
        expectation
    }
}

/// A part of a feed by `contentCreated`: `[from, to)`, and of that only what comes after a key.
pub(crate) struct Span {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) after: Option<BlobKey>,
}

/// A record that stands in a second blob too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeat {
    pub(crate) key: BlobKey,
    pub(crate) seed: u64,
    pub(crate) index: u64,
}

/// The records of a feed without their bytes.
#[derive(Debug, Default)]
pub(crate) struct FeedExpectation {
    /// Seed and number of own records of each generated blob.
    pub(crate) generated: Vec<(u64, u64)>,
    /// Ids that do not follow from a blob in `generated`.
    pub(crate) singles: HashSet<String>,
    /// Records in all blobs, repeated ones each time.
    pub(crate) total: u64,
}

fn id_of(record: &[u8]) -> Option<String> {
    let record: Value = serde_json::from_slice(record).ok()?;
    Some(record.get("Id")?.as_str()?.to_owned())
}
