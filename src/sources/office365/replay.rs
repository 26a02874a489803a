//! Shipping again what was shipped before: a span of creation times, or single blobs.
//!
//! Invariant: the ledger of the source itself is neither read nor changed, and no subscription is started. A replay has
//! a ledger of its own, which says what of it is done and is gone with the next one. No record is taken for a copy.
//!
//! What cannot be had any more is an error of the run, never passed over in silence.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{SubsecRound, TimeDelta};
use futures_util::future::BoxFuture;
use office365::{BlobRef, ContentId, Page, TenantId};
use pipeline_core::{BuildError, Output, Problem, Source, SourceConfig, SourceContext, Timestamp};

use super::{
    build::{ledger_path, open_ledger},
    config::Config,
    feed::Feed,
    ledger::{FeedRecord, FeedRow, LedgerError, LedgerReader, Undelivered},
    listing::Listed,
    plan::{self, Progress},
    poll_error::PollError,
};

/// What is shipped again.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// What was created in it is listed, as far as the API lists it.
    pub span: Option<Span>,
    /// Blobs whose address is known, of these tenants.
    pub known: Vec<(TenantId, BlobRef)>,
    /// Only these, those in `known` included; all that is listed where nothing is given.
    pub only: Option<Arc<Wanted>>,
}

/// A span of creation times, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    since: Timestamp,
    until: Timestamp,
}

/// Ids of blobs that are looked for.
#[derive(Debug)]
pub struct Wanted(Mutex<Search>);

#[derive(Debug, Default)]
struct Search {
    wanted: HashSet<ContentId>,
    missing: HashSet<ContentId>,
}

/// The settings of a source that ships again.
#[derive(Clone, Debug)]
pub struct ReplayConfig {
    /// The source's own.
    pub config: Config,
    /// What is shipped.
    pub replay: Replay,
}

impl Span {
    /// From `since` to before `until`, widened to whole seconds; nothing when it is empty.
    pub fn new(since: Timestamp, until: Timestamp) -> Option<Span> {
        let whole = until.trunc_subsecs(0);
        let until = if whole < until { whole + TimeDelta::seconds(1) } else { whole };
        let since = since.trunc_subsecs(0);
        (since < until).then_some(Span { since, until })
    }

    /// All that the API lists at `now`.
    pub fn listable(now: Timestamp) -> Option<Span> {
        Span::new(plan::listable_since(now), now)
    }

    /// Included.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Not included.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// The part that the API does not list any more at `now`.
    pub fn unlistable(&self, now: Timestamp) -> Option<Span> {
        Span::new(self.since, self.until.min(plan::listable_since(now)))
    }
}

impl Wanted {
    /// Looks for `ids`.
    pub fn new(ids: impl IntoIterator<Item = ContentId>) -> Wanted {
        let wanted: HashSet<ContentId> = ids.into_iter().collect();
        Wanted(Mutex::new(Search { missing: wanted.clone(), wanted }))
    }

    /// What was not found so far, in the order of the ids.
    pub fn missing(&self) -> Vec<ContentId> {
        let search = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing: Vec<ContentId> = search.missing.iter().cloned().collect();
        missing.sort();
        missing
    }

    fn retain(&self, blobs: &mut Vec<BlobRef>) {
        let mut search = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.retain(|blob| search.wanted.contains(&blob.id));
        for blob in blobs {
            search.missing.remove(&blob.id);
        }
    }
}

impl Replay {
    /// The blobs of these ids: those that the ledger in `state_dir` knows by their addresses, which serve longer than a
    /// listing names them; the others are to be found by listing all that is listed at `now`.
    pub fn of_blobs(
        wanted: &Arc<Wanted>,
        state_dir: &Path,
        now: Timestamp,
    ) -> Result<Replay, LedgerError> {
        let ids = wanted.missing();
        let known = match LedgerReader::open(&ledger_path(state_dir)) {
            Err(LedgerError::Missing { .. }) => Vec::new(),
            reader => known_blobs(&reader?, &ids)?,
        };
        let is_known = |id: &ContentId| known.iter().any(|(_, blob)| blob.id == *id);
        let span = if ids.iter().all(is_known) { None } else { Span::listable(now) };
        Ok(Replay { span, known, only: Some(Arc::clone(wanted)) })
    }

    /// The blobs of the feeds of `config` that the ledger in `state_dir` holds as lost, or as not delivered yet.
    pub fn of_undelivered(config: &Config, state_dir: &Path) -> Result<Replay, LedgerError> {
        let reader = match LedgerReader::open(&ledger_path(state_dir)) {
            Err(LedgerError::Missing { .. }) => return Ok(Replay::default()),
            reader => reader?,
        };
        let all = Timestamp::MIN_UTC..Timestamp::MAX_UTC;
        let is_meant = |feed: &FeedRecord| {
            let mut tenants = config.tenants.iter();
            config.content_types.contains(&feed.content_type)
                && tenants.any(|tenant| tenant.tenant_id.parse() == Ok(feed.tenant_id))
        };
        let mut known = Vec::new();
        for feed in reader.feeds()?.into_iter().filter(is_meant) {
            for which in [Undelivered::Lost, Undelivered::Pending] {
                let blobs = reader.undelivered(feed.row, which, &all, u32::MAX)?.into_iter();
                known.extend(blobs.map(|record| (feed.tenant_id, record.blob)));
            }
        }
        Ok(Replay { known, ..Replay::default() })
    }

    /// Leaves of a listed page what is wanted.
    pub(super) fn retain(&self, page: &mut Page) {
        let Some(wanted) = &self.only else { return };
        wanted.retain(&mut page.blobs);
        // A row that names no blob is not one that was asked for.
        page.bad_rows = 0;
        page.bad_rows_shown.clear();
    }

