//! `o365flow replay`: ships single blobs again.

use std::{collections::HashMap, sync::Arc};

use clap::Args;
use office365::ContentId;
use pipeline_core::Clock;

use super::{Failure, complain, load, ship_again::Scope};
use crate::components::office365::{Replay as Shipment, Wanted};

/// Ship single blobs again, by their ids, without touching the ledger. One that the ledger knows is fetched for as long as
/// Microsoft serves it; another one must still be listed.
#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    scope: Scope,
    /// The id of a blob, as events have it in `%content_id`; may be given several times.
    #[arg(
        long = "content-id",
        value_name = "ID",
        required_unless_present = "lost",
        conflicts_with = "lost"
    )]
    content_ids: Vec<String>,
    /// Every blob that the ledger holds as lost, or as not delivered yet.
    #[arg(long)]
    lost: bool,
}

impl Replay {
    pub(super) fn execute(self, clock: Arc<dyn Clock>) -> Result<(), Failure> {
        let loaded = self.scope.load()?;
        let wanted = Arc::new(Wanted::new(self.content_ids.into_iter().map(ContentId)));
        let mut shipments = HashMap::new();
        for source in load::office365_sources(&loaded) {
            let Some(config) = self.scope.part_of(&source.config) else { continue };
            let shipment = if self.lost {
                Shipment::of_undelivered(&config, &source.state_dir)?
            } else {
                Shipment::of_blobs(&wanted, &source.state_dir, clock.now())?
            };
            shipments.insert(source.id, shipment);
        }
        if self.lost {
            let blobs: usize = shipments.values().map(|shipment| shipment.known.len()).sum();
            complain(format_args!("{blobs} blobs are lost or not delivered yet."));
        }
        self.scope.ship(loaded, &shipments, clock)
    }
}
