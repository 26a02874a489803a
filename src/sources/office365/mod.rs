//! Source `office365`: the audit records of Office 365 tenants, through the Management Activity API.
//!
//! A record's way: `feed` lists blobs into the `ledger`; `tenant` takes what is due from it; `blob` fetches one;
//! `chunk` reads and checks its records; `send` drops copies, sends the rest and learns what became of them; then the
//! ledger says delivered. `plan` decides, the others act.
//!
//! Invariant: whatever was listed is in the ledger until it is delivered or lost, and delivered means that the sinks
//! have acknowledged its last record. Killed at any instant, the source sends again at most what was unacknowledged.

mod blob;
mod build;
mod chunk;
mod config;
mod doctor;
mod duplicates;
mod feed;
mod kept_letters;
pub mod ledger;
mod listing;
mod metrics;
mod opening;
mod persist;
mod plan;
mod poll_error;
mod quiet;
mod replay;
pub mod report;
mod roster;
mod schema;
mod seen_index;
mod send;
mod shared;
mod source;
pub mod state_import;
mod subscriptions;
mod tenant;
mod tenants_dir;
mod watch;
mod work;

/// What the API is made of, for commands.
pub use ::office365::{ContentType, TenantId, parse_time};
pub use build::ledger_path;
pub use config::{App, Certificate, Config, ManagedIdentity, Tenant, Tls};
pub use doctor::examine;
pub use replay::{Replay, ReplayConfig, Span, Wanted};
pub use source::Office365;
pub use subscriptions::{
    StartBook, StartError, StartOutcome, StopOutcome, SubscriptionRow, SubscriptionState,
    Subscriptions,
};
