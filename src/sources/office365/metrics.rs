//! The numbers that the source shows. Handles are made once for each feed; every name is described once.

use std::sync::{Arc, Once};

use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use metrics::{
    Counter, Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
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
        ];
        for (name, text) in counters {
            describe_counter!(name, Unit::Count, text);
        }
        describe_histogram!(
            "o365_api_request_duration_seconds",
            Unit::Seconds,
            "Time from a request to the end of the answer's headers."
        );
        let gauges = [
            ("o365_blobs_pending", Unit::Count, "Blobs that are neither delivered nor lost."),
            ("o365_lag_seconds", Unit::Seconds, "Age of the newest blob that was delivered."),
            (
                "o365_listed_until_timestamp_seconds",
                Unit::Seconds,
                "Everything created before was listed.",
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
                "o365_token_expiry_timestamp_seconds",
                Unit::Seconds,
                "When the access token expires.",
            ),
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
    });
}

/// The numbers of one feed.
pub(super) struct FeedMetrics {
    pub(super) throttled: Counter,
    pub(super) blobs_listed: Counter,
    pub(super) blobs_fetched: Counter,
    blobs_delivered: Counter,
    pub(super) blobs_lost: Counter,
    records: Counter,
    duplicates: Counter,
    pending: Gauge,
    lag: Gauge,
    listed_until: Gauge,
    oldest_pending_expiry: Gauge,
    subscription_enabled: Gauge,
}

impl FeedMetrics {
    pub(super) fn new(tenant: &str, content_type: ContentType) -> FeedMetrics {
        let labels =
            [("tenant", tenant.to_owned()), ("content_type", content_type.name().to_owned())];
        let blobs = |state: &'static str| {
            let [tenant, content_type] = labels.clone();
            counter!("o365_blobs_total", &[tenant, content_type, ("state", state.to_owned())])
        };
        FeedMetrics {
            throttled: counter!("o365_throttled_total", &labels),
            blobs_listed: blobs("listed"),
            blobs_fetched: blobs("fetched"),
            blobs_delivered: blobs("delivered"),
            blobs_lost: blobs("lost"),
            records: counter!("o365_records_total", &labels),
            duplicates: counter!("o365_duplicate_records_total", &labels),
            pending: gauge!("o365_blobs_pending", &labels),
            lag: gauge!("o365_lag_seconds", &labels),
            listed_until: gauge!("o365_listed_until_timestamp_seconds", &labels),
            oldest_pending_expiry: gauge!("o365_oldest_pending_expiry_timestamp_seconds", &labels),
            subscription_enabled: gauge!("o365_subscription_enabled", &labels),
        }
    }

    pub(super) fn delivered(&self, counts: &Counts) {
        self.blobs_delivered.increment(1);
        self.records.increment(counts.records);
        self.duplicates.increment(counts.duplicates);
    }

    pub(super) fn listed_until(&self, until: Timestamp) {
        self.listed_until.set(seconds(until));
    }

    pub(super) fn subscription(&self, is_enabled: bool) {
        self.subscription_enabled.set(if is_enabled { 1.0 } else { 0.0 });
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of blobs is far below 2^52")]
    pub(super) fn status(&self, status: &FeedStatus, now: Timestamp) {
        self.pending.set(status.pending as f64);
        self.oldest_pending_expiry.set(status.oldest_expiry.map_or(0.0, seconds));
        if let Some(newest) = status.newest_delivered {
            self.lag.set((now - newest).as_seconds_f64());
        }
    }
}

/// The numbers of one tenant.
pub(super) struct TenantMetrics {
    tenant: String,
    token_expiry: Gauge,
    clock_skew: Gauge,
}

impl TenantMetrics {
    pub(super) fn new(tenant: &str) -> TenantMetrics {
        let labels = [("tenant", tenant.to_owned())];
        TenantMetrics {
            tenant: tenant.to_owned(),
            token_expiry: gauge!("o365_token_expiry_timestamp_seconds", &labels),
            clock_skew: gauge!("o365_clock_skew_seconds", &labels),
        }
    }

    pub(super) fn token_expires(&self, at: Timestamp) {
        self.token_expiry.set(seconds(at));
    }

    /// Made when there is a certificate: a tenant without one has no such number.
    pub(super) fn certificate_expires(&self, at: Timestamp) {
        let labels = [("tenant", self.tenant.clone())];
        gauge!("o365_certificate_expiry_timestamp_seconds", &labels).set(seconds(at));
    }

    pub(super) fn clock_skew(&self, ahead: TimeDelta) {
        self.clock_skew.set(ahead.as_seconds_f64());
    }
}

/// Counts the requests of one tenant on their way to another transport. `status` is the answer's, or `none`.
pub(super) struct Counted {
    pub(super) tenant: String,
    pub(super) inner: Arc<dyn Transport>,
}

impl Transport for Counted {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        let operation =
            request.extensions().get().map_or("other", |known: &Operation| known.name());
        let started = Instant::now();
        Box::pin(async move {
            let result = self.inner.send(request).await;
            let status = result.as_ref().map_or_else(
                |_| "none".to_owned(),
                |response| response.status().as_str().to_owned(),
            );
            let labels = [("tenant", self.tenant.clone()), ("operation", operation.to_owned())];
            histogram!("o365_api_request_duration_seconds", &labels).record(started.elapsed());
            let [tenant, operation] = labels;
            counter!("o365_api_requests_total", &[tenant, operation, ("status", status)])
                .increment(1);
            result
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a time in milliseconds is far below 2^52")]
fn seconds(time: Timestamp) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}
