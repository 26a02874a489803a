//! `o365flow replay`: ships single blobs again.

use std::sync::Arc;

use clap::Args;
use office365::ContentId;
use pipeline_core::Clock;

use super::{Failure, ship_again::Scope};
use crate::components::office365::{Replay as Shipment, Span, Wanted};

/// Ship single blobs again, by their ids, without touching the ledger.
#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    scope: Scope,
    /// The id of a blob, as events have it in `%content_id`; may be given several times.
    #[arg(long = "content-id", value_name = "ID", required = true)]
    content_ids: Vec<String>,
}

impl Replay {
    pub(super) fn execute(self, clock: Arc<dyn Clock>) -> Result<(), Failure> {
        let loaded = self.scope.load()?;
        let wanted = Wanted::new(self.content_ids.into_iter().map(ContentId));
        let shipment = Shipment {
            span: Span::listable(clock.now()),
            known: Vec::new(),
            only: Some(Arc::new(wanted)),
        };
        self.scope.ship(loaded, &shipment, clock)
    }
}
