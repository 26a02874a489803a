//! The predecessor's state as the beginning of a ledger.
//!
//! Its state file holds one time: what was created before it was published, as far as it had been listed. So each feed
//! goes on there, and its first listing goes back by `relist_overlap`, for what was listed late.

use std::{
    io,
    path::{Path, PathBuf},
};

use chrono::SecondsFormat;
use office365::{ContentType, TenantId, parse_time};
use pipeline_core::Timestamp;

use super::{
    Config, Tenant,
    ledger::{LedgerError, Overwrite, SqliteLedger},
    ledger_path, plan,
};

/// What was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    pub tenant: String,
    pub content_types: Vec<ContentType>,
    /// The time in the file.
    pub listed_until: Timestamp,
    /// What was created before is not collected.
    pub listed_from: Timestamp,
}

impl Imported {
    /// Whether the API lists no more what came just after: that will be reported as a gap.
    pub fn is_too_old(&self, now: Timestamp) -> bool {
        self.listed_until < now - plan::delta(plan::LISTABLE)
    }
}

/// Why a state was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("cannot read the state `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the state holds no time, but `{text}`; a time like 2026-03-08T12:00:00Z was expected")]
    NoTime { text: String },
    #[error(
        "the state holds no time: the predecessor has published nothing yet, and nothing need be imported"
    )]
    Unused,
    #[error("the time in the state, {}, is in the future", time.to_rfc3339_opts(SecondsFormat::Secs, true))]
    Future { time: Timestamp },
    #[error("the tenant's id `{id}` is no GUID")]
    TenantId { id: String },
    #[error(
        "already listed: {feeds}; a ledger that is in use needs no import, and --force would list again what it has"
    )]
    InUse { feeds: String },
    #[error("cannot import the state")]
    Ledger(#[from] LedgerError),
}

/// Reads the time in the predecessor's state file.
pub fn read_state(path: &Path, now: Timestamp) -> Result<Timestamp, ImportError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
    // The start of what is no state is enough to recognise it by.
    let shown = || text.trim().chars().take(40).collect();
    let time = parse_time(&text).ok_or_else(|| ImportError::NoTime { text: shown() })?;
    if time <= Timestamp::UNIX_EPOCH {
        return Err(ImportError::Unused);
    }
    if time > now { Err(ImportError::Future { time }) } else { Ok(time) }
}

/// Has the feeds of `tenant` go on at `listed_until`.
pub async fn import_state(
    config: &Config,
    state_dir: &Path,
    tenant: &Tenant,
    listed_until: Timestamp,
    overwrite: Overwrite,
) -> Result<Imported, ImportError> {
    let tenant_id: TenantId = tenant
        .tenant_id
        .parse()
        .map_err(|_| ImportError::TenantId { id: tenant.tenant_id.clone() })?;
    let listed_from = listed_until - plan::delta(config.relist_overlap);
    let ledger = SqliteLedger::open(&ledger_path(state_dir))?;
    let types = config.content_types.clone();
    let known =
        ledger.begin_at(tenant_id, types.clone(), listed_from..listed_until, overwrite).await?;
    if !known.is_empty() {
        let feeds: Vec<&str> = known.iter().map(|known| known.name()).collect();
        return Err(ImportError::InUse { feeds: feeds.join(", ") });
    }
    let tenant = tenant.name.clone();
    Ok(Imported { tenant, content_types: types, listed_until, listed_from })
}
