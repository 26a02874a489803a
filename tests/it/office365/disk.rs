//! A disk that is full for a while stops the source where it stands, and loses nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use o365flow::sources::office365::ledger::{Ledger, LedgerError};

use super::rig::{CONTOSO, Rig, history, simulate, tenant};
use crate::stage::{Gate, Gated, disk_full};

/// A disk that refuses most requests, by its own dice.
#[derive(Debug)]
struct Flaky {
    seed: u64,
    refusals: f64,
    asked: AtomicU64,
}

impl Gate for Flaky {
    fn pass<'a, T: Send + 'a>(
        &'a self,
        _name: &'static str,
        request: BoxFuture<'a, Result<T, LedgerError>>,
    ) -> BoxFuture<'a, Result<T, LedgerError>> {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let refuses = fastrand::Rng::with_seed(self.seed ^ asked).f64() < self.refusals;
        if refuses { Box::pin(std::future::ready(Err(disk_full()))) } else { request }
    }
}

fn flaky(inner: &Arc<dyn Ledger>, seed: u64, refusals: f64) -> Arc<dyn Ledger> {
    let gate = Flaky { seed, refusals, asked: AtomicU64::new(0) };
    Arc::new(Gated { inner: Arc::clone(inner), gate })
}

#[test]
fn a_full_disk_is_waited_out_and_nothing_is_lost() {
    for seed in 0..3 {
        let ((), metrics) = simulate(async || {
            let spec = tenant(CONTOSO, "contoso.example").with_history(history(seed));
            let mut rig = Rig::new(vec![spec]);
            rig.ledger = flaky(&rig.ledger, seed, 0.6);
            rig.run_for(Duration::from_hours(12)).await.unwrap();
            rig.assert_exact();
        });
        assert!(metrics.sum("component_errors_total", &["ledger_failed"]) > 100);
    }
}

/// Does what it is asked, and every other time says that it could not.
#[derive(Debug, Default)]
struct Lying(AtomicU64);

impl Gate for Lying {
    fn pass<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        request: BoxFuture<'a, Result<T, LedgerError>>,
    ) -> BoxFuture<'a, Result<T, LedgerError>> {
        let lies = name == "take_due" && self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        Box::pin(async move {
            let answer = request.await?;
            if lies { Err(disk_full()) } else { Ok(answer) }
        })
    }
}

#[test]
fn blobs_whose_handing_out_was_done_and_called_failed_are_handed_out_again() {
    simulate(async || {
        let spec = tenant(CONTOSO, "contoso.example").with_history(history(3));
        let mut rig = Rig::new(vec![spec]);
        rig.ledger = Arc::new(Gated { inner: Arc::clone(&rig.ledger), gate: Lying::default() });
        rig.run_for(Duration::from_hours(12)).await.unwrap();
        rig.assert_exact();
    });
}

#[test]
fn a_disk_that_stays_full_does_not_keep_the_program_from_ending() {
    simulate(async || {
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        rig.ledger = flaky(&rig.ledger, 0, 1.0);
        let run = rig.run_for(Duration::from_mins(5));
        tokio::time::timeout(Duration::from_mins(6), run).await.unwrap().unwrap();
    });
}
