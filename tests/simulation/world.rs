//! One seed's simulation: the tenants live their weeks, the source is started and ended again and again, and at the end
//! there is a verdict.

use std::{
    num::{NonZeroU16, NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize},
    },
    time::Duration,
};

use chrono::TimeDelta;
use fake_tenant::{FakeTenants, RowOrder, Settings};
use futures_util::{FutureExt, future::BoxFuture};
use o365flow::sources::office365::{
    Config,
    ledger::{Ledger, SqliteLedger},
};
use pipeline_core::{
    Clock, ComponentKind, Outlet, RunError, RunMode, Shutdown, Source, SourceContext, Timestamp,
    edge,
    testing::{self, DeadLettersInMemory},
};
use tempfile::TempDir;

use crate::{
    clock::LocalClock,
    content::Content,
    dice::{Purpose, dice, happens, span},
    disk::Disk,
    journal::{Ending, Entry, Journal},
    life::Life,
    log::Log,
    network::{Line, Network},
    sabotage::Sabotage,
    shape::Shape,
    sink::Sink,
    stage::{Gated, SimulatedClock, config, start, tenant},
    tally::Tally,
    trace::Trace,
    verdict::judge,
    weather::Weather,
};

/// Requests a minute that the source may make for each tenant, and that the API allows.
const REQUESTS_PER_MINUTE: u32 = 120;

/// How long a process may take to end when it is told to; then it is told to leave what is under way.
const DRAIN_MAX: Duration = Duration::from_mins(10);

/// How long a kill waits for a sink that has something to do.
const BUSY_WAIT_MAX: Duration = Duration::from_hours(3);

/// A folder whose files cost no disk, where there is one.
const MEMORY_FOLDER: &str = "/dev/shm";

/// What a simulation came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was promised and not kept.
    pub(crate) violations: Vec<String>,
    /// Equal for equal simulations.
    pub(crate) digest: (u64, u64),
    /// How often what went wrong, and came to what.
    pub(crate) tally: Tally,
}

/// How a process ends, and what comes after.
#[derive(Clone, Copy, Debug)]
struct End {
    at: Timestamp,
    is_kill: bool,
    /// The kill waits until the sink has something, and then so long.
    busy: Option<Duration>,
    downtime: TimeDelta,
}

/// Everything that outlives a process.
struct World {
    shape: Shape,
    clock: Arc<SimulatedClock>,
    weather: Arc<Weather>,
    content: Arc<Content>,
    network: Arc<Network>,
    journal: Arc<Journal>,
    trace: Arc<Trace>,
    dead_letters: Arc<DeadLettersInMemory>,
    config: Config,
    sabotage: Sabotage,
    folder: TempDir,
}

/// Runs the simulation of a seed on a clock that is paused.
pub(crate) fn simulate(seed: u64, sabotage: Sabotage, prints: bool) -> Outcome {
    tokio::runtime::Builder::new_current_thread()
        // Without sockets, so that no moment of it asks the system whether there is something to read.
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(async {
            let world = World::new(seed, sabotage, prints);
            let log = tracing::subscriber::set_default(Log(Arc::clone(&world.trace)));
            let outcome = world.run().await;
            drop(log);
            outcome
        })
}

