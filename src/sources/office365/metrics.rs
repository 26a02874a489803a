//! The numbers that the source shows. Handles are made once for each feed; every name is described once.

use std::sync::{Arc, Once, OnceLock};

use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use metrics::{
    Counter, Gauge, SharedString, Unit, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram,
};
use net::{Body, SendError, Transport};
use office365::{ContentType, Operation};
use pipeline_core::Timestamp;
use tokio::time::Instant;

use super::ledger::{Counts, FeedStatus};

/// Says what each metric means and counts.
pub(super) fn describe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let counters = [
            ("o365_api_requests_total", "Requests to the API and to the sign-in."),
            (
                "o365_throttled_total",
                "Answers by which the API said that there were too many requests.",
            ),
            (
                "o365_blobs_total",
                "Blobs that came to a state: listed, fetched in full, delivered, lost.",
            ),
            ("o365_records_total", "Records of delivered blobs, good and bad, copies included."),
            (
                "o365_duplicate_records_total",
                "Records of delivered blobs that were copies of others.",
            ),
            (
                "o365_listing_gaps_total",
                "Times of which nothing was listed and nothing is listed any more.",
            ),
        ];
        for (name, text) in counters {
            describe_counter!(name, Unit::Count, text);
        }
        describe_histogram!(
            "o365_api_request_duration_seconds",
            Unit::Seconds,
            "Time from a request to the end of the answer's headers."
        );
        describe_gauges();
    });
}

fn describe_gauges() {
    let gauges = [
        ("o365_blobs_pending", Unit::Count, "Blobs that are neither delivered nor lost."),
        ("o365_lag_seconds", Unit::Seconds, "Age of the newest blob that was delivered."),
        (
            "o365_listed_until_timestamp_seconds",
            Unit::Seconds,
            "Everything created before was listed, from where the feed began.",
        ),
        (
            "o365_oldest_pending_expiry_timestamp_seconds",
            Unit::Seconds,
            "When the first of the pending blobs expires; 0 when none is pending.",
        ),
        (
            "o365_subscription_enabled",
            Unit::Count,
            "1 when the API says that the subscription is enabled.",
        ),
        (
            "o365_api_last_answer_seconds",
            Unit::Seconds,
            "Time from a tenant's last request to the end of the answer's headers.",
        ),
        ("o365_tenants", Unit::Count, "Tenants that are at work."),
        (
            "o365_signed_in",
            Unit::Count,
            "1 when the last sign-in of a tenant worked, 0 when it failed.",
        ),
        (
            "o365_throttling",
            Unit::Count,
            "1 from the API's word that a tenant makes too many requests to the next one that works.",
        ),
        (
            "o365_tenant_files_faulty",
            Unit::Count,
            "Files of `tenants_dir` that are not used as they are now, for a mistake in them.",
        ),
        ("o365_token_expiry_timestamp_seconds", Unit::Seconds, "When the access token expires."),
        (
            "o365_certificate_expiry_timestamp_seconds",
            Unit::Seconds,
            "When the certificate expires that is signed in with.",
        ),
        (
            "o365_clock_skew_seconds",
            Unit::Seconds,
            "How far the local clock is ahead of the API's.",
        ),
    ];
    for (name, unit, text) in gauges {
        describe_gauge!(name, unit, text);
    }
}

/// The numbers of one feed. Those of its blobs are made with its first one: of thousands of feeds most are quiet, and a
/// scrape should not be longer than what it tells.
pub(super) struct FeedMetrics {
    labels: FeedLabels,
    blobs: OnceLock<BlobMetrics>,
    listed_until: Gauge,
    subscription_enabled: Gauge,
}

/// The numbers of a feed's blobs.
struct BlobMetrics {
    listed: Counter,
    fetched: Counter,
    delivered: Counter,
    lost: Counter,
    records: Counter,
    duplicates: Counter,
    pending: Gauge,
    oldest_pending_expiry: Gauge,
    lag: Gauge,
}

