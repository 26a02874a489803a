//! Reads a `dropped` port that nothing else reads: what a transform could not process is kept as dead letters.

use std::{sync::Arc, time::Duration};

use pipeline_core::{
    Batch, Clock, ComponentId, ComponentMetrics, DeadLetter, DeadLetters, ErrorStage, Event, Inlet,
    LetterKind, Outcome, RunError, Shutdown,
};
use tracing::warn;
use vrl::{path, value::Value};

/// How long to wait before dead letters that could not be written are tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Empties one `dropped` port into the dead letters of the transform that it belongs to.
pub(super) struct DeadLetterReader {
    pub(super) id: ComponentId,
    pub(super) dead_letters: Arc<dyn DeadLetters>,
    pub(super) clock: Arc<dyn Clock>,
    /// The transform's own counters: what ends here was discarded by it.
    pub(super) metrics: ComponentMetrics,
}

impl DeadLetterReader {
    pub(super) async fn run(self, mut inlet: Inlet, shutdown: Shutdown) -> Result<(), RunError> {
        while let Some(batch) = inlet.next().await {
            tokio::select! {
                () = self.keep(batch) => {}
                () = shutdown.abandoned() => break,
            }
        }
        Ok(())
    }

    /// Waits until the batch is on disk: nothing is given up before it is kept.
    async fn keep(&self, batch: Batch) {
        let now = self.clock.now();
        let letter = |event: &Event| {
            let id = self.id.clone();
            DeadLetter::of(event, id, LetterKind::ProgramFailed, reason(event), now)
        };
        let letters: Vec<DeadLetter> = batch.events().iter().map(letter).collect();
        while let Err(error) = self.dead_letters.put(letters.clone()).await {
            self.metrics.error("dead_letter_failed", ErrorStage::Processing);
            warn!(component_id = %self.id, error = &error as &dyn std::error::Error, "dead letters wait for the disk");
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        self.metrics.discarded_unintentionally(batch.len());
        batch.settle(Outcome::Rejected);
    }
}

/// Why the transform dropped the event, as it has noted in the event's metadata.
fn reason(event: &Event) -> String {
    match event.metadata().get(path!("dropped", "message")).map(Value::to_string_lossy) {
        Some(message) => message.into_owned(),
        None => "dropped".to_owned(),
    }
}
