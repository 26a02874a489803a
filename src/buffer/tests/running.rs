//! A buffer on disk at work: what it says to the source, and when.

use std::{num::NonZeroUsize, time::Duration};

use pipeline_core::{
    ComponentKind, Inlet, Outcome, Outlet, Shutdown, edge,
    testing::{self, ManualClock},
};
use tokio::time::Instant;

use super::rig::{events, number};
use crate::{
    buffer::DiskBuffer,
    config::{BufferConfig, BufferKind},
};

async fn opened(folder: &tempfile::TempDir) -> DiskBuffer {
    let config = BufferConfig { kind: BufferKind::Disk, ..BufferConfig::default() };
    let metrics = testing::metrics(ComponentKind::Sink, "out");
    let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
    let path = folder.path().join("buffer.sqlite");
    DiskBuffer::open(&"out".into(), &path, &config, (&metrics, clock)).await.expect("it opens")
}

fn new_edge() -> (Outlet, Inlet) {
    edge(NonZeroUsize::MIN, &testing::metrics(ComponentKind::Sink, "out"))
}

/// Reads until the edge ends, settling everything.
async fn deliver(mut inlet: Inlet) -> Vec<usize> {
    let mut numbers = Vec::new();
    while let Some(batch) = inlet.next().await {
        numbers.extend(batch.events().iter().map(number));
        batch.settle(Outcome::Delivered);
    }
    numbers
}

#[tokio::test(start_paused = true)]
async fn nothing_is_acknowledged_while_the_disk_is_full() {
    let folder = tempfile::tempdir().expect("a folder");
    let buffer = opened(&folder).await;
    buffer.limit_pages(4);
    let ((outlet, inlet), (to_sink, sink_inlet)) = (new_edge(), new_edge());
    let start = Instant::now();
    let sent = async {
        let (batch, receipt) = events(0, 10, 10_000);
        outlet.send(batch).await.expect("the buffer reads");
        drop(outlet);
        let fates = receipt.await;
        assert_eq!(fates.count(Outcome::Delivered), 10);
        assert!(start.elapsed() >= Duration::from_secs(5), "it was acknowledged at once");
    };
    let running = buffer.run(inlet, to_sink, Shutdown::new());
    let (ended, (), numbers) = tokio::join!(running, sent, deliver(sink_inlet));
    ended.expect("a full disk is waited for");
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_a_full_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let buffer = opened(&folder).await;
    buffer.limit_pages(4);
    let ((outlet, inlet), (to_sink, sink_inlet)) = (new_edge(), new_edge());
    let shutdown = Shutdown::new();
    let sent = async {
        let (batch, receipt) = events(0, 10, 10_000);
        outlet.send(batch).await.expect("the buffer reads");
        tokio::time::sleep(Duration::from_secs(1)).await;
        shutdown.drain();
        drop(outlet);
        let fates = receipt.await;
        assert_eq!(fates.count(Outcome::Errored), 10, "the source has to send it again");
    };
    let running = buffer.run(inlet, to_sink, shutdown.clone());
    let (ended, (), numbers) = tokio::join!(running, sent, deliver(sink_inlet));
    ended.expect("it is no error");
    assert!(numbers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_ends_is_an_error_and_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let ((outlet, inlet), (to_sink, sink_inlet)) = (new_edge(), new_edge());
    drop(sink_inlet);
    let sent = async {
        let (batch, receipt) = events(0, 10, 100);
        outlet.send(batch).await.expect("the buffer reads");
        assert_eq!(receipt.await.count(Outcome::Delivered), 10);
    };
    let running = opened(&folder).await.run(inlet, to_sink, Shutdown::new());
    let (ended, ()) = tokio::join!(running, sent);
    assert!(ended.is_err());
    let ((outlet, inlet), (to_sink, sink_inlet)) = (new_edge(), new_edge());
    drop(outlet);
    let running = opened(&folder).await.run(inlet, to_sink, Shutdown::new());
    let (ended, numbers) = tokio::join!(running, deliver(sink_inlet));
    ended.expect("the sink is there");
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
}