    /// What was asked for and not found, for people.
    pub(super) fn unfound(&self) -> Vec<String> {
        let missing = self.only.as_ref().map(|wanted| wanted.missing()).unwrap_or_default();
        missing.iter().map(|id| format!("the blob `{id}` was not found")).collect()
    }
}

impl SourceConfig for ReplayConfig {
    fn outputs(&self) -> Vec<Output> {
        self.config.outputs()
    }

    fn problems(&self) -> Vec<Problem> {
        self.config.problems()
    }

    fn build(&self, context: SourceContext) -> BoxFuture<'_, Result<Box<dyn Source>, BuildError>> {
        Box::pin(async move {
            let path = ledger_path(&context.data_dir);
            clear(&path).map_err(|error| {
                let attempt =
                    format!("cannot remove what an earlier replay left at `{}`", path.display());
                BuildError::new(attempt, error)
            })?;
            let ledger = open_ledger(&context).await?;
            let transport = self.config.transport()?;
            let seed = fastrand::u64(..);
            let source = self.config.build_on(Arc::new(ledger), transport, seed, context)?;
            Ok(Box::new(source.replaying(self.replay.clone())) as Box<dyn Source>)
        })
    }
}

fn known_blobs(
    reader: &LedgerReader,
    ids: &[ContentId],
) -> Result<Vec<(TenantId, BlobRef)>, LedgerError> {
    let tenants: HashMap<FeedRow, TenantId> =
        reader.feeds()?.into_iter().map(|feed| (feed.row, feed.tenant_id)).collect();
    let mut known = Vec::new();
    for id in ids {
        for (feed, blob) in reader.blobs_with_id(id)? {
            known.extend(tenants.get(&feed).map(|tenant| (*tenant, blob)));
        }
    }
    Ok(known)
}

impl Feed {
    /// Enters the blobs that are shipped again. What the API lists no more is the error, once all else is entered.
    pub(super) async fn list_again(&mut self, replay: &Replay) -> Result<(), PollError> {
        let tenant = Arc::clone(&self.tenant);
        let tenant_id = tenant.client.settings().tenant_id;
        let is_ours = |(of, blob): &&(TenantId, BlobRef)| {
            *of == tenant_id && blob.content_type == self.handle.content_type
        };
        let blobs = replay.known.iter().filter(is_ours).map(|(_, blob)| blob.clone()).collect();
        let bad_rows_shown = Vec::new();
        let known = Page { blobs, bad_rows: 0, bad_rows_shown, next: None, server_date: None };
        self.enter(known, None).await;
        let Some(span) = replay.span else { return Ok(()) };
        let unlisted = self.list_span(span).await?;
        // What was looked for by its id is missed by its id.
        match unlisted.filter(|_| replay.only.is_none()) {
            Some(span) => Err(PollError::Unlistable { span }),
            None => Ok(()),
        }
    }

    /// Lists `span`, and gives from where to where it was not listed because the API lists that no more.
    async fn list_span(&mut self, span: Span) -> Result<Option<Span>, PollError> {
        let tenant = Arc::clone(&self.tenant);
        let rules = &tenant.shared.listing;
        if tenant.client.server_now().is_none() {
            // Any answer tells the API's clock, by which it is decided what is listed.
            tenant.client.list_subscriptions().await?;
        }
        let end = span.until().min(plan::listing_end(rules, tenant.api_now()));
        let mut unlisted = span.unlistable(tenant.api_now());
        let mut position = span.since();
        let progress = |position, length| {
            let (listed_from, listed_until) = (None, None);
            Progress { listed_from, listed_until, position: Some(position), end, length }
        };
        tenant.wait_out_pause().await;
        while let Some(next) = {
            let progress = progress(position, self.window_length);
            plan::next_window(rules, &progress, tenant.api_now())
        } {
            if self.list_window(next.window).await? == Listed::Whole {
                if let Some(missed) = next.missed {
                    let since = unlisted.map_or(missed.start, |before| before.since());
                    unlisted = Span::new(since, missed.end);
                }
                position = next.window.end();
            }
            tenant.wait_out_pause().await;
        }
        // The rest, where a long pause has put it out of reach.
        if position > span.since() && position < end.trunc_subsecs(0) {
            let since = unlisted.map_or(position, |before| before.since());
            unlisted = Span::new(since, end);
        }
        Ok(unlisted)
    }
}

/// Removes the ledger of an earlier replay. Whoever builds a replay makes sure that no other one runs.
fn clear(ledger: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut path = ledger.as_os_str().to_owned();
        path.push(suffix);
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    #[test]
    fn a_span_is_widened_to_whole_seconds() {
        let span = Span::new(at(1_900), at(2_100)).unwrap();
        assert_eq!((span.since(), span.until()), (at(1_000), at(3_000)));
        assert_eq!(Span::new(at(5_000), at(5_000)), None);
        assert_eq!(Span::new(at(6_000), at(5_000)), None);
    }

    #[test]
    fn what_the_api_lists_no_more_is_the_part_before_seven_days_ago() {
        let day = |days: i64| at(days * 86_400_000);
        let minutes = |minutes: i64| TimeDelta::minutes(minutes);
        let span = Span::new(day(1), day(9)).unwrap();
        assert_eq!(span.unlistable(day(7)), None);
        let part = span.unlistable(day(10)).unwrap();
        assert_eq!((part.since(), part.until()), (day(1), day(3) + minutes(5)));
        assert_eq!(span.unlistable(day(30)), Some(span));
    }
}
