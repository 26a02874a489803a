//! Lists again what the API still lists, and looks for each blob in the ledger.
//!
//! Invariant: a blob that is called missing was listed by the API, was created before the time from which the next poll
//! of its feed lists, and was not in the ledger after that listing. The ledger is only read; of the tenant's requests a
//! verification takes half, so that a source that runs beside it is not throttled.

use std::{collections::HashSet, num::NonZeroU32, path::Path, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use net::Transport;
use office365::{ApiError, BlobRef, ErrorClass, RateLimiter, TenantClient, Window};
use pipeline_core::{BuildError, Clock, RunError, Timestamp};

use super::{
    super::{
        Config, Tenant,
        blob::chain,
        ledger::{FeedRecord, LedgerError, LedgerReader},
        plan::{self, ListingStep, Progress, WindowLength},
    },
    FeedReport, FoundBy, MissingBlob, SourceReport, Verification,
};

/// Tenants that are verified side by side.
const TENANTS_MAX: usize = 8;

/// Attempts at one window.
const ATTEMPTS_MAX: u32 = 6;

/// Pages of one window. Far more than any tenant was seen to have.
const PAGES_MAX: usize = 10_000;

/// What lists the feeds of one source again.
pub struct Verifier<'a> {
    config: &'a Config,
    transport: Arc<dyn Transport>,
    ledger: LedgerReader,
    known: Vec<FeedRecord>,
    clock: Arc<dyn Clock>,
}

/// Why nothing can be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("cannot verify")]
    Ledger(#[from] LedgerError),
    #[error("cannot verify")]
    Build(#[from] BuildError),
}

/// Why one feed could not be verified.
#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error("the API refused the listing of {window}")]
    Api { window: Window, source: ApiError },
    #[error("the listing of {window} does not end")]
    Endless { window: Window },
    #[error("the ledger cannot be read")]
    Ledger(#[from] LedgerError),
    #[error("the tenant's settings cannot be used")]
    Settings(#[from] RunError),
}

impl FeedError {
    /// Whether a listing of a shorter window may work.
    fn is_of_length(&self) -> bool {
        match self {
            FeedError::Api { source, .. } => {
                plan::after_listing_error(source.class()) == ListingStep::Again
            }
            FeedError::Endless { .. } | FeedError::Ledger(_) | FeedError::Settings(_) => false,
        }
    }
}

impl std::fmt::Debug for Verifier<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Verifier").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl<'a> Verifier<'a> {
    /// What verifies the source of `config`, whose ledger is at `path`.
    pub fn new(
        config: &'a Config,
        path: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Verifier<'a>, VerifyError> {
        let transport = config.transport()?;
        Verifier::on(config, path, transport, clock)
    }

    /// As [`Verifier::new`], on a network of the caller's.
    pub fn on(
        config: &'a Config,
        path: &Path,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
    ) -> Result<Verifier<'a>, VerifyError> {
        let ledger = LedgerReader::open(path)?;
        let known = ledger.feeds()?;
        Ok(Verifier { config, transport, ledger, known, clock })
    }

    /// Adds to each feed of `report` that is configured and was listed what a new listing shows.
    pub async fn verify(&self, report: &mut SourceReport) {
        let span = report.since..report.until;
        let mut work: Vec<(&Tenant, Vec<&mut FeedReport>)> = Vec::new();
        for tenant in &self.config.tenants {
            work.push((tenant, Vec::new()));
        }
        let is_due = |feed: &&mut FeedReport| feed.configured && feed.listed_until.is_some();
        for feed in report.feeds.iter_mut().filter(is_due) {
            let owner =
                work.iter_mut().find(|(tenant, _)| Some(&tenant.name) == feed.tenant.as_ref());
            if let Some((_, feeds)) = owner {
                feeds.push(feed);
            }
        }
        work.retain(|(_, feeds)| !feeds.is_empty());
        let span = &span;
        stream::iter(work)
            .for_each_concurrent(TENANTS_MAX, |(tenant, feeds)| async move {
                self.verify_tenant(tenant, feeds, span).await;
            })
            .await;
        report.conclude();
    }

    async fn verify_tenant(
        &self,
        tenant: &Tenant,
        feeds: Vec<&mut FeedReport>,
        span: &std::ops::Range<Timestamp>,
    ) {
        let client = self.client(tenant);
        for feed in feeds {
            let mut found = Verification::default();
            let result = match &client {
                Ok((client, pace)) => {
                    let listing = Listing { verifier: self, client, pace };
                    listing.verify_feed(feed, span, &mut found).await
                }
                Err(error) => {
                    found.error = Some(chain(error));
                    Ok(())
                }
            };
            if let Err(error) = result {
                found.error = Some(chain(&error));
            }
            feed.verification = Some(found);
        }
    }

    fn client(&self, tenant: &Tenant) -> Result<(TenantClient, Arc<RateLimiter>), FeedError> {
        let half = NonZeroU32::new(self.config.max_requests_per_minute.get() / 2);
        let pace = Arc::new(RateLimiter::per_minute(half.unwrap_or(NonZeroU32::MIN)));
        let settings = tenant.settings(self.config)?;
        let transport = Arc::clone(&self.transport);
        let random = fastrand::Rng::new();
        Ok((TenantClient::new(settings, transport, Some(pace.clone()), random), pace))
    }
}

