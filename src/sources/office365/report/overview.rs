//! What a page shows of many feeds at a time: how far each is, and hour by hour what became of its blobs.
//!
//! It is the same ledger and the same sums as of a report, without the names of blobs.

use std::path::Path;

use office365::{ContentType, TenantId};
use pipeline_core::Timestamp;
use serde::Serialize;

use super::{
    super::{
        Config,
        ledger::{FeedRow, LedgerError, LedgerReader, Span},
    },
    BlobFigures, as_text,
    read::{configured, hours_since_1970},
};

/// A feed, without its hours.
#[derive(Clone, Debug, Serialize)]
pub struct FeedOverview {
    #[serde(serialize_with = "as_text")]
    pub tenant_id: TenantId,
    /// What the configuration calls the tenant; nothing for one that it does not have any more.
    pub tenant: Option<String>,
    #[serde(serialize_with = "as_text")]
    pub content_type: ContentType,
    /// Whether the configuration still has the feed.
    pub configured: bool,
    /// Everything created before was listed; nothing for a feed that never was.
    pub listed_until: Option<Timestamp>,
    /// What the API last said about the subscription.
    pub subscription_enabled: Option<bool>,
    /// Nothing for one that the ledger does not know yet.
    #[serde(skip)]
    pub row: Option<FeedRow>,
}

/// What became of the blobs that were created within an hour.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HourOverview {
    /// Its start.
    pub hour: Timestamp,
    #[serde(flatten)]
    pub blobs: BlobFigures,
}

/// The ledger of a source, for looks at its feeds.
#[derive(Debug)]
pub struct Overview(LedgerReader);

impl Overview {
    /// Opens the ledger at `path`.
    pub fn open(path: &Path) -> Result<Overview, LedgerError> {
        LedgerReader::open(path).map(Overview)
    }

    /// All feeds of the ledger, and those that the configuration has besides.
    pub fn feeds(&self, config: &Config) -> Result<Vec<FeedOverview>, LedgerError> {
        let declared = configured(config);
        let mut feeds = Vec::new();
        for feed in self.0.feeds()? {
            let of_tenant = declared.iter().find(|one| one.tenant_id == feed.tenant_id);
            let is_declared = |one: &super::read::Configured<'_>| {
                one.tenant_id == feed.tenant_id && one.content_type == feed.content_type
            };
            feeds.push(FeedOverview {
                tenant_id: feed.tenant_id,
                tenant: of_tenant.map(|one| one.tenant.to_owned()),
                content_type: feed.content_type,
                configured: declared.iter().any(is_declared),
                listed_until: feed.listed_until,
                subscription_enabled: feed.is_subscribed,
                row: Some(feed.row),
            });
        }
        for one in declared {
            let is_known = feeds.iter().any(|feed| {
                feed.tenant_id == one.tenant_id && feed.content_type == one.content_type
            });
            if !is_known {
                feeds.push(FeedOverview {
                    tenant_id: one.tenant_id,
                    tenant: Some(one.tenant.to_owned()),
                    content_type: one.content_type,
                    configured: true,
                    listed_until: None,
                    subscription_enabled: None,
                    row: None,
                });
            }
        }
        Ok(feeds)
    }

    /// The hours of a feed within `span`; those without a blob are left out.
    pub fn hours(&self, feed: FeedRow, span: &Span) -> Result<Vec<HourOverview>, LedgerError> {
        let hours = self.0.hours(feed, span)?;
        let overview = hours.into_iter().map(|hour| HourOverview {
            hour: hours_since_1970(hour.hour),
            blobs: BlobFigures {
                listed: hour.listed,
                delivered: hour.delivered,
                pending: hour.pending,
                lost: hour.lost,
            },
        });
        Ok(overview.collect())
    }

    /// Feeds with lost blobs that were created within `span`, with how many.
    pub fn lost(&self, span: &Span) -> Result<Vec<(FeedRow, u64)>, LedgerError> {
        self.0.lost(span)
    }
}
