//! A source between fake tenants and a sink that does as it is told, on a paused clock.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::TimeDelta;
use fake_tenant::{Completeness, FakeTenants, Filter, History, Settings, TenantSpec};
use futures_util::future::BoxFuture;
use metrics_exporter_prometheus::PrometheusBuilder;
use o365flow::sources::office365::{
    Config, Replay,
    ledger::{Ledger, SqliteLedger},
};
use pipeline_core::{
    Clock, ComponentKind, Event, Inlet, Outcome, Outlet, RunError, RunMode, Shutdown, Source,
    SourceContext, Timestamp, edge,
    testing::{self, DeadLettersInMemory},
};
use tokio::task::JoinSet;

use super::tamper::{Tamper, tampered};
use crate::stage::InProcess;
pub(super) use crate::stage::{CONTOSO, FABRIKAM, SimulatedClock, config, start, tenant};

/// A clock that is wrong.
#[derive(Debug)]
struct Ahead(Arc<SimulatedClock>, TimeDelta);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Clock::now(&*self.0) + self.1
    }
}

/// What the sink says of each event; it is given the record's id and how often that came before.
pub(super) type Judge = dyn Fn(&str, usize) -> Outcome + Send + Sync;

/// What arrived, and what was said of it.
#[derive(Default)]
pub(super) struct Arrivals {
    pub(super) ids: Vec<String>,
    pub(super) delivered: Vec<String>,
    pub(super) events: Vec<serde_json::Value>,
    pub(super) bytes_held: usize,
    pub(super) bytes_held_max: usize,
}

pub(super) struct Rig {
    pub(super) tenants: Arc<FakeTenants>,
    pub(super) clock: Arc<SimulatedClock>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) config: Config,
    pub(super) dead_letters: Arc<DeadLettersInMemory>,
    pub(super) arrivals: Arc<Mutex<Arrivals>>,
    pub(super) judge: Arc<Judge>,
    /// How far the source's clock is ahead of the API's.
    pub(super) clock_ahead: TimeDelta,
    /// How long the sink holds a batch.
    pub(super) sink_delay: Duration,
    pub(super) seed: u64,
    /// What stands between the source and the API.
    pub(super) tamper: Option<Arc<Tamper>>,
    /// What is shipped again instead of what is new.
    pub(super) replay: Option<Replay>,
}

/// A week with copies and blobs that are listed late; it ends two days before the start, so that all of it is settled.
pub(super) fn history(seed: u64) -> History {
    let start = start() - TimeDelta::days(6);
    let mut history =
        History::new(seed, start, start + TimeDelta::days(4)).with_blobs_per_hour(0.3);
    history.records_per_blob = 1..=40;
    history.duplicate_rate = 0.1;
    history.late_rate = 0.2;
    history
}

impl Rig {
    pub(super) fn new(tenants: Vec<TenantSpec>) -> Rig {
        Rig::with_settings(tenants, Settings::default())
    }

    pub(super) fn with_settings(tenants: Vec<TenantSpec>, settings: Settings) -> Rig {
        let clock = SimulatedClock::new(start());
        let names = ["contoso", "fabrikam"];
        let pairs: Vec<_> =
            names.into_iter().zip(tenants.iter().map(|tenant| tenant.tenant_id.as_str())).collect();
        let mut config = config(&pairs);
        config.content_types = office365::ContentType::ALL.to_vec();
        Rig {
            config,
            seed: settings.seed,
            tenants: Arc::new(FakeTenants::new(clock.clone(), settings, tenants)),
            clock,
            clock_ahead: TimeDelta::zero(),
            ledger: Arc::new(SqliteLedger::in_memory().unwrap()),
            dead_letters: Arc::default(),
            arrivals: Arc::default(),
            judge: Arc::new(|_, _| Outcome::Delivered),
            sink_delay: Duration::from_millis(50),
            tamper: None,
            replay: None,
        }
    }

    fn context(&self, mode: RunMode) -> SourceContext {
        SourceContext {
            id: "office365".into(),
            data_dir: Path::new("unused").to_owned(),
            mode,
            clock: Arc::new(Ahead(self.clock.clone(), self.clock_ahead)),
            dead_letters: self.dead_letters.clone(),
            metrics: testing::metrics(ComponentKind::Source, "office365"),
        }
    }

    /// Runs the source, and the sink until it is empty.
    pub(super) async fn run(&self, mode: RunMode, shutdown: Shutdown) -> Result<(), RunError> {
        let (run, inlet) = self.prepare(mode, shutdown);
        let (result, ()) = tokio::join!(run, self.sink(inlet));
        result
    }

    /// Runs the source until it ends, whatever the sink still holds.
    pub(super) async fn run_source(
        &self,
        mode: RunMode,
        shutdown: Shutdown,
    ) -> Result<(), RunError> {
        let (run, inlet) = self.prepare(mode, shutdown);
        let sink = async {
            self.sink(inlet).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            result = run => result,
            () = sink => Ok(()),
        }
    }

    /// The way to the fake API.
    pub(super) fn transport(&self) -> Arc<dyn net::Transport> {
        Arc::new(InProcess(Arc::clone(&self.tenants)))
    }

