//! `o365flow replay`: ships single blobs again.

use std::{collections::HashMap, sync::Arc};

use clap::Args;
use office365::ContentId;
use pipeline_core::Clock;

use super::{Failure, complain, ship_again::ShipAgain};
use crate::components::office365::{Replay as Shipment, Wanted};

/// Ship single blobs again.
///
/// The ledger is left as it is. A blob that it knows is fetched for as long as Microsoft serves it; another one must still
/// be listed.
#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    ship_again: ShipAgain,
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
        let loaded = self.ship_again.scope.load()?;
        let sources = self.ship_again.scope.feeds_of(&loaded).map_err(Failure::usage)?;
        let wanted = Arc::new(Wanted::new(self.content_ids.into_iter().map(ContentId)));
        let mut shipments = HashMap::new();
        for source in &sources {
            let shipment = if self.lost {
                Shipment::of_undelivered(&source.config, &source.state_dir)?
            } else {
                Shipment::of_blobs(&wanted, &source.state_dir, clock.now())?
            };
            shipments.insert(source.id.clone(), shipment);
        }
        if self.lost {
            let blobs: usize = shipments.values().map(|shipment| shipment.known.len()).sum();
            complain(format_args!("{blobs} blobs are lost or not delivered yet."));
        }
        self.ship_again.ship(loaded, &sources, &shipments, clock)
    }
}
