//! `o365flow subscriptions`: what tenants are subscribed to; starting and stopping.

use std::fmt;

use clap::{Args, Subcommand, ValueEnum};
use office365::ContentType;
use pipeline_core::Timestamp;
use serde_json::{Value, json};

use super::{
    Chain, Failure, complain, load::Office365Source, rfc3339, run::block_on, say, scope::Scope,
};
use crate::components::office365::{
    StartBook, StartOutcome, StopOutcome, SubscriptionRow, Subscriptions, ledger::LedgerError,
};

/// Show, start and stop the tenants' subscriptions.
#[derive(Debug, Args)]
pub(super) struct SubscriptionsCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what each tenant is subscribed to.
    List {
        #[command(flatten)]
        scope: Scope,
        /// A table for people, or JSON.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Start what is missing. Not needed before `run`, which does the same.
    Start {
        #[command(flatten)]
        scope: Scope,
        /// Start although a running o365flow holds the ledger, in which the start is then not written down.
        #[arg(long)]
        force: bool,
    },
    /// Stop subscriptions. What is created until they are started again can never be had.
    Stop {
        #[command(flatten)]
        scope: Scope,
        /// Yes, lose what is created meanwhile.
        #[arg(long)]
        yes: bool,
    },
}

/// How subscriptions are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Table,
    Json,
}

/// Why nothing is done.
#[derive(Debug, thiserror::Error)]
enum RefusedError {
    #[error(
        "not started: a running o365flow starts what is missing by itself, and writes down when; --force starts all the same"
    )]
    Running(#[source] LedgerError),
    #[error("name what to stop with --content-type")]
    NothingNamed,
    #[error(
        "content that is created while a subscription is stopped can never be had; add --yes if that is what you want"
    )]
    NotConfirmed,
}

/// A tenant's subscriptions, with what could not be had of them.
struct Listed {
    source: String,
    tenant: String,
    rows: Vec<SubscriptionRow>,
}

impl SubscriptionsCommand {
    pub(super) fn execute(self, now: Timestamp) -> Result<(), Failure> {
        match self.action {
            Action::List { scope, format } => {
                let sources = scope.sources()?;
                block_on(list(&scope, &sources, format))?
            }
            Action::Start { scope, force } => {
                let sources = scope.sources()?;
                block_on(start(&scope, &sources, force, now))?
            }
            Action::Stop { scope, yes } => {
                if scope.content_types.is_empty() {
                    return Err(Failure::usage(RefusedError::NothingNamed));
                }
                if !yes {
                    return Err(Failure::usage(RefusedError::NotConfirmed));
                }
                let sources = scope.sources()?;
                block_on(stop(&scope, &sources))?
            }
        }
    }
}

impl Scope {
    /// The sources, each with the tenants that are meant.
    fn sources(&self) -> Result<Vec<Office365Source>, Failure> {
        self.tenants_of(&self.load()?).map_err(Failure::usage)
    }

    fn means(&self, content_type: ContentType) -> bool {
        self.content_types.is_empty() || self.content_types.contains(&content_type)
    }

    /// The types that are meant, of those that `source` collects or that are named.
    fn types_of(&self, source: &Office365Source) -> Vec<ContentType> {
        let named = &self.content_types;
        if named.is_empty() { source.config.content_types.clone() } else { named.clone() }
    }
}

async fn list(scope: &Scope, sources: &[Office365Source], format: Format) -> Result<(), Failure> {
    let mut all = Vec::new();
    let mut has_failed = false;
    for source in sources {
        let book = StartBook::read(&source.state_dir)?;
        for tenant in &source.config.tenants {
            match Subscriptions::of(&source.config, tenant)?.list(&book).await {
                Ok(mut rows) => {
                    rows.retain(|row| scope.means(row.content_type));
                    let (source, tenant) = (source.id.to_string(), tenant.name.clone());
                    all.push(Listed { source, tenant, rows });
                }
                Err(error) => {
                    has_failed = true;
                    complain_of(&tenant.name, &error, error.hint());
                }
            }
        }
    }
    match format {
        Format::Table => say(Table(&all)),
        Format::Json => say(json_of(&all)),
    }
    if has_failed { Err(Failure::Negative) } else { Ok(()) }
}

