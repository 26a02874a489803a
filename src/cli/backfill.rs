//! `o365flow backfill`: ships a span of content again.

use std::sync::Arc;

use clap::Args;
use pipeline_core::Clock;

use super::{
    Failure, complain, rfc3339,
    ship_again::ShipAgain,
    when::{self, SpanError, When},
};
use crate::components::office365::{Replay, Span};

/// Ship a span of content again.
///
/// What was created in it is fetched as far as Microsoft still lists it (7 days), without touching the ledger. A sink that
/// knows an event by its id does not store it twice.
#[derive(Debug, Args)]
pub(super) struct Backfill {
    #[command(flatten)]
    ship_again: ShipAgain,
    /// Content created from here on: a time or day in UTC, or an age such as 36h or 3d.
    #[arg(long, value_name = "TIME")]
    since: When,
    /// Content created before: a time or day in UTC, or an age such as 36h or 3d. By default now.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
}

/// Nothing of the span can be shipped.
#[derive(Debug, thiserror::Error)]
#[error("Microsoft lists nothing of the span any more: it lists 7 days")]
struct GoneError;

/// Tenants are missing from what was meant to be of all.
#[derive(Debug, thiserror::Error)]
#[error("the mistakes in tenants' files kept their tenants out; the other tenants were shipped")]
struct TenantsLeftOutError;

impl Backfill {
    pub(super) fn execute(self, clock: Arc<dyn Clock>) -> Result<(), Failure> {
        let loaded = self.ship_again.scope.load()?;
        let is_short = self.ship_again.scope.tenants.is_empty() && !loaded.file_faults.is_empty();
        let sources = self.ship_again.scope.feeds_of(&loaded).map_err(Failure::usage)?;
        let now = clock.now();
        let times = when::span(self.since, self.until, now).map_err(Failure::usage)?;
        let span = Span::new(times.start, times.end).ok_or(SpanError::Empty);
        let span = span.map_err(Failure::usage)?;
        match span.unlistable(now) {
            Some(gone) if gone == span => return Err(GoneError.into()),
            Some(gone) => complain(format_args!(
                "Microsoft lists content for 7 days: nothing can be shipped of {} to {}.",
                rfc3339(gone.since()),
                rfc3339(gone.until())
            )),
            None => {}
        }
        complain(format_args!(
            "Shipping again what was created from {} to {}.",
            rfc3339(span.since()),
            rfc3339(span.until())
        ));
        let replay = Replay { span: Some(span), ..Replay::default() };
        let replays = sources.iter().map(|source| (source.id.clone(), replay.clone())).collect();
        self.ship_again.ship(loaded, &sources, &replays, clock)?;
        if is_short { Err(TenantsLeftOutError.into()) } else { Ok(()) }
    }
}