type FeedLabels = [(&'static str, SharedString); 2];

impl BlobMetrics {
    fn new(labels: &FeedLabels) -> BlobMetrics {
        let blobs = |state: &'static str| {
            let [tenant, content_type] = labels.clone();
            counter!("o365_blobs_total", &[tenant, content_type, ("state", state.into())])
        };
        let lag = gauge!("o365_lag_seconds", labels);
        // Before anything was delivered there is no such time.
        lag.set(f64::NAN);
        BlobMetrics {
            lag,
            listed: blobs("listed"),
            fetched: blobs("fetched"),
            delivered: blobs("delivered"),
            lost: blobs("lost"),
            records: counter!("o365_records_total", labels),
            duplicates: counter!("o365_duplicate_records_total", labels),
            pending: gauge!("o365_blobs_pending", labels),
            oldest_pending_expiry: gauge!("o365_oldest_pending_expiry_timestamp_seconds", labels),
        }
    }
}

impl FeedMetrics {
    pub(super) fn new(tenant: &str, content_type: ContentType) -> FeedMetrics {
        let tenant = SharedString::from_shared(tenant.into());
        let labels = [("tenant", tenant), ("content_type", content_type.name().into())];
        let metrics = FeedMetrics {
            blobs: OnceLock::new(),
            listed_until: gauge!("o365_listed_until_timestamp_seconds", &labels),
            subscription_enabled: gauge!("o365_subscription_enabled", &labels),
            labels,
        };
        // What is not known is not 0.
        metrics.withdraw();
        metrics
    }

    fn blobs(&self) -> &BlobMetrics {
        self.blobs.get_or_init(|| BlobMetrics::new(&self.labels))
    }

    pub(super) fn never_listed(&self) {
        counter!("o365_listing_gaps_total", &self.labels).increment(1);
    }

    pub(super) fn throttled(&self) {
        counter!("o365_throttled_total", &self.labels).increment(1);
    }

    pub(super) fn listed(&self, blobs: u64) {
        if blobs > 0 {
            self.blobs().listed.increment(blobs);
        }
    }

    pub(super) fn fetched(&self) {
        self.blobs().fetched.increment(1);
    }

    pub(super) fn lost(&self) {
        self.blobs().lost.increment(1);
    }

    pub(super) fn delivered(&self, counts: &Counts) {
        let blobs = self.blobs();
        blobs.delivered.increment(1);
        blobs.records.increment(counts.records);
        blobs.duplicates.increment(counts.duplicates);
    }

    pub(super) fn listed_until(&self, until: Timestamp) {
        self.listed_until.set(seconds(until));
    }

    pub(super) fn subscription(&self, is_enabled: bool) {
        self.subscription_enabled.set(if is_enabled { 1.0 } else { 0.0 });
    }

    /// Says of the gauges that they have no value any more.
    pub(super) fn withdraw(&self) {
        self.listed_until.set(f64::NAN);
        self.subscription_enabled.set(f64::NAN);
        if let Some(blobs) = self.blobs.get() {
            for gauge in [&blobs.pending, &blobs.oldest_pending_expiry, &blobs.lag] {
                gauge.set(f64::NAN);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of blobs is far below 2^52")]
    pub(super) fn status(&self, status: &FeedStatus, now: Timestamp) {
        let is_untouched = status.pending == 0 && status.newest_delivered.is_none();
        if is_untouched && self.blobs.get().is_none() {
            return;
        }
        let blobs = self.blobs();
        blobs.pending.set(status.pending as f64);
        blobs.oldest_pending_expiry.set(status.oldest_expiry.map_or(0.0, seconds));
        if let Some(newest) = status.newest_delivered {
            blobs.lag.set((now - newest).as_seconds_f64());
        }
    }
}

/// The numbers of one tenant.
pub(super) struct TenantMetrics {
    tenant: SharedString,
    last_answer: Gauge,
    certificate_expiry: OnceLock<Gauge>,
    token_expiry: Gauge,
    signed_in: Gauge,
    throttling: Gauge,
    clock_skew: Gauge,
}

impl TenantMetrics {
    pub(super) fn new(tenant: &str) -> TenantMetrics {
        let tenant = SharedString::from_shared(tenant.into());
        let labels = [("tenant", tenant.clone())];
        let metrics = TenantMetrics {
            last_answer: last_answer(tenant.clone()),
            certificate_expiry: OnceLock::new(),
            tenant,
            token_expiry: gauge!("o365_token_expiry_timestamp_seconds", &labels),
            signed_in: gauge!("o365_signed_in", &labels),
            throttling: gauge!("o365_throttling", &labels),
            clock_skew: gauge!("o365_clock_skew_seconds", &labels),
        };
        metrics.withdraw();
        metrics.throttling(false);
        metrics
    }

    pub(super) fn signed_in(&self, is_signed_in: bool) {
        self.signed_in.set(if is_signed_in { 1.0 } else { 0.0 });
    }

    pub(super) fn throttling(&self, is_throttling: bool) {
        self.throttling.set(if is_throttling { 1.0 } else { 0.0 });
    }

    pub(super) fn token_expires(&self, at: Timestamp) {
        self.token_expiry.set(seconds(at));
    }

    /// Says of the gauges that they have no value any more.
    pub(super) fn withdraw(&self) {
        let certificate = self.certificate_expiry.get();
        let known = [
            &self.last_answer,
            &self.token_expiry,
            &self.signed_in,
            &self.throttling,
            &self.clock_skew,
        ];
        for gauge in known.into_iter().chain(certificate) {
            gauge.set(f64::NAN);
        }
    }

    /// Made when there is a certificate: a tenant without one has no such number.
    pub(super) fn certificate_expires(&self, at: Timestamp) {
        let name = "o365_certificate_expiry_timestamp_seconds";
        let gauge = || gauge!(name, "tenant" => self.tenant.clone());
        self.certificate_expiry.get_or_init(gauge).set(seconds(at));
    }

    pub(super) fn clock_skew(&self, ahead: TimeDelta) {
        self.clock_skew.set(ahead.as_seconds_f64());
    }
}

/// How many tenants are at work, and how many files of tenants cannot be used.
pub(super) fn tenant_gauges(component_id: &str) -> [Gauge; 2] {
    let labels = [("component_id", component_id.to_owned())];
    [gauge!("o365_tenants", &labels), gauge!("o365_tenant_files_faulty", &labels)]
}

/// Counts the requests of one tenant on their way to another transport. `status` is the answer's, or `none`.
///
/// The times that requests take are put together for all tenants: a histogram is a dozen series, and for each tenant it
/// would be most of a scrape. Of each tenant there is the time of its last answer.
pub(super) struct Counted {
    tenant: SharedString,
    last_answer: Gauge,
    inner: Arc<dyn Transport>,
}

impl Counted {
    pub(super) fn new(tenant: &str, inner: Arc<dyn Transport>) -> Counted {
        let tenant = SharedString::from_shared(tenant.into());
        let last_answer = last_answer(tenant.clone());
        Counted { tenant, last_answer, inner }
    }
}

fn last_answer(tenant: SharedString) -> Gauge {
    gauge!("o365_api_last_answer_seconds", "tenant" => tenant)
}

impl Transport for Counted {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        let operation =
            request.extensions().get().map_or("other", |known: &Operation| known.name());
        let status = SharedString::const_str("none");
        let mut asked = Asked { of: self, operation, status, started: Instant::now() };
        Box::pin(async move {
            let result = self.inner.send(request).await;
            if let Ok(response) = &result {
                asked.answered(response.status());
            }
            result
        })
    }
}

/// A request under way. It is counted at its end, also where nobody waits for an answer any longer.
struct Asked<'a> {
    of: &'a Counted,
    operation: &'static str,
    status: SharedString,
    started: Instant,
}

impl Asked<'_> {
    fn answered(&mut self, status: StatusCode) {
        self.status = status.as_str().to_owned().into();
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let (took, operation) = (self.started.elapsed(), self.operation);
        self.of.last_answer.set(took.as_secs_f64());
        histogram!("o365_api_request_duration_seconds", "operation" => operation).record(took);
        let labels = [
            ("tenant", self.of.tenant.clone()),
            ("operation", operation.into()),
            ("status", self.status.clone()),
        ];
        counter!("o365_api_requests_total", &labels).increment(1);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a time in milliseconds is far below 2^52")]
fn seconds(time: Timestamp) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}
