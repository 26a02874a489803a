//! Runs a topology from its TOML, on one thread and in paused time.

use std::{
    io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use metrics_exporter_prometheus::PrometheusBuilder;
use pipeline_core::{
    DeadLetter, DeadLetterError, DeadLetters, RunMode, Shutdown, testing::ManualClock,
};
use tokio::time::Instant;

use super::script::{self, Observed, REGISTRY, Settled};
use crate::{
    config::{self, fault::SourceFile},
    live::{Changes, Taps},
    topology::{Checked, Environment, Farewell, Reloader, Topology, check, reloads, run},
};

/// Dead letters in memory that cannot be written for a while.
#[derive(Debug, Default)]
pub(super) struct Letters {
    failures_left: AtomicUsize,
    kept: Mutex<Vec<DeadLetter>>,
}

impl Letters {
    pub(super) fn failing(times: usize) -> Letters {
        Letters { failures_left: AtomicUsize::new(times), kept: Mutex::default() }
    }

    pub(super) fn kept(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The component and the reason of each.
    pub(super) fn shown(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().map(|letter| format!("{}: {}", letter.component_id, letter.reason)).collect()
    }
}

/// The letters of an [`Observed`], as the topology takes them.
#[derive(Debug)]
struct ObservedLetters(Arc<Observed>);

impl DeadLetters for ObservedLetters {
    fn put(&self, letters: Vec<DeadLetter>) -> BoxFuture<'_, Result<(), DeadLetterError>> {
        let own = &self.0.letters;
        let failing = own
            .failures_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        Box::pin(async move {
            if failing.is_ok() {
                let source = io::Error::from(io::ErrorKind::StorageFull);
                return Err(DeadLetterError { path: "dead-letters".to_owned(), source });
            }
            // A disk takes its time.
            tokio::time::sleep(Duration::from_millis(1)).await;
            own.kept.lock().unwrap_or_else(PoisonError::into_inner).extend(letters);
            Ok(())
        })
    }
}

/// How a topology is run.
#[derive(Clone, Copy)]
pub(super) struct Play {
    pub(super) workers_max: usize,
    /// How often dead letters cannot be written at first.
    pub(super) letters_failing: usize,
    pub(super) mode: RunMode,
}

/// How a run ended.
pub(super) struct Played {
    /// The error and those behind it, joined.
    pub(super) result: Result<(), String>,
    pub(super) observed: Arc<Observed>,
    pub(super) took: Duration,
    /// The transforms of each stage.
    pub(super) stages: Vec<String>,
    scrape: String,
}

pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_mins(1);

/// What can be ordered of a run.
pub(super) struct Stage {
    shutdown: Shutdown,
    reloader: Reloader,
}

impl Stage {
    pub(super) fn drain(&self) {
        self.shutdown.drain();
    }

    pub(super) fn abandon(&self) {
        self.shutdown.abandon();
    }

    /// Lets the topology `text` take over.
    pub(super) async fn reload(&self, text: &str) -> Result<Changes, String> {
        let reloaded = self.reloader.reload(checked(text), DRAIN_TIMEOUT).await;
        reloaded.map_err(|error| chain(&error))
    }
}

impl Play {
    pub(super) const PLAIN: Play = Play { workers_max: 3, letters_failing: 0, mode: RunMode::Once };
    pub(super) const CONTINUOUS: Play = Play { mode: RunMode::Continuous, ..Play::PLAIN };

    /// Runs the topology `text`. `direct` runs beside it, and can order it to end.
    pub(super) fn run(self, text: &str, direct: impl AsyncFnOnce(&Stage, &Observed)) -> Played {
        let folder = tempfile::tempdir().expect("a folder");
        self.run_in(folder.path(), text, direct)
    }

    /// As [`Play::run`], with its state in `folder`.
    pub(super) fn run_in(
        self,
        folder: &Path,
        text: &str,
        direct: impl AsyncFnOnce(&Stage, &Observed),
    ) -> Played {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let observed = script::observe(self.letters_failing);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let environment = Environment {
            data_dir: folder.to_owned(),
            mode: self.mode,
            clock: ManualClock::new(chrono::DateTime::UNIX_EPOCH),
            dead_letters: Arc::new(ObservedLetters(Arc::clone(&observed))),
            workers_max: NonZeroUsize::new(self.workers_max).expect("there is a worker"),
            farewell: Arc::clone(&observed) as Arc<dyn Farewell>,
            taps: Taps::default(),
        };
        let (result, took, stages) = metrics::with_local_recorder(&recorder, || {
            runtime.block_on(async {
                let topology = build(text, &environment).await;
                let stages = topology.stage_names();
                let (reloader, reloads) = reloads();
                let (start, shutdown) = (Instant::now(), Shutdown::new());
                let running = async {
                    let result = run(topology, shutdown.clone(), DRAIN_TIMEOUT, reloads).await;
                    (result, start.elapsed(), stages)
                };
                let stage = Stage { shutdown: shutdown.clone(), reloader };
                tokio::join!(running, direct(&stage, &observed)).0
            })
        });
        drop(runtime);
        for (source, number, receipt) in observed.take_left() {
            let fates = receipt.now_or_never().expect("every share of an event was given back");
            observed.settle(&source, number, fates);
        }
        let result = result.map_err(|error| chain(&error));
        Played { result, observed, took, stages, scrape: handle.render() }
    }
}

/// Runs a topology until it ends by itself.
pub(super) fn play(text: &str) -> Played {
    Play::PLAIN.run(text, async |_, _| {})
}

async fn build(text: &str, environment: &Environment) -> Topology {
    let built = Topology::build(checked(text), environment).await;
    built.expect("scripted components are built")
}

fn checked(text: &str) -> Checked {
    let file = Arc::new(SourceFile { path: PathBuf::from("t.toml"), text: text.to_owned() });
    let (config, faults) = config::parse(&[file], REGISTRY, &|_| None);
    let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{}\n{text}", shown.join("\n"));
    let no_file = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    match check(config.components, super::super::Means::files(&no_file)) {
        Ok(checked) => checked,
        Err(faults) => {
            let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
            panic!("{}\n{text}", shown.join("\n"));
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(behind) => format!("{error}: {}", chain(behind)),
        None => error.to_string(),
    }
}

impl Played {
    /// The fates of a source's events, in order, as the first letters of the outcomes, `|` between batches.
    pub(super) fn fates(&self, source: &str) -> String {
        let letters = |Settled { fates, .. }: &Settled| -> String {
            fates.outcomes().iter().map(|outcome| format!("{outcome:?}").remove(0)).collect()
        };
        self.observed.settled(source).iter().map(letters).collect::<Vec<_>>().join("|")
    }

    /// A component's counter of events: `received` or `sent`.
    pub(super) fn count(&self, id: &str, what: &str) -> u64 {
        self.sum(&format!("component_{what}_events_total"), id)
    }

    /// What a component has sent by a port with a name.
    pub(super) fn sent_by(&self, id: &str, port: &str) -> u64 {
        self.sum_of("component_sent_events_total", id, &format!("output=\"{port}\""))
    }

    /// The sum of a component's counters of this name.
    pub(super) fn sum(&self, name: &str, id: &str) -> u64 {
        self.sum_of(name, id, "")
    }

    /// The sum of those with the label `label`.
    fn sum_of(&self, name: &str, id: &str, label: &str) -> u64 {
        let own = |line: &&str| {
            line.starts_with(&format!("{name}{{"))
                && line.contains(&format!("component_id=\"{id}\""))
                && line.contains(label)
        };
        let value =
            |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok());
        self.scrape.lines().filter(own).filter_map(value).sum()
    }
}
