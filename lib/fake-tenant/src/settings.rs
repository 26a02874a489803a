//! How the fake API behaves when nothing goes wrong: sizes, limits and lives, each with the value of the real service.

use std::time::Duration;

use chrono::TimeDelta;

use crate::chance::FaultRates;

/// The name of the response header that leads to the next page; the documentation knows both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextPageHeader {
    NextPageUri,
    NextPageUrl,
}

/// In which order the rows of a page stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    Created,
    /// Shuffled from the seed: nothing is promised about the order.
    Shuffled,
}

/// How header names look on the wire. HTTP does not care, clients should not either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderCase {
    /// `nextpageuri`
    Lower,
    /// `Nextpageuri`
    Title,
}

/// Which status an `AF429` error has; both are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThrottleStatus {
    Forbidden,
    TooManyRequests,
}

/// The behaviour of a [`crate::FakeTenants`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// Decides the ids of errors, shuffled rows and the faults drawn from `fault_rates`.
    pub seed: u64,
    /// Rows on one page of a content listing.
    pub page_size: usize,
    pub token_life: TimeDelta,
    /// Budget of one publisher at one tenant.
    pub requests_per_minute: u32,
    /// Budget that all requests without a `PublisherIdentifier` share.
    pub anonymous_requests_per_minute: u32,
    pub throttle_status: ThrottleStatus,
    /// Sent with an `AF429`, if set. The real service promises none.
    pub retry_after: Option<Duration>,
    /// Compress bodies for clients that accept gzip.
    pub gzip: bool,
    /// How long every answer takes.
    pub latency: Duration,
    pub next_page_header: NextPageHeader,
    pub header_case: HeaderCase,
    pub row_order: RowOrder,
    pub fault_rates: FaultRates,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            seed: 0,
            page_size: 200,
            token_life: TimeDelta::seconds(3600),
            requests_per_minute: 2000,
            anonymous_requests_per_minute: 10,
            throttle_status: ThrottleStatus::Forbidden,
            retry_after: None,
            gzip: false,
            latency: Duration::ZERO,
            next_page_header: NextPageHeader::NextPageUri,
            header_case: HeaderCase::Lower,
            row_order: RowOrder::Created,
            fault_rates: FaultRates::default(),
        }
    }
}
