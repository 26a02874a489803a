//! What the ledger proves: hour by hour, what was listed, and what became of it and of its records.
//!
//! Invariant: nothing here changes the ledger. A report says of its sums whether they add up, and names what was lost,
//! what was never listed, and what the API lists and the ledger does not know.

mod figures;
mod overview;
mod read;
mod table;
mod verify;

use std::path::PathBuf;

use office365::{ContentType, TenantId};
use pipeline_core::Timestamp;
use serde::Serialize;

pub use figures::{BlobFigures, Figures, RecordFigures};
pub use overview::{FeedOverview, HourOverview, Overview};
pub use read::report;
pub use table::Table;
pub use verify::{Verifier, VerifyError};

use super::ledger::Span;

/// The form of the JSON. A field may be added without a new number; none changes its meaning.
pub const FORMAT_VERSION: u32 = 1;

/// What a report is asked for.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Creation times of blobs.
    pub span: Span,
    pub by: Grouping,
    /// Names of tenants, or their GUIDs; empty for all.
    pub tenants: Vec<String>,
    /// Empty for all.
    pub content_types: Vec<ContentType>,
}

/// What one row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Grouping {
    /// An hour of a feed.
    Hour,
    /// A day of a feed, in UTC.
    Day,
    /// A whole feed.
    Feed,
}

/// The report about one source.
#[derive(Clone, Debug, Serialize)]
pub struct SourceReport {
    /// The source's id.
    pub source: String,
    pub ledger: PathBuf,
    /// Blobs created from here.
    pub since: Timestamp,
    /// To before here.
    pub until: Timestamp,
    pub by: Grouping,
    /// Nothing is lost, no span was missed, every sum adds up, and, where that was looked at, nothing is missing.
    pub complete: bool,
    pub totals: Figures,
    pub feeds: Vec<FeedReport>,
}

/// The report about one feed.
#[derive(Clone, Debug, Serialize)]
pub struct FeedReport {
    /// What the configuration calls the tenant; nothing for one that it does not have any more.
    pub tenant: Option<String>,
    #[serde(serialize_with = "as_text")]
    pub tenant_id: TenantId,
    #[serde(serialize_with = "as_text")]
    pub content_type: ContentType,
    /// Whether the configuration still has the feed.
    pub configured: bool,
    /// Where the first listing began: what was created before is not collected.
    pub listed_from: Option<Timestamp>,
    /// Everything created before was listed; nothing for a feed that never was.
    pub listed_until: Option<Timestamp>,
    /// What the API last said about the subscription.
    pub subscription_enabled: Option<bool>,
    pub totals: Figures,
    /// In the order of time; those without a blob are left out.
    pub periods: Vec<Period>,
    /// Blobs that can never be delivered.
    pub lost: Vec<Blob>,
    /// Blobs that are neither delivered nor lost yet, the first [`PENDING_SHOWN_MAX`] to expire.
    pub pending: Vec<Blob>,
    /// Spans that were never listed and are listed no more.
    pub gaps: Vec<MissedSpan>,
    /// Delivered blobs whose records are not all accounted for, some of them.
    pub unbalanced: Vec<String>,
    /// What a new listing has shown, where one was asked for.
    pub verification: Option<Verification>,
}

/// Pending blobs that a report names for each feed.
pub const PENDING_SHOWN_MAX: u32 = 100;

/// One row of a feed.
#[derive(Clone, Debug, Serialize)]
pub struct Period {
    pub start: Timestamp,
    pub end: Timestamp,
    #[serde(flatten)]
    pub figures: Figures,
}

/// A blob by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blob {
    pub content_id: String,
    pub created: Timestamp,
    pub expires: Timestamp,
    /// Failed attempts.
    pub attempts: u32,
    /// Why it was lost, or why the last attempt failed.
    pub reason: Option<String>,
}

/// A span of creation times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MissedSpan {
    pub start: Timestamp,
    pub end: Timestamp,
    /// When it was noticed that nothing can list it any more.
    pub found: Timestamp,
}

/// What the API lists, compared with the ledger.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verification {
    /// What was listed again; nothing where there was nothing to list.
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Distinct blobs that the API listed.
    pub listed: u64,
    /// Those that the ledger knows.
    pub known: u64,
    /// Those that it does not know and need not: created after `listed_until`.
    pub not_due: u64,
    /// Those that it does not know yet, and that the next poll lists, which goes back by `relist_overlap`: they came into
    /// sight after the last one.
    pub late: u64,
    /// Those that it should know and does not.
    pub missing: Vec<MissingBlob>,
    /// Rows that named no blob.
    pub bad_rows: u64,
    /// Why the listing did not come to its end.
    pub error: Option<String>,
}

/// A blob that the API lists and the ledger does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingBlob {
    pub content_id: String,
    pub created: Timestamp,
    pub expires: Timestamp,
    /// What will list it.
    pub found_by: FoundBy,
}

/// What lists a blob that was not there, or was not seen, when its time was listed, and that no poll lists again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// The next listing of everything, after `relist_all_interval`.
    NextRelisting,
    /// Nothing: `relist_all_interval` is 0.
    Nothing,
}

impl FeedReport {
    /// Whether the feed is proved to be complete, as far as was looked. What is pending is not lost.
    pub fn is_complete(&self) -> bool {
        let is_verified = self.verification.as_ref().is_none_or(Verification::is_clean);
        let was_listed = self.listed_until.is_some() || !self.configured;
        let is_sound = self.totals.sums_add_up && self.totals.blobs.lost == 0;
        is_sound && self.gaps.is_empty() && is_verified && was_listed
    }

    /// Whether the feed is of the tenant that has this name or GUID.
    pub fn is_of(&self, tenant: &str) -> bool {
        self.tenant.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(tenant))
            || tenant.parse() == Ok(self.tenant_id)
    }

    /// What people call the feed.
    pub fn name(&self) -> String {
        let tenant = self.tenant.clone().unwrap_or_else(|| self.tenant_id.to_string());
        format!("{tenant} {}", self.content_type)
    }
}

impl Verification {
    fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.error.is_none() && self.bad_rows == 0
    }
}

impl SourceReport {
    /// Computes what follows from the feeds.
    pub fn conclude(&mut self) {
        self.totals = self.feeds.iter().map(|feed| feed.totals).sum();
        self.complete = self.feeds.iter().all(FeedReport::is_complete);
    }
}

fn as_text<S: serde::Serializer>(
    value: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
