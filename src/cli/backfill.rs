//! `o365flow backfill`: ships a span of content again.

use std::sync::Arc;

use clap::Args;
use pipeline_core::Clock;

use super::{Failure, complain, load, ship_again::Scope, when::When};
use crate::components::office365::{Replay, Span};

/// Ship again what was created in a span of time, as far as Microsoft still lists it (7 days), without touching the
/// ledger. A sink that knows an event by its id does not store it twice.
#[derive(Debug, Args)]
pub(super) struct Backfill {
    #[command(flatten)]
    scope: Scope,
    /// Where the span begins: a time, a day, or an age such as 36h or 3d.
    #[arg(long, value_name = "TIME")]
    since: When,
    /// Where it ends, in the same forms. By default now.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
}

/// Times that make no span.
#[derive(Debug, thiserror::Error)]
enum SpanError {
    #[error("the span is empty: --since is not before --until")]
    Empty,
    #[error("--until lies in the future: what is not there yet cannot be shipped")]
    Future,
    #[error("Microsoft lists nothing of the span any more: it lists 7 days")]
    Gone,
}

impl Backfill {
    pub(super) fn execute(self, clock: Arc<dyn Clock>) -> Result<(), Failure> {
        let loaded = self.scope.load()?;
        let now = clock.now();
        let until = self.until.map_or(now, |until| until.resolve(now));
        if until > now {
            return Err(SpanError::Future.into());
        }
        let span = Span::new(self.since.resolve(now), until).ok_or(SpanError::Empty)?;
        match span.unlistable(now) {
            Some(gone) if gone == span => return Err(SpanError::Gone.into()),
            Some(gone) => complain(format_args!(
                "Microsoft lists content for 7 days: nothing can be shipped of {} to {}.",
                gone.since(),
                gone.until()
            )),
            None => {}
        }
        complain(format_args!(
            "Shipping again what was created from {} to {}.",
            span.since(),
            span.until()
        ));
        let replay = Replay { span: Some(span), ..Replay::default() };
        let sources = load::office365_sources(&loaded).into_iter();
        let replays = sources.map(|source| (source.id, replay.clone())).collect();
        self.scope.ship(loaded, &replays, clock)
    }
}
