//! The question that matters after a test: did every record arrive, once?

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use chrono::{DateTime, Utc};

use crate::feed::FeedExpectation;
use crate::guid::record_id;
use crate::tenant::ContentType;

/// Which blobs a question is about.
#[derive(Clone, Debug)]
pub struct Filter {
    pub tenant_id: Option<String>,
    pub content_type: Option<ContentType>,
    /// By `contentCreated`.
    pub created: Range<DateTime<Utc>>,
}

impl Default for Filter {
    /// All blobs.
    fn default() -> Self {
        let created = DateTime::<Utc>::MIN_UTC..DateTime::<Utc>::MAX_UTC;
        Filter { tenant_id: None, content_type: None, created }
    }
}

impl Filter {
    pub(crate) fn takes(&self, tenant_id: &str, content_type: ContentType) -> bool {
        self.tenant_id.as_deref().is_none_or(|wanted| wanted == tenant_id)
            && self.content_type.is_none_or(|wanted| wanted == content_type)
    }
}

/// How what arrived compares with what exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completeness {
    /// Distinct records that exist.
    pub expected: usize,
    /// Ids of those that did not arrive, in order.
    pub missing: Vec<String>,
    /// Arrivals beyond the first of each record.
    pub repeated: usize,
    /// Distinct ids that arrived and do not exist.
    pub unknown: usize,
}

impl Completeness {
    /// Whether every record arrived.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether every record arrived, once, and nothing else.
    pub fn is_exact(&self) -> bool {
        self.is_complete() && self.repeated == 0 && self.unknown == 0
    }
}

/// What arrived: how often each id.
pub(crate) struct Tally(HashMap<String, usize>);

impl Tally {
    pub(crate) fn of<'a>(delivered: impl Iterator<Item = &'a str>) -> Self {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for id in delivered {
            match counts.get_mut(id) {
                Some(count) => *count += 1,
                None => _ = counts.insert(id.to_owned(), 1),
            }
        }
        Tally(counts)
    }

    pub(crate) fn against(mut self, expected: impl Iterator<Item = String>) -> Completeness {
        let mut completeness = Completeness::default();
        for id in expected {
            completeness.expected += 1;
            match self.0.remove(&id) {
                Some(count) => completeness.repeated += count - 1,
                None => completeness.missing.push(id),
            }
        }
        completeness.missing.sort_unstable();
        completeness.unknown = self.0.len();
        completeness.repeated += self.0.values().map(|count| count - 1).sum::<usize>();
        completeness
    }
}

/// Distinct ids, made while they are asked for.
pub(crate) struct ExpectedIds {
    singles: std::vec::IntoIter<String>,
    seen: HashSet<String>,
    blobs: std::vec::IntoIter<(u64, u64)>,
    seed: u64,
    indices: Range<u64>,
}

impl ExpectedIds {
    pub(crate) fn new(feeds: Vec<FeedExpectation>) -> Self {
        let mut seen = HashSet::new();
        let mut blobs = Vec::new();
        for feed in feeds {
            seen.extend(feed.singles);
            blobs.extend(feed.generated);
        }
        let singles: Vec<String> = seen.iter().cloned().collect();
        ExpectedIds {
            singles: singles.into_iter(),
            seen,
            blobs: blobs.into_iter(),
            seed: 0,
            indices: 0..0,
        }
    }
}

impl Iterator for ExpectedIds {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if let Some(id) = self.singles.next() {
            return Some(id);
        }
        loop {
            let Some(index) = self.indices.next() else {
                let (seed, own) = self.blobs.next()?;
                (self.seed, self.indices) = (seed, 0..own);
                continue;
            };
            let id = record_id(self.seed, index);
            if self.seen.is_empty() || !self.seen.contains(id.as_str()) {
                return Some(id.as_str().to_owned());
            }
        }
    }
}