impl World {
    fn new(seed: u64, sabotage: Sabotage, prints: bool) -> World {
        let shape = Shape::draw(seed);
        let clock = SimulatedClock::new(start());
        let weather = Arc::new(Weather::draw(&shape));
        let trace = Trace::new(Arc::clone(&clock), prints);
        let spec = |(id, name): &(&str, &str)| {
            let mut spec = tenant(id, &format!("{name}.example"));
            if !shape.is_subscribed {
                spec.subscribed.clear();
            }
            spec
        };
        let specs: Vec<_> = shape.tenants.iter().map(spec).collect();
        let secret = specs[0].client_secret.clone();
        let settings = Settings {
            seed,
            page_size: shape.page_size,
            gzip: shape.gzip,
            row_order: RowOrder::Shuffled,
            requests_per_minute: REQUESTS_PER_MINUTE,
            ..Settings::default()
        };
        let tenants = Arc::new(FakeTenants::new(clock.clone(), settings, specs));
        let content = Content::draw(&shape, &tenants, &mut dice(seed, Purpose::Content));
        let journal = Journal::new(Arc::clone(&clock));
        let network = Network {
            tenants,
            tenant_ids: shape.tenants.iter().map(|(id, _)| *id).collect(),
            clock: Arc::clone(&clock),
            weather: Arc::clone(&weather),
            journal: Arc::clone(&journal),
            trace: Arc::clone(&trace),
            dice: Mutex::new(dice(seed, Purpose::Network)),
            requests: AtomicU64::new(0),
            stopped: AtomicUsize::new(0),
            unauthorized: Mutex::default(),
            sabotage,
            secret,
        };
        let folder = if Path::new(MEMORY_FOLDER).is_dir() {
            tempfile::tempdir_in(MEMORY_FOLDER).unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        World {
            config: source_config(&shape),
            journal,
            content: Arc::new(content),
            network: Arc::new(network),
            dead_letters: Arc::default(),
            shape,
            clock,
            weather,
            trace,
            sabotage,
            folder,
        }
    }

    fn ledger_path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    async fn run(&self) -> Outcome {
        let ends = self.ends();
        let kills = ends.iter().filter(|end| end.is_kill).count();
        let mut violations = Vec::new();
        for (number, end) in ends.iter().enumerate() {
            if let Err(error) = self.live(number, *end).await {
                violations.push(format!("process {number} ended by itself: {error}"));
            }
            let downtime = end.downtime.to_std().unwrap_or_default();
            tokio::time::sleep(downtime).await;
        }
        let verdict = judge(
            &self.shape,
            &self.content,
            (&self.journal.entries(), &self.weather),
            (&self.dead_letters.letters(), &self.network.tenants),
            &self.ledger_path(),
        );
        violations.extend_from_slice(&verdict.violations);
        let mut tally = Tally::default();
        tally.add("kill", kills);
        tally.add("graceful end", ends.len() - kills);
        tally.add("clock set", self.weather.jumps());
        tally.add("subscription stopped", self.weather.stops(self.shape.end).len());
        for spell in &self.weather.spells {
            tally.add(&format!("{:?}", spell.trouble), 1);
        }
        for row in self.network.tenants.stats().faults {
            tally.add(&format!("fault {}", row.fault.name()), usize::try_from(row.count).unwrap());
        }
        verdict.add_to(&mut tally);
        Outcome { violations, digest: self.trace.digest(), tally }
    }

    /// When the processes end. The last one is drained.
    fn ends(&self) -> Vec<End> {
        let mut dice = dice(self.shape.seed, Purpose::Lives);
        let mut ends = Vec::new();
        let mut at = start();
        let (shortest, longest) =
            [(3600.0, 400_000.0), (60.0, 200_000.0), (1.0, 100_000.0)][dice.usize(0..3)];
        loop {
            at += span(&mut dice, shortest..longest);
            if at >= self.shape.calm_from {
                break;
            }
            let downtime = match dice.u8(0..8) {
                0 => span(&mut dice, 60.0..30_000.0),
                1..4 => span(&mut dice, 0.1..60.0),
                _ => TimeDelta::zero(),
            };
            let is_kill = happens(&mut dice, 0.7);
            let is_busy = is_kill && happens(&mut dice, 0.4);
            let busy = is_busy.then(|| Duration::from_millis(dice.u64(0..900)));
            ends.push(End { at, is_kill, busy, downtime });
            at += downtime;
        }
        let downtime = TimeDelta::zero();
        ends.push(End { at: self.shape.end, is_kill: false, busy: None, downtime });
        ends
    }

    /// One process, from its start to its end.
    async fn live(&self, number: usize, end: End) -> Result<(), RunError> {
        self.trace.note(format_args!("process {number} starts"));
        let life = Life::new(number);
        let opened: Arc<dyn Ledger> =
            Arc::new(SqliteLedger::open_inline(&self.ledger_path()).unwrap());
        let shutdown = Shutdown::new();
        let result = {
            let mut run = self.process(&life, &opened, &shutdown);
            let time = (end.at - Clock::now(&*self.clock)).to_std().unwrap_or_default();
            let moment = async {
                tokio::time::sleep(time).await;
                if let Some(after) = end.busy {
                    let busy = tokio::time::timeout(BUSY_WAIT_MAX, life.busy.notified()).await;
                    tokio::time::sleep(if busy.is_ok() { after } else { Duration::ZERO }).await;
                }
            };
            let ended = tokio::select! {
                biased;
                result = &mut run => Ok(result),
                () = moment => Err(()),
            };
            match ended {
                Ok(result) => result.and_then(|()| Err(RunError::plain("it had nothing to do"))),
                Err(()) if end.is_kill => {
                    life.end();
                    self.journal.add(Entry::Ended { life: number, ending: Ending::Cut });
                    Ok(())
                }
                Err(()) => self.drain(number, &shutdown, run).await,
            }
        };
        life.end();
        self.trace.note(format_args!("process {number} has ended, killed: {}", end.is_kill));
        // What it had spawned ends now, and lets go of the file.
        while Arc::strong_count(&opened) > 1 {
            tokio::task::yield_now().await;
        }
        result
    }

    async fn drain(
        &self,
        number: usize,
        shutdown: &Shutdown,
        mut run: BoxFuture<'_, Result<(), RunError>>,
    ) -> Result<(), RunError> {
        shutdown.drain();
        let drained = tokio::time::timeout(DRAIN_MAX, &mut run).await;
        let (ending, result) = if let Ok(result) = drained {
            (Ending::Drained, result)
        } else {
            shutdown.abandon();
            (Ending::Cut, run.now_or_never().unwrap_or(Ok(())))
        };
        self.journal.add(Entry::Ended { life: number, ending });
        result
    }

    /// The source with all that it is connected to, and the sink.
    fn process<'a>(
        &'a self,
        life: &Arc<Life>,
        opened: &Arc<dyn Ledger>,
        shutdown: &Shutdown,
    ) -> BoxFuture<'a, Result<(), RunError>> {
        let salt = life.number as u64;
        let fork = |purpose| dice(self.shape.seed ^ (salt << 32), purpose);
        let gate = Disk {
            life: Arc::clone(life),
            clock: Arc::clone(&self.clock),
            weather: Arc::clone(&self.weather),
            content: Arc::clone(&self.content),
            journal: Arc::clone(&self.journal),
            trace: Arc::clone(&self.trace),
            dice: Mutex::new(fork(Purpose::Disk)),
            sabotage: self.sabotage,
        };
        let ledger = Arc::new(Gated { inner: Arc::clone(opened), gate });
        let way = Line { network: Arc::clone(&self.network), life: Arc::clone(life) };
        let context = SourceContext {
            id: "office365".into(),
            data_dir: self.folder.path().to_owned(),
            mode: RunMode::Continuous,
            clock: Arc::new(LocalClock {
                api: Arc::clone(&self.clock),
                weather: Arc::clone(&self.weather),
            }),
            dead_letters: self.dead_letters.clone(),
            metrics: testing::metrics(ComponentKind::Source, "office365"),
        };
        let seed = fork(Purpose::Source).u64(..);
        let source = self.config.build_on(ledger, Arc::new(way), seed, context).unwrap();
        let batches_max = NonZeroUsize::new(4).unwrap();
        let (outlet, inlet) = edge(batches_max, &testing::metrics(ComponentKind::Sink, "sink"));
        let writer = testing::metrics(ComponentKind::Source, "office365");
        let run = Box::new(source).run(Outlet::fan_out(&[outlet], &writer), shutdown.clone());
        let sink = Sink {
            life: Arc::clone(life),
            clock: Arc::clone(&self.clock),
            weather: Arc::clone(&self.weather),
            content: Arc::clone(&self.content),
            journal: Arc::clone(&self.journal),
            trace: Arc::clone(&self.trace),
            dice: Mutex::new(fork(Purpose::Sink)),
            sabotage: self.sabotage,
        };
        Box::pin(async move {
            let (result, ()) = tokio::join!(run, sink.run(inlet));
            result
        })
    }
}

/// Polls are rare, so that a week is short; what depends on their distance scales with it.
fn source_config(shape: &Shape) -> Config {
    let pairs: Vec<_> = shape.tenants.iter().map(|(id, name)| (*name, *id)).collect();
    let mut config = config(&pairs);
    config.content_types = shape.collected();
    config.poll_interval = Duration::from_hours(1);
    config.max_requests_per_minute = NonZeroU32::new(REQUESTS_PER_MINUTE).unwrap();
    config.fetch_concurrency = NonZeroU16::new(4).unwrap();
    config.max_in_flight_bytes = 60_000;
    config.dedupe_window = shape.dedupe_window;
    config
}
