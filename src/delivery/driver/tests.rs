//! The driver against a courier that follows a script.

use std::{
    collections::{HashMap, VecDeque},
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::future::BoxFuture;
use pipeline_core::{
    AckGroup, Batch, ComponentKind, DeadLetterError, Fates, LetterKind, Origin, Timestamp, edge,
    testing::{DeadLettersInMemory, ManualClock, metrics},
};
use proptest::prelude::*;
use vrl::value::Value;

use super::*;

/// What the server does with one attempt.
#[derive(Clone, Copy, Debug)]
enum Act {
    TakeAll,
    /// Takes every second event and wants the others later.
    TakeSome,
    /// Refuses the first event for good, wants the others later.
    RefuseOne,
    RefuseAll,
    Fail,
    FailUntilFixed,
    TooLarge,
}

/// A courier whose server follows a script, and takes everything once the script is over.
#[derive(Default)]
struct Scripted {
    script: Mutex<VecDeque<Act>>,
    /// How often the server has taken or refused each event.
    words: Mutex<HashMap<usize, usize>>,
    /// Requests under way now, and with each that came.
    under_way: Mutex<(usize, Vec<(usize, tokio::time::Instant)>)>,
}

struct Parcel(Vec<(usize, EventAck)>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn letter(number: usize) -> DeadLetter {
    DeadLetter {
        component_id: "test".into(),
        kind: LetterKind::Refused,
        reason: "refused".to_owned(),
        time: Timestamp::UNIX_EPOCH,
        origin: String::new(),
        metadata: None,
        payload: number.to_string().into_bytes(),
    }
}

impl Scripted {
    fn word(&self, number: usize) {
        *lock(&self.words).entry(number).or_default() += 1;
    }

    fn take(&self, (number, ack): (usize, EventAck)) {
        self.word(number);
        ack.settle(Outcome::Delivered);
    }

    fn refuse(&self, (number, ack): (usize, EventAck)) -> Rejected {
        self.word(number);
        Rejected { letter: letter(number), ack }
    }

    fn act(&self, mut parcel: Parcel) -> Attempt<Parcel> {
        let mut rejected = Vec::new();
        let act = lock(&self.script).pop_front().unwrap_or(Act::TakeAll);
        match act {
            Act::TakeAll => parcel.0.drain(..).for_each(|event| self.take(event)),
            Act::TakeSome => {
                let (taken, left) = parcel.0.into_iter().partition(|(number, _)| number % 2 == 0);
                Vec::into_iter(taken).for_each(|event| self.take(event));
                parcel = Parcel(left);
            }
            Act::RefuseOne => rejected.push(self.refuse(parcel.0.remove(0))),
            Act::RefuseAll => {
                rejected.extend(parcel.0.drain(..).map(|event| self.refuse(event)));
            }
            Act::TooLarge if parcel.0.len() > 1 => {
                let second = parcel.0.split_off(parcel.0.len() / 2);
                return Attempt { rejected, next: Next::Split([parcel, Parcel(second)]) };
            }
            Act::Fail | Act::FailUntilFixed | Act::TooLarge => {}
        }
        if parcel.0.is_empty() {
            return Attempt { rejected, next: Next::Done };
        }
        let failure = Failure {
            error_type: "test",
            message: format!("{act:?}"),
            after: None,
            needs_user: matches!(act, Act::FailUntilFixed),
            is_overload: false,
        };
        Attempt { rejected, next: Next::Retry { request: parcel, failure } }
    }
}

impl Courier for Arc<Scripted> {
    type Request = Parcel;

    /// Two events to a request; an event that is not a number is refused.
    fn encode(&self, events: Vec<Event>) -> Encoded<Parcel> {
        let mut encoded = Encoded { requests: Vec::new(), rejected: Vec::new() };
        let mut numbered = Vec::new();
        for event in events {
            match event.value() {
                Value::Integer(number) => {
                    let number = usize::try_from(*number).expect("a number of an event");
                    numbered.push((number, event.into_ack()));
                }
                _ => encoded
                    .rejected
                    .push(Rejected { letter: letter(usize::MAX), ack: event.into_ack() }),
            }
        }
        while !numbered.is_empty() {
            let rest = numbered.split_off(numbered.len().min(4));
            encoded.requests.push(Parcel(std::mem::replace(&mut numbered, rest)));
        }
        encoded
    }

    async fn attempt(&self, parcel: Parcel) -> Attempt<Parcel> {
        {
            let mut under_way = lock(&self.under_way);
            under_way.0 += 1;
            let now = under_way.0;
            under_way.1.push((now, tokio::time::Instant::now()));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        lock(&self.under_way).0 -= 1;
        self.act(parcel)
    }
}

/// Dead letters on a disk that is full for the first few times.
#[derive(Debug, Default)]
struct FullDisk {
    refusals: Mutex<usize>,
    kept: DeadLettersInMemory,
}

impl DeadLetters for FullDisk {
    fn put(&self, letters: Vec<DeadLetter>) -> BoxFuture<'_, Result<(), DeadLetterError>> {
        let mut refusals = lock(&self.refusals);
        if *refusals > 0 {
            *refusals -= 1;
            let error = DeadLetterError {
                path: "full".to_owned(),
                source: std::io::ErrorKind::StorageFull.into(),
            };
            return Box::pin(std::future::ready(Err(error)));
        }
        self.kept.put(letters)
    }
}

struct Bench {
    courier: Arc<Scripted>,
    dead_letters: Arc<FullDisk>,
    delivery: Delivery<Arc<Scripted>>,
}

fn bench(script: &[Act], concurrency: usize, refusals: usize) -> Bench {
    let courier = Arc::new(Scripted {
        script: Mutex::new(script.iter().copied().collect()),
        ..Scripted::default()
    });
    let dead_letters = Arc::new(FullDisk { refusals: Mutex::new(refusals), ..FullDisk::default() });
    let context = SinkContext {
        id: "test".into(),
        data_dir: PathBuf::new(),
        clock: ManualClock::new(Timestamp::UNIX_EPOCH),
        dead_letters: dead_letters.clone(),
        metrics: metrics(ComponentKind::Sink, "test"),
    };
    let settings = DeliverySettings {
        batch: BatchSettings {
            events_max: NonZeroUsize::new(6).expect("it is not zero"),
            bytes_max: 1000,
            timeout: Duration::from_secs(1),
        },
        concurrency: NonZeroUsize::new(concurrency).expect("it is not zero").into(),
        rate_limit: None,
        backoff: BackoffSettings::default(),
    };
    let delivery = Delivery::new(Arc::clone(&courier), settings, context, 7);
    Bench { courier, dead_letters, delivery }
}

/// Sends events in batches of `size`, one more of them not a number, and gives their fates.
async fn fates(delivery: Delivery<Arc<Scripted>>, events: usize, size: usize) -> Fates {
    let (sender, input) = edge(NonZeroUsize::MIN, &metrics(ComponentKind::Sink, "test"));
    let (group, receipt) = AckGroup::new(events + 1);
    let origin = Origin::new("test", Value::Null);
    let value = |number: usize| match i64::try_from(number) {
        Ok(integer) if number < events => Value::Integer(integer),
        _ => Value::Null,
    };
    let mut events: Vec<Event> = (0..=events)
        .map(|number| Event::new(value(number), 10, Arc::clone(&origin), group.ack(number)))
        .collect();
    drop(group);
    let feed = async move {
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(size));
            let batch = Batch::from(std::mem::replace(&mut events, rest));
            if sender.send(batch).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(delivery.run(input, Shutdown::new()), feed);
    receipt.await
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::TakeAll),
        Just(Act::TakeSome),
        Just(Act::RefuseOne),
        Just(Act::RefuseAll),
        Just(Act::Fail),
        Just(Act::FailUntilFixed),
        Just(Act::TooLarge),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_server_says_every_event_is_settled_once(
        script in prop::collection::vec(act(), 0..40),
        events in 0_usize..40,
        size in 1_usize..10,
        concurrency in 1_usize..5,
        refusals in 0_usize..4,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let Bench { courier, dead_letters, delivery } = bench(&script, concurrency, refusals);
        let fates = runtime.block_on(fates(delivery, events, size));

        let words = lock(&courier.words);
        prop_assert_eq!(words.len(), events, "the server has a word on every event");
        prop_assert!(words.values().all(|&times| times == 1), "and one only");
        let mut rejected: Vec<String> = dead_letters
            .kept
            .letters()
            .into_iter()
            .map(|letter| String::from_utf8(letter.payload).expect("a number"))
            .collect();
        rejected.sort();
        let mut expected = vec![usize::MAX.to_string()];
        for (number, outcome) in fates.outcomes()[..events].iter().enumerate() {
            match outcome {
                Outcome::Delivered => {}
                Outcome::Rejected => expected.push(number.to_string()),
                Outcome::Filtered | Outcome::Errored => prop_assert!(false, "{:?}", outcome),
            }
        }
        expected.sort();
        prop_assert_eq!(rejected, expected, "what is rejected lies in the dead letters, once");
    }
}

#[tokio::test(start_paused = true)]
async fn when_told_to_abandon_it_lets_go_at_once_and_nothing_counts_as_delivered() {
    let Bench { courier, delivery, .. } = bench(&[Act::Fail; 1000], 2, 0);
    let (sender, input) = edge(NonZeroUsize::MIN, &metrics(ComponentKind::Sink, "test"));
    let (events, receipt) = pipeline_core::testing::batch(&["1", "2", "3"]);
    sender.send(events).await.expect("the edge is open");
    let shutdown = Shutdown::new();
    let abandon = async {
        tokio::time::sleep(Duration::from_hours(1)).await;
        shutdown.drain();
        // A drain lets retries go on.
        tokio::time::sleep(Duration::from_hours(1)).await;
        shutdown.abandon();
    };
    tokio::join!(delivery.run(input, shutdown.clone()), abandon);
    assert!(lock(&courier.script).len() > 800, "the waits grow");
    assert_eq!(receipt.await.outcomes(), [Outcome::Errored; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_holds_back_what_comes_after() {
    let Bench { courier, delivery, .. } = bench(&[Act::Fail; 1000], 2, 0);
    let (sender, input) = edge(NonZeroUsize::MIN, &metrics(ComponentKind::Sink, "test"));
    let shutdown = Shutdown::new();
    let feed = async {
        let mut sent = 0;
        let batch = || pipeline_core::testing::batch(&["1", "2", "3", "4", "5", "6"]).0;
        while tokio::time::timeout(Duration::from_mins(10), sender.send(batch())).await.is_ok() {
            sent += 1;
        }
        shutdown.abandon();
        sent
    };
    let ((), sent) = tokio::join!(delivery.run(input, shutdown.clone()), feed);
    assert_eq!(sent, 3, "two under way, one on the edge");
    drop(courier);
}

#[tokio::test(start_paused = true)]
async fn after_a_long_outage_no_herd_comes() {
    const FAILURES: usize = 300;
    let Bench { courier, delivery, .. } = bench(&[Act::Fail; FAILURES], 8, 0);
    let start = tokio::time::Instant::now();
    let fates = fates(delivery, 200, 6).await;
    assert!(start.elapsed() > Duration::from_mins(20), "{:?}", start.elapsed());
    assert!(fates.is_settled());
    let (_, seen) = &*lock(&courier.under_way);
    let numbers: Vec<usize> = seen.iter().map(|(under_way, _)| *under_way).collect();
    assert_eq!(numbers[..8], [1, 2, 3, 4, 5, 6, 7, 8], "all that may go at first do");
    assert!(numbers[20..FAILURES].iter().all(|under_way| *under_way == 1), "{numbers:?}");
    assert_eq!(numbers[FAILURES], 1);
    assert!(numbers[FAILURES + 1] <= 2 && numbers[FAILURES + 2] <= 2, "{numbers:?}");
    let (first, last) = (seen[FAILURES].1, seen.last().expect("there are some").1);
    assert!(last - first < Duration::from_secs(1), "nobody sleeps on: {:?}", last - first);
}
