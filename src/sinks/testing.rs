//! What the tests of sinks share: a context without a topology, and a run over some events.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use chrono::DateTime;
use pipeline_core::{
    ComponentKind, Fates, Shutdown, Sink, SinkContext, edge,
    testing::{DeadLettersInMemory, ManualClock, batch, metrics},
};

/// A context of a sink `test`, and its dead letters.
pub(crate) fn context() -> (SinkContext, Arc<DeadLettersInMemory>) {
    let dead_letters = Arc::<DeadLettersInMemory>::default();
    let now = DateTime::from_timestamp(1_700_000_000, 0).expect("a time");
    let context = SinkContext {
        id: "test".into(),
        data_dir: PathBuf::new(),
        clock: ManualClock::new(now),
        dead_letters: dead_letters.clone(),
        metrics: metrics(ComponentKind::Sink, "test"),
    };
    (context, dead_letters)
}

/// Sends `records` in one batch, ends the edge, runs the sink to its end, and gives the fates of the events.
pub(crate) async fn run_to_end(sink: Box<dyn Sink>, records: &[&str]) -> Fates {
    let (sender, input) = edge(NonZeroUsize::MIN, &metrics(ComponentKind::Sink, "test"));
    let (batch, receipt) = batch(records);
    sender.send(batch).await.expect("the edge is open");
    drop(sender);
    sink.run(input, Shutdown::new()).await.expect("the sink runs to its end");
    receipt.await
}
