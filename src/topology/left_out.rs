//! Reads a port whose readers were left out of the topology: what arrives there was not asked for.

use pipeline_core::{ComponentId, ComponentMetrics, Inlet, Outcome, RunError};

/// Empties one port. Its events count as filtered by the component that they leave.
pub(super) struct LeftOutReader {
    pub(super) id: ComponentId,
    pub(super) metrics: ComponentMetrics,
}

impl LeftOutReader {
    pub(super) async fn run(self, mut inlet: Inlet) -> Result<(), RunError> {
        while let Some(batch) = inlet.next().await {
            self.metrics.discarded_intentionally(batch.len());
            batch.settle(Outcome::Filtered);
        }
        Ok(())
    }
}
