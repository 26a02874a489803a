//! From the ledger to a report.

use std::path::Path;

use chrono::{DateTime, TimeDelta};
use office365::{ContentType, TenantId};
use pipeline_core::Timestamp;

use super::{
    super::{
        Config,
        ledger::{BlobRecord, FeedRecord, HourRecord, LedgerError, LedgerReader, Undelivered},
    },
    Blob, FeedReport, Figures, Grouping, MissedSpan, PENDING_SHOWN_MAX, Period, Scope,
    SourceReport,
};

/// Delivered blobs with wrong sums that are named for each feed. One is too many.
const UNBALANCED_SHOWN_MAX: u32 = 100;

/// A feed that the configuration declares.
pub(super) struct Configured<'a> {
    pub(super) tenant: &'a str,
    pub(super) tenant_id: TenantId,
    pub(super) content_type: ContentType,
}

/// Reads the report about the source `id` from the ledger at `path`.
pub fn report(
    id: &str,
    config: &Config,
    path: &Path,
    scope: &Scope,
) -> Result<SourceReport, LedgerError> {
    let ledger = LedgerReader::open(path)?;
    let configured = configured(config);
    let known = ledger.feeds()?;
    let mut feeds = Vec::new();
    for feed in &known {
        let declared = configured.iter().find(|declared| {
            declared.tenant_id == feed.tenant_id && declared.content_type == feed.content_type
        });
        // A tenant keeps its name when one of its content types is taken out.
        let tenant = configured.iter().find(|declared| declared.tenant_id == feed.tenant_id);
        let tenant = tenant.map(|declared| declared.tenant);
        let mut report = blank(feed.tenant_id, feed.content_type, tenant, declared.is_some());
        if scope.holds(&report) {
            fill(&mut report, &ledger, feed, scope)?;
            feeds.push(report);
        }
    }
    for declared in configured {
        let is_known = known.iter().any(|feed| {
            feed.tenant_id == declared.tenant_id && feed.content_type == declared.content_type
        });
        let Configured { tenant, tenant_id, content_type } = declared;
        let report = blank(tenant_id, content_type, Some(tenant), true);
        if !is_known && scope.holds(&report) {
            feeds.push(report);
        }
    }
    // Feeds that are configured no more come last.
    feeds.sort_by_key(|feed| (feed.tenant.is_none(), feed.tenant.clone(), feed.content_type));
    let mut report = SourceReport {
        source: id.to_owned(),
        ledger: path.to_owned(),
        since: scope.span.start,
        until: scope.span.end,
        by: scope.by,
        complete: false,
        totals: Figures::default(),
        feeds,
    };
    report.conclude();
    Ok(report)
}

pub(super) fn configured(config: &Config) -> Vec<Configured<'_>> {
    let mut feeds = Vec::new();
    for tenant in &config.tenants {
        // What does not parse was refused when the configuration was checked.
        let Ok(tenant_id) = tenant.tenant_id.parse() else { continue };
        for &content_type in &config.content_types {
            feeds.push(Configured { tenant: &tenant.name, tenant_id, content_type });
        }
    }
    feeds
}

impl Scope {
    fn holds(&self, feed: &FeedReport) -> bool {
        let is_tenant =
            self.tenants.is_empty() || self.tenants.iter().any(|wanted| feed.is_of(wanted));
        let types = &self.content_types;
        is_tenant && (types.is_empty() || types.contains(&feed.content_type))
    }
}

fn blank(
    tenant_id: TenantId,
    content_type: ContentType,
    tenant: Option<&str>,
    configured: bool,
) -> FeedReport {
    FeedReport {
        tenant: tenant.map(str::to_owned),
        tenant_id,
        content_type,
        configured,
        listed_from: None,
        listed_until: None,
        subscription_enabled: None,
        totals: Figures::default(),
        periods: Vec::new(),
        lost: Vec::new(),
        pending: Vec::new(),
        gaps: Vec::new(),
        unbalanced: Vec::new(),
        verification: None,
    }
}

fn fill(
    report: &mut FeedReport,
    ledger: &LedgerReader,
    feed: &FeedRecord,
    scope: &Scope,
) -> Result<(), LedgerError> {
    let (row, span) = (feed.row, &scope.span);
    report.listed_from = feed.listed_from;
    report.listed_until = feed.listed_until;
    report.subscription_enabled = feed.is_subscribed;
    let hours = ledger.hours(row, span)?;
    report.totals = hours.iter().map(Figures::of_hour).sum();
    report.periods = periods(&hours, scope.by);
    let lost = ledger.undelivered(row, Undelivered::Lost, span, u32::MAX)?;
    report.lost = lost.into_iter().map(blob).collect();
    let pending = ledger.undelivered(row, Undelivered::Pending, span, PENDING_SHOWN_MAX)?;
    report.pending = pending.into_iter().map(blob).collect();
    report.unbalanced = ledger
        .unbalanced(row, span, UNBALANCED_SHOWN_MAX)?
        .into_iter()
        .map(|content_id| content_id.0)
        .collect();
    let gaps = ledger.gaps(row, span)?.into_iter();
    report.gaps =
        gaps.map(|gap| MissedSpan { start: gap.start, end: gap.end, found: gap.found }).collect();
    Ok(())
}

fn blob(record: BlobRecord) -> Blob {
    Blob {
        content_id: record.blob.id.0,
        created: record.blob.created,
        expires: record.blob.expires,
        attempts: record.attempts,
        reason: record.error,
    }
}

fn periods(hours: &[HourRecord], by: Grouping) -> Vec<Period> {
    let length = match by {
        Grouping::Hour => 1,
        Grouping::Day => 24,
        Grouping::Feed => return Vec::new(),
    };
    let mut periods: Vec<Period> = Vec::new();
    for hour in hours {
        let first = hour.hour.div_euclid(length) * length;
        let (start, end) = (hours_since_1970(first), hours_since_1970(first + length));
        let figures = Figures::of_hour(hour);
        match periods.last_mut() {
            Some(last) if last.start == start => last.figures += figures,
            Some(_) | None => periods.push(Period { start, end, figures }),
        }
    }
    periods
}

pub(super) fn hours_since_1970(hours: i64) -> Timestamp {
    TimeDelta::try_hours(hours)
        .and_then(|since| DateTime::UNIX_EPOCH.checked_add_signed(since))
        .unwrap_or_default()
}
