//! What is a limit on requests worth that follows the server, beside fixed ones?
//!
//! The delivery of a sink against servers that are made up, on a paused clock: a server works on so many requests side by
//! side, what is more shares it, and what is much more it refuses. So the figures are the same on every machine.
//!
//! `cargo bench --bench concurrency`
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::{
    error::Error,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use o365flow::delivery::{
    Attempt, BackoffSettings, BatchSettings, Concurrency, ConcurrencyOption, Courier, Delivery,
    DeliverySettings, Encoded, Failure, Next, RequestConfig,
};
use pipeline_core::{
    AckGroup, Batch, ComponentKind, Event, Origin, Outcome, Shutdown, SinkContext, Timestamp, edge,
    testing::{self, DeadLettersInMemory, ManualClock},
};
use tokio::time::Instant;
use vrl::value::Value;

const REQUESTS: usize = 2000;

/// What a request takes when its server has time for it.
const WORK: Duration = Duration::from_millis(200);

/// The server's grain.
const TICK: Duration = Duration::from_millis(5);

/// A server, and how it changes with time.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    capacity: usize,
    /// From the 20th to the 60th second.
    capacity_meanwhile: usize,
    /// Requests beyond so many are refused.
    refuse_above: usize,
}

const SHAPES: [Shape; 4] = [
    Shape { name: "2 at a time", capacity: 2, capacity_meanwhile: 2, refuse_above: 1000 },
    Shape { name: "16 at a time", capacity: 16, capacity_meanwhile: 16, refuse_above: 1000 },
    Shape {
        name: "4 at a time, refuses more than 6",
        capacity: 4,
        capacity_meanwhile: 4,
        refuse_above: 6,
    },
    Shape {
        name: "12 at a time, 1 for 40 s, refuses more than 14",
        capacity: 12,
        capacity_meanwhile: 1,
        refuse_above: 14,
    },
];

struct Server {
    shape: Shape,
    start: Instant,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    under_way: usize,
    refused: usize,
    waits: Vec<Duration>,
}

impl Server {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn capacity(&self) -> usize {
        let is_meanwhile = (20..60).contains(&self.start.elapsed().as_secs());
        if is_meanwhile { self.shape.capacity_meanwhile } else { self.shape.capacity }
    }

    async fn work(&self) {
        let begun = Instant::now();
        let mut left = WORK.as_secs_f64();
        while left > 0.0 {
            tokio::time::sleep(TICK).await;
            #[expect(clippy::cast_precision_loss, reason = "numbers of requests")]
            let share = (self.capacity() as f64 / self.seen().under_way as f64).min(1.0);
            left -= TICK.as_secs_f64() * share;
        }
        let mut seen = self.seen();
        seen.under_way -= 1;
        seen.waits.push(begun.elapsed());
    }
}

struct ToServer(Arc<Server>);

impl Courier for ToServer {
    type Request = Vec<Event>;

    fn encode(&self, events: Vec<Event>) -> Encoded<Vec<Event>> {
        Encoded { requests: vec![events], rejected: Vec::new() }
    }

    async fn attempt(&self, events: Vec<Event>) -> Attempt<Vec<Event>> {
        let is_refused = {
            let mut seen = self.0.seen();
            let is_refused = seen.under_way >= self.0.shape.refuse_above;
            if is_refused {
                seen.refused += 1;
            } else {
                seen.under_way += 1;
            }
            is_refused
        };
        let next = if is_refused {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let failure = Failure {
                error_type: "too_many_requests",
                message: "the server has too much to do".to_owned(),
                after: None,
                needs_user: false,
                is_overload: true,
            };
            Next::Retry { request: events, failure }
        } else {
            self.0.work().await;
            for event in events {
                event.settle(Outcome::Delivered);
            }
            Next::Done
        };
        Attempt { rejected: Vec::new(), next }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let fixed = |limit| NonZeroUsize::new(limit).map(Concurrency::Fixed);
    let adaptive =
        RequestConfig { concurrency: ConcurrencyOption::Adaptive, ..RequestConfig::default() };
    let mut limits: Vec<(String, Concurrency)> = [1, 4, 16]
        .into_iter()
        .filter_map(|limit| Some((limit.to_string(), fixed(limit)?)))
        .collect();
    limits.push(("adaptive".to_owned(), adaptive.concurrency()));
    println!(
        "| server | `concurrency` | time | refused | an answer takes |\n|---|---|---|---|---|"
    );
    for shape in SHAPES {
        for (name, concurrency) in &limits {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()?;
            let (took, refused, median) = runtime.block_on(measure(shape, *concurrency));
            println!(
                "| {} | {name} | {:.0} s | {refused} | {:.0} ms |",
                shape.name,
                took.as_secs_f64(),
                median.as_secs_f64() * 1000.0
            );
        }
    }
    Ok(())
}

/// Delivers everything; gives the time, the number of refusals, and what the median answer took.
async fn measure(shape: Shape, concurrency: Concurrency) -> (Duration, usize, Duration) {
    let server = Arc::new(Server { shape, start: Instant::now(), seen: Mutex::default() });
    let settings = DeliverySettings {
        batch: BatchSettings {
            events_max: NonZeroUsize::MIN,
            bytes_max: 1000,
            timeout: Duration::from_secs(1),
        },
        concurrency,
        rate_limit: None,
        backoff: BackoffSettings::default(),
    };
    let context = SinkContext {
        id: "sink".into(),
        data_dir: PathBuf::new(),
        clock: ManualClock::new(Timestamp::UNIX_EPOCH),
        dead_letters: Arc::new(DeadLettersInMemory::default()),
        metrics: testing::metrics(ComponentKind::Sink, "sink"),
    };
    let delivery = Delivery::new(ToServer(Arc::clone(&server)), settings, context, 7);
    let (outlet, inlet) = edge(NonZeroUsize::MIN, &testing::metrics(ComponentKind::Sink, "sink"));
    let (group, receipt) = AckGroup::new(REQUESTS);
    let origin = Origin::new("bench", Value::Null);
    let events: Vec<Event> = (0..REQUESTS)
        .map(|number| Event::new(Value::Null, 1, Arc::clone(&origin), group.ack(number)))
        .collect();
    drop(group);
    let feed = async move { drop(outlet.send(Batch::from(events)).await) };
    tokio::join!(delivery.run(inlet, Shutdown::new()), feed);
    assert!(receipt.await.is_settled(), "something was not delivered");
    let mut seen = server.seen();
    seen.waits.sort_unstable();
    (server.start.elapsed(), seen.refused, seen.waits[REQUESTS / 2])
}
