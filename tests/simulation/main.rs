//! The source `office365` through weeks of trouble, drawn from a seed, on a paused clock.
//!
//! Invariant: every record that a tenant offered is delivered, and once where nothing was cut off in between; what was
//! not is named. A seed that fails can be replayed: the same seed is the same simulation. It does not test sinks,
//! transforms or the topology.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod clock;
mod content;
mod dice;
mod disk;
mod gaps;
mod journal;
mod life;
mod network;
mod sabotage;
mod shape;
mod sink;
#[path = "../stage/mod.rs"]
mod stage;
mod trace;
mod verdict;
mod weather;
mod world;

use std::{
    fmt::Write,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{
    sabotage::Sabotage,
    world::{Outcome, simulate},
};

/// How many seeds are simulated if `O365FLOW_SIMULATION_SEEDS` does not say.
const SEEDS: u64 = 500;

/// A number from the environment.
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Simulates the seeds on all cores, and gives what each came to, in order.
fn simulate_all(
    seeds: std::ops::Range<u64>,
    sabotage: Sabotage,
) -> Vec<(u64, Result<Outcome, String>)> {
    let next = AtomicU64::new(seeds.start);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let run = catch_unwind(AssertUnwindSafe(|| simulate(seed, sabotage, false)));
                    let outcome = run.map_err(|panic| {
                        let text = panic.downcast_ref::<String>().cloned();
                        text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                            .unwrap_or_default()
                    });
                    outcomes.lock().unwrap().push((seed, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by_key(|(seed, _)| *seed);
    outcomes
}

#[test]
fn every_record_is_delivered_once_or_said_to_be_lost() {
    if let Some(seed) = variable("O365FLOW_SIMULATION_SEED") {
        let outcome =
            simulate(seed, Sabotage::Nothing, std::env::var("O365FLOW_SIMULATION_TRACE").is_ok());
        assert!(
            outcome.violations.is_empty(),
            "seed {seed}: {:#?}\n{:?}",
            outcome.violations,
            outcome.verdict
        );
        return;
    }
    let first = variable("O365FLOW_SIMULATION_FIRST").unwrap_or(0);
    let count = variable("O365FLOW_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let mut failures = String::new();
    for (seed, outcome) in simulate_all(first..first + count, Sabotage::Nothing) {
        let violations = match outcome {
            Ok(outcome) => outcome.violations,
            Err(panic) => vec![format!("panicked: {panic}")],
        };
        if !violations.is_empty() {
            writeln!(
                failures,
                "seed {seed}: {violations:#?}\n  replay: O365FLOW_SIMULATION_SEED={seed} O365FLOW_SIMULATION_TRACE=1 \
                 cargo test --release --test simulation every_record"
            )
            .unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn the_same_seed_is_the_same_simulation() {
    for seed in 0..6 {
        let digests = [0; 2].map(|_| simulate(seed, Sabotage::Nothing, false).digest);
        assert_eq!(digests[0], digests[1], "seed {seed}");
    }
}

#[test]
fn a_sink_that_lies_is_found() {
    let outcomes = simulate_all(0..4, Sabotage::SinkLies);
    assert!(
        outcomes
            .iter()
            .any(|(_, outcome)| outcome.as_ref().is_ok_and(|it| !it.violations.is_empty()))
    );
}
