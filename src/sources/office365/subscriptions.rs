//! Subscriptions by hand: what a tenant has, what it lacks, starting and stopping.
//!
//! Invariants: only what is missing is started, and a start is written down in the ledger before it is asked for, so that
//! neither this nor a source at work asks for it again within Microsoft's 15 minutes.

use std::{collections::HashMap, fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path};

use office365::{
    ApiError, ContentType, Hint, Started, Subscription, TenantClient, TenantId, Webhook,
};
use pipeline_core::{RunError, Timestamp};

use super::{
    build::ledger_path,
    config::{Config, Tenant},
    ledger::{FeedRecord, Ledger, LedgerError, LedgerReader, SqliteLedger},
    plan::{self, SubscriptionStep},
};

/// A content type of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRow {
    pub content_type: ContentType,
    pub state: SubscriptionState,
    /// Where something else is told of new content; not this program's doing.
    pub webhook: Option<Webhook>,
    /// Whether the configuration collects it.
    pub is_configured: bool,
    /// When it was last asked to start, as the ledger knows.
    pub start_attempted: Option<Timestamp>,
}

/// What the API says about a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionState {
    Enabled,
    /// It was stopped, or an administrator disabled it.
    Disabled,
    /// It was never started, or was stopped.
    Missing,
    /// The API lists it without a status, which happens.
    Unknown,
}

/// What came of a wish to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOutcome {
    /// It was enabled, and nothing was asked.
    WasEnabled,
    Started,
    /// It was asked to start a short while ago, and not asked again.
    Asked {
        until: Timestamp,
    },
}

/// What came of a wish to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOutcome {
    Stopped,
    /// There was nothing to stop.
    WasMissing,
}

/// Why a subscription was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the API refused")]
    Api(#[from] ApiError),
    #[error("the start could not be written down, so it was not asked for")]
    Ledger(#[from] LedgerError),
}

impl StartError {
    /// Cause and fix, where they are known.
    pub fn hint(&self) -> Option<Hint> {
        match self {
            StartError::Api(error) => error.hint(),
            StartError::Ledger(_) => None,
        }
    }
}

/// The subscriptions of one tenant.
#[derive(Debug)]
pub struct Subscriptions {
    client: TenantClient,
    configured: Vec<ContentType>,
}

/// When subscriptions were asked to start, by what the ledger knows.
#[derive(Debug, Default)]
pub struct StartBook {
    attempted: HashMap<(TenantId, ContentType), Timestamp>,
    /// To write starts down in.
    ledger: Option<SqliteLedger>,
}

impl SubscriptionState {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            SubscriptionState::Enabled => "enabled",
            SubscriptionState::Disabled => "disabled",
            SubscriptionState::Missing => "missing",
            SubscriptionState::Unknown => "unknown",
        }
    }
}

impl StartBook {
    /// Reads the ledger in `state_dir`, beside a source at work or without one. Nothing is written down.
    pub fn read(state_dir: &Path) -> Result<StartBook, LedgerError> {
        let reader = match LedgerReader::open(&ledger_path(state_dir)) {
            Err(LedgerError::Missing { .. }) => return Ok(StartBook::default()),
            reader => reader?,
        };
        let feeds = reader.feeds()?.into_iter();
        let attempt =
            |feed: FeedRecord| Some(((feed.tenant_id, feed.content_type), feed.start_attempted?));
        Ok(StartBook { attempted: feeds.filter_map(attempt).collect(), ledger: None })
    }

    /// As [`StartBook::read`], to write starts down as well. Fails when a source at work has the ledger: that one
    /// starts what is missing itself.
    pub fn open(state_dir: &Path) -> Result<StartBook, LedgerError> {
        let path = ledger_path(state_dir);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state_dir)
            .map_err(|error| LedgerError::Open { path: path.clone(), source: error.into() })?;
        let ledger = SqliteLedger::open(&path)?;
        Ok(StartBook { ledger: Some(ledger), ..StartBook::read(state_dir)? })
    }

    /// What to do about a subscription. With [`SubscriptionStep::Start`] it is written down as asked for.
    async fn enter(
        &self,
        tenant: TenantId,
        content_type: ContentType,
        listed: &[Subscription],
        now: Timestamp,
    ) -> Result<SubscriptionStep, LedgerError> {
        let attempted = self.attempted.get(&(tenant, content_type)).copied();
        let step = plan::subscription_step(content_type, listed, false, attempted, now);
        if let (SubscriptionStep::Start, Some(ledger)) = (step, &self.ledger) {
            let feed = ledger.open_feed(tenant, content_type).await?.feed;
            ledger.record_start_attempt(feed, now).await?;
        }
        Ok(step)
    }
}

impl Subscriptions {
    /// Of a tenant in `config`; asks nothing yet.
    pub fn of(config: &Config, tenant: &Tenant) -> Result<Subscriptions, RunError> {
        let settings = tenant.settings(config)?;
        let transport = config
            .transport()
            .map_err(|error| RunError::new("cannot make connections to the API", error))?;
        let client = TenantClient::new(settings, transport, None, fastrand::Rng::new());
        Ok(Subscriptions { client, configured: config.content_types.clone() })
    }

    /// Whose they are.
    pub fn tenant_id(&self) -> TenantId {
        self.client.settings().tenant_id
    }

    /// What is configured, and what else the tenant has.
    pub async fn list(&self, book: &StartBook) -> Result<Vec<SubscriptionRow>, ApiError> {
        let listed = self.client.list_subscriptions().await?;
        let row = |content_type| {
            let found = listed.iter().find(|row| row.content_type == content_type);
            let is_configured = self.configured.contains(&content_type);
            let state = match found.map(|row| row.is_enabled) {
                Some(Some(true)) => SubscriptionState::Enabled,
                Some(Some(false)) => SubscriptionState::Disabled,
                Some(None) => SubscriptionState::Unknown,
                None => SubscriptionState::Missing,
            };
            let webhook = found.and_then(|row| row.webhook.clone());
            let start_attempted = book.attempted.get(&(self.tenant_id(), content_type)).copied();
            let row =
                SubscriptionRow { content_type, state, webhook, is_configured, start_attempted };
            (is_configured || found.is_some()).then_some(row)
        };
        Ok(ContentType::ALL.into_iter().filter_map(row).collect())
    }

    /// Starts a subscription, unless it is enabled or was asked for a short while ago.
    pub async fn start(
        &self,
        content_type: ContentType,
        book: &StartBook,
        now: Timestamp,
    ) -> Result<StartOutcome, StartError> {
        let listed = self.client.list_subscriptions().await?;
        match book.enter(self.tenant_id(), content_type, &listed, now).await? {
            SubscriptionStep::Ready => Ok(StartOutcome::WasEnabled),
            SubscriptionStep::WaitUntil(until) => Ok(StartOutcome::Asked { until }),
            SubscriptionStep::Start => match self.client.start_subscription(content_type).await? {
                Started::Now => Ok(StartOutcome::Started),
                Started::Already => Ok(StartOutcome::WasEnabled),
            },
        }
    }

    /// Stops a subscription. What is created from now until it is started again can never be had.
    pub async fn stop(&self, content_type: ContentType) -> Result<StopOutcome, ApiError> {
        match self.client.stop_subscription(content_type).await {
            Ok(()) => Ok(StopOutcome::Stopped),
            Err(error) if error.code() == Some("AF20022") => Ok(StopOutcome::WasMissing),
            Err(error) => Err(error),
        }
    }
}