    fn prepare(
        &self,
        mode: RunMode,
        shutdown: Shutdown,
    ) -> (BoxFuture<'static, Result<(), RunError>>, Inlet) {
        let transport = tampered(self.transport(), self.tamper.clone());
        let ledger = Arc::clone(&self.ledger);
        let context = self.context(mode);
        let mut source = self.config.build_on(ledger, transport, self.seed, context).unwrap();
        if let Some(replay) = &self.replay {
            source = source.replaying(replay.clone());
        }
        let batches_max = NonZeroUsize::new(4).unwrap();
        let (outlet, inlet) = edge(batches_max, &testing::metrics(ComponentKind::Sink, "sink"));
        let writer = testing::metrics(ComponentKind::Source, "office365");
        (Box::new(source).run(Outlet::fan_out(&[outlet], &writer), shutdown), inlet)
    }

    /// One run that ends by itself.
    pub(super) async fn once(&self) -> Result<(), RunError> {
        self.run(RunMode::Once, Shutdown::new()).await
    }

    /// A run that is drained after `time`.
    pub(super) async fn run_for(&self, time: Duration) -> Result<(), RunError> {
        self.run_while(tokio::time::sleep(time)).await
    }

    /// A run that is drained when `script` is done.
    pub(super) async fn run_while(&self, script: impl Future<Output = ()>) -> Result<(), RunError> {
        let shutdown = Shutdown::new();
        let end = async {
            script.await;
            shutdown.drain();
        };
        let (result, ()) = tokio::join!(self.run(RunMode::Continuous, shutdown.clone()), end);
        result
    }

    async fn sink(&self, mut inlet: Inlet) {
        let mut held = JoinSet::new();
        while let Some(batch) = inlet.next().await {
            let (arrivals, judge) = (Arc::clone(&self.arrivals), Arc::clone(&self.judge));
            let delay = self.sink_delay;
            held.spawn(async move {
                let bytes = batch.byte_size();
                {
                    let mut arrivals = arrivals.lock().unwrap();
                    arrivals.bytes_held += bytes;
                    arrivals.bytes_held_max = arrivals.bytes_held_max.max(arrivals.bytes_held);
                }
                tokio::time::sleep(delay).await;
                let mut arrivals = arrivals.lock().unwrap();
                arrivals.bytes_held -= bytes;
                for event in batch {
                    arrivals.judge(event, &*judge);
                }
            });
        }
        held.join_all().await;
    }

    /// Compares what was delivered with what should have been.
    pub(super) fn verify(&self) -> Completeness {
        self.verify_tenant(None)
    }

    pub(super) fn verify_tenant(&self, tenant_id: Option<&str>) -> Completeness {
        let filter = Filter { tenant_id: tenant_id.map(str::to_owned), ..Filter::default() };
        let arrivals = self.arrivals.lock().unwrap();
        self.tenants.verify(&filter, arrivals.delivered.iter().map(String::as_str))
    }

    pub(super) fn assert_exact(&self) {
        let mut completeness = self.verify();
        let missing = completeness.missing.len();
        completeness.missing.truncate(3);
        assert!(completeness.is_exact(), "seed {}: {missing} missing, {completeness:?}", self.seed);
    }
}

impl Arrivals {
    fn judge(&mut self, event: Event, judge: &Judge) {
        let mut json = Vec::new();
        event.write_json(&mut json);
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let id = json["Id"].as_str().or(json["o365"]["audit"]["Id"].as_str()).unwrap().to_owned();
        let before = self.ids.iter().rev().filter(|other| **other == id).count();
        let outcome = judge(&id, before);
        if outcome == Outcome::Delivered {
            self.delivered.push(id.clone());
        }
        self.ids.push(id);
        if self.events.len() < 10 {
            self.events.push(json);
        }
        event.settle(outcome);
    }
}

/// Runs `future` on a paused clock, and gives its output and what the metrics were at the end.
pub(super) fn simulate<T>(simulation: impl AsyncFnOnce() -> T) -> (T, Scrape) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let output = metrics::with_local_recorder(&recorder, || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(simulation())
    });
    (output, Scrape::of(&handle.render()))
}

/// The metrics, by name.
pub(super) struct Scrape(HashMap<String, Vec<(String, f64)>>);

impl Scrape {
    fn of(text: &str) -> Scrape {
        let mut scrape: HashMap<String, Vec<(String, f64)>> = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let series = (labels.to_owned(), value.parse().unwrap());
            scrape.entry(name.to_owned()).or_default().push(series);
        }
        Scrape(scrape)
    }

    /// The sum of all series of `name` that have all of `labels`, in whole numbers.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counters, and times"
    )]
    pub(super) fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let series = self.0.get(name).into_iter().flatten();
        let sum = series
            .filter(|(text, _)| labels.iter().all(|label| text.contains(label)))
            .fold(0.0, |sum, (_, value)| sum + value);
        sum.round() as u64
    }

    /// Whether there is a series of `name` that has all of `labels`, and every such one is without a value.
    pub(super) fn is_nan(&self, name: &str, labels: &[&str]) -> bool {
        let series = self.0.get(name).into_iter().flatten();
        let mut chosen =
            series.filter(|(text, _)| labels.iter().all(|label| text.contains(label))).peekable();
        chosen.peek().is_some() && chosen.all(|(_, value)| value.is_nan())
    }
}