/// One tenant's listings.
struct Listing<'a> {
    verifier: &'a Verifier<'a>,
    client: &'a TenantClient,
    pace: &'a RateLimiter,
}

impl Listing<'_> {
    async fn verify_feed(
        &self,
        feed: &FeedReport,
        span: &std::ops::Range<Timestamp>,
        found: &mut Verification,
    ) -> Result<(), FeedError> {
        let record = self.verifier.known.iter().find(|known| {
            known.tenant_id == feed.tenant_id && known.content_type == feed.content_type
        });
        let (Some(record), Some(listed_until)) = (record, feed.listed_until) else { return Ok(()) };
        let rules = self.verifier.config.listing_rules();
        // Nothing before the feed's beginning was ever asked for.
        let start = record.listed_from.map_or(span.start, |from| from.max(span.start));
        let end = span.end.min(self.now());
        let length = WindowLength::LONGEST;
        let mut progress =
            Progress { listed_from: None, listed_until: None, position: None, end, length };
        let mut unknown = Vec::new();
        while let Some(window) =
            plan::next_relisted_window(&rules, Some(start), &progress, self.now())
        {
            found.from = found.from.or(Some(window.start()));
            match self.verify_window(record, window, found, &mut unknown).await {
                Ok(()) => {}
                // As the source does it: a shorter listing is over before its links are too old.
                Err(error) => match progress.length.after_break(window) {
                    Some(shorter) if error.is_of_length() => {
                        progress.length = shorter;
                        continue;
                    }
                    Some(_) | None => return Err(error),
                },
            }
            progress.position = Some(window.end());
            found.until = progress.position;
        }
        // The source may have listed them meanwhile.
        let unknown = self.verifier.ledger.unknown(record.row, unknown)?;
        let next_poll_since = listed_until - plan::delta(rules.relist_overlap);
        let (missing, due): (Vec<_>, Vec<_>) =
            unknown.into_iter().partition(|blob| blob.created < next_poll_since);
        found.late = due.iter().filter(|blob| blob.created < listed_until).count() as u64;
        found.not_due = due.len() as u64 - found.late;
        found.known = found.listed - (missing.len() + due.len()) as u64;
        let found_by = if rules.relist_all_interval.is_zero() {
            FoundBy::Nothing
        } else {
            FoundBy::NextRelisting
        };
        let named = |blob: BlobRef| MissingBlob {
            found_by,
            content_id: blob.id.0,
            created: blob.created,
            expires: blob.expires,
        };
        found.missing = missing.into_iter().map(named).collect();
        Ok(())
    }

    /// Lists a window, and adds to `unknown` what the ledger does not have.
    async fn verify_window(
        &self,
        feed: &FeedRecord,
        window: Window,
        found: &mut Verification,
        unknown: &mut Vec<BlobRef>,
    ) -> Result<(), FeedError> {
        let mut attempt = 1;
        let (blobs, bad_rows) = loop {
            match self.list(feed, window).await {
                Ok(listed) => break listed,
                Err(FeedError::Api { source, .. })
                    if attempt < ATTEMPTS_MAX && can_pass(&source) =>
                {
                    self.wait(&source, attempt).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        };
        found.listed += blobs.len() as u64;
        found.bad_rows += bad_rows;
        unknown.extend(self.verifier.ledger.unknown(feed.row, blobs)?);
        Ok(())
    }

    /// The distinct blobs of a window, and how many rows named none.
    async fn list(
        &self,
        feed: &FeedRecord,
        window: Window,
    ) -> Result<(Vec<BlobRef>, u64), FeedError> {
        let api = |source| FeedError::Api { window, source };
        let (mut ids, mut blobs, mut bad_rows) = (HashSet::new(), Vec::new(), 0);
        let mut links = HashSet::new();
        let mut page = self.client.list_content(feed.content_type, window).await.map_err(api)?;
        loop {
            bad_rows += page.bad_rows as u64;
            blobs.extend(page.blobs.into_iter().filter(|blob| ids.insert(blob.id.clone())));
            let Some(link) = page.next else { return Ok((blobs, bad_rows)) };
            page = self.client.next_page(&link).await.map_err(api)?;
            if links.len() >= PAGES_MAX || !links.insert(link) {
                return Err(FeedError::Endless { window });
            }
        }
    }

    async fn wait(&self, error: &ApiError, attempt: u32) {
        let mut random = fastrand::Rng::new();
        let wait = plan::backoff(attempt, Duration::from_secs(30), &mut random);
        let wait = match plan::after_listing_error(error.class()) {
            ListingStep::Pause(pause) | ListingStep::Soon(Some(pause)) => wait.max(pause),
            ListingStep::Again
            | ListingStep::Subscribe
            | ListingStep::Soon(None)
            | ListingStep::Later => wait,
        };
        self.pace.pause(wait);
        tokio::time::sleep(wait).await;
    }

    /// The time by the API's clock.
    fn now(&self) -> Timestamp {
        plan::api_now(self.verifier.clock.now(), self.client.server_now())
    }
}

/// Whether a listing that failed may work a little later.
fn can_pass(error: &ApiError) -> bool {
    matches!(error.class(), ErrorClass::Retry { .. } | ErrorClass::Throttled { .. })
}
