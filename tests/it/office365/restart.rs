//! What is left when the source ends early, and what the next one makes of it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use fake_tenant::{ContentType, NewBlob, NewContent, Settings};
use futures_util::future::BoxFuture;
use o365flow::sources::office365::ledger::{LedgerError, SqliteLedger};
use pipeline_core::{RunMode, Shutdown};

use super::rig::{CONTOSO, Rig, history, simulate, start, tenant};
use crate::stage::{Gate, Gated};

/// Nothing in memory survives: what was under way is dropped, and the file is opened anew.
async fn reopen(rig: &mut Rig, path: &Path) {
    rig.ledger = Arc::new(SqliteLedger::in_memory().unwrap());
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    rig.ledger = Arc::new(SqliteLedger::open_inline(path).unwrap());
}

#[test]
fn a_source_that_is_killed_again_and_again_loses_nothing() {
    for seed in 0..6 {
        simulate(async || {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("ledger.db");
            let spec = tenant(CONTOSO, "contoso.example").with_history(history(seed));
            let settings =
                Settings { seed, latency: Duration::from_millis(30), ..Settings::default() };
            let mut rig = Rig::with_settings(vec![spec], settings);
            let mut random = fastrand::Rng::with_seed(seed);
            for _ in 0..20 {
                reopen(&mut rig, &path).await;
                let life = Duration::from_millis(random.u64(50..1500));
                let run = rig.run(RunMode::Continuous, Shutdown::new());
                let killed = tokio::time::timeout(life, run).await;
                assert!(killed.is_err());
            }
            reopen(&mut rig, &path).await;
            rig.once().await.unwrap();
            let completeness = rig.verify();
            assert!(completeness.is_complete() && completeness.unknown == 0, "{completeness:?}");
            // Only what was with the sink at a kill came twice, and the sink holds records for 50 ms.
            assert!(completeness.repeated * 4 < completeness.expected, "{completeness:?}");
        });
    }
}

#[test]
fn a_drain_waits_for_what_is_under_way_and_leaves_the_rest_pending() {
    simulate(async || {
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        rig.config.max_in_flight_bytes = 300_000;
        rig.sink_delay = Duration::from_secs(2);
        let blob = NewBlob::new(start() - TimeDelta::hours(3), NewContent::Generated(5000));
        rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap();
        rig.run_for(Duration::from_secs(3)).await.unwrap();
        let arrived = {
            let arrivals = rig.arrivals.lock().unwrap();
            assert_eq!(arrivals.ids.len(), arrivals.delivered.len());
            arrivals.ids.len()
        };
        assert!((100..5000).contains(&arrived), "{arrived}");
        // The next run brings exactly what is missing.
        rig.sink_delay = Duration::from_millis(1);
        rig.once().await.unwrap();
        rig.assert_exact();
    });
}

#[test]
fn an_abandoned_source_ends_at_once() {
    simulate(async || {
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example").with_history(history(0))]);
        rig.sink_delay = Duration::from_hours(5);
        let shutdown = Shutdown::new();
        let began = tokio::time::Instant::now();
        let end = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            shutdown.abandon();
        };
        let source = async {
            rig.run_source(RunMode::Continuous, shutdown.clone()).await.unwrap();
            began.elapsed()
        };
        let (elapsed, ()) = tokio::join!(source, end);
        assert!(elapsed < Duration::from_secs(6), "{elapsed:?}");
    });
}

/// A fault of the program at one of its requests for numbers.
#[derive(Debug, Default)]
struct Faulty(AtomicU64);

impl Gate for Faulty {
    fn pass<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        request: BoxFuture<'a, Result<T, LedgerError>>,
    ) -> BoxFuture<'a, Result<T, LedgerError>> {
        let is_fault = name == "status" && self.0.fetch_add(1, Ordering::Relaxed) == 7;
        assert!(!is_fault, "a fault of this program");
        request
    }
}

#[test]
fn a_tenant_of_which_a_feed_fails_is_started_again() {
    let ((), metrics) = simulate(async || {
        let mut week = history(9);
        week.end = start() + TimeDelta::hours(4);
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example").with_history(week)]);
        rig.ledger = Arc::new(Gated { inner: Arc::clone(&rig.ledger), gate: Faulty::default() });
        rig.run_for(Duration::from_hours(12)).await.unwrap();
        rig.assert_exact();
    });
    assert_eq!(metrics.sum("component_errors_total", &["tenant_failed"]), 1);
}