async fn start(
    scope: &Scope,
    sources: &[Office365Source],
    force: bool,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut has_failed = false;
    for source in sources {
        let book = match StartBook::open(&source.state_dir) {
            Err(error @ LedgerError::InUse { .. }) if !force => {
                return Err(RefusedError::Running(error).into());
            }
            Err(LedgerError::InUse { .. }) => StartBook::read(&source.state_dir)?,
            book => book?,
        };
        for tenant in &source.config.tenants {
            let subscriptions = Subscriptions::of(&source.config, tenant)?;
            for content_type in scope.types_of(source) {
                let about = format!("{} {content_type}", tenant.name);
                match subscriptions.start(content_type, &book, now).await {
                    Ok(StartOutcome::Started) => say(format_args!(
                        "{about}: started; its first content takes up to 12 hours"
                    )),
                    Ok(StartOutcome::WasEnabled) => say(format_args!("{about}: enabled already")),
                    Ok(StartOutcome::Asked { until }) => {
                        has_failed = true;
                        complain(format_args!(
                            "{about}: asked to start a short while ago; Microsoft wants 15 minutes between two \
                             attempts, so try again after {}",
                            rfc3339(until)
                        ));
                    }
                    Err(error) => {
                        has_failed = true;
                        complain_of(&about, &error, error.hint());
                    }
                }
            }
        }
    }
    if has_failed { Err(Failure::Negative) } else { Ok(()) }
}

async fn stop(scope: &Scope, sources: &[Office365Source]) -> Result<(), Failure> {
    let mut has_failed = false;
    for source in sources {
        for tenant in &source.config.tenants {
            let subscriptions = Subscriptions::of(&source.config, tenant)?;
            for content_type in scope.types_of(source) {
                let about = format!("{} {content_type}", tenant.name);
                match subscriptions.stop(content_type).await {
                    Ok(StopOutcome::Stopped) => say(format_args!("{about}: stopped")),
                    Ok(StopOutcome::WasMissing) => {
                        say(format_args!("{about}: there is no subscription"));
                    }
                    Err(error) => {
                        has_failed = true;
                        complain_of(&about, &error, error.hint());
                    }
                }
            }
        }
    }
    if has_failed { Err(Failure::Negative) } else { Ok(()) }
}

fn complain_of(about: &str, error: &dyn std::error::Error, hint: Option<office365::Hint>) {
    complain(format_args!("error: {about}: {}", Chain(error)));
    if let Some(hint) = hint {
        complain(format_args!("  cause: {}\n  fix: {}", hint.cause, hint.fix));
    }
}

struct Table<'a>(&'a [Listed]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|listed| listed.tenant.chars().count());
        let width = names.chain(["TENANT".len()]).max().unwrap_or_default();
        let [tenant, content_type, state, start] =
            ["TENANT", "CONTENT TYPE", "STATE", "LAST START"];
        write!(
            formatter,
            "{tenant:<width$}  {content_type:<26}  {state:<8}  {start:<20}  WEBHOOK"
        )?;
        for Listed { tenant, rows, .. } in self.0 {
            for row in rows {
                let state = row.state.as_str();
                let start = row.start_attempted.map_or_else(|| "-".to_owned(), rfc3339);
                let content_type = row.content_type;
                write!(
                    formatter,
                    "\n{tenant:<width$}  {content_type:<26}  {state:<8}  {start:<20}  "
                )?;
                match &row.webhook {
                    Some(webhook) => write!(formatter, "{}", webhook.address)?,
                    None => write!(formatter, "-")?,
                }
                if !row.is_configured {
                    write!(formatter, "  (not collected)")?;
                }
            }
        }
        Ok(())
    }
}

fn json_of(all: &[Listed]) -> Value {
    let row = |listed: &Listed, row: &SubscriptionRow| {
        let webhook = row.webhook.as_ref().map(|webhook| {
            json!({
                "address": webhook.address, "status": webhook.status,
                "expires": webhook.expires.map(rfc3339),
            })
        });
        json!({
            "source": listed.source, "tenant": listed.tenant,
            "content_type": row.content_type.name(), "state": row.state.as_str(),
            "collected": row.is_configured, "webhook": webhook,
            "start_attempted": row.start_attempted.map(rfc3339),
        })
    };
    all.iter().flat_map(|listed| listed.rows.iter().map(move |of| row(listed, of))).collect()
}
