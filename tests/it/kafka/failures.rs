//! Brokers that go and come back while events are on their way: all arrive, and each once.

use std::time::Duration;

use super::rig::{Pipe, config, repeats, unique};
use crate::services::kafka::{Kafka, Listener};

/// Events of one test; at the pace below they outlast the failures.
const EVENTS: usize = 40_000;

/// As `Pipe::to` wants it: a broker takes its time, so that failures find much on its way.
const TABLE: &str =
    "batch.max_events = 200\nrequest.concurrency = 8\nrequest.rate_limit = \"20/s\"\n";

/// Sends events while `trouble` is made; gives how many are stored more than once.
async fn repeats_after(
    kafka: &Kafka,
    topic: &str,
    trouble: impl FnOnce() + Send + 'static,
) -> usize {
    let config = config(&kafka.bootstrap(Listener::Plaintext), topic, TABLE);
    let pipe = Pipe::to(&config).await;
    let mut pump = pipe.pump(0..EVENTS);
    tokio::time::sleep(Duration::from_secs(2)).await;
    tokio::task::spawn_blocking(trouble).await.expect("the trouble is made");
    assert!(pump.try_join_next().is_none(), "all was sent before the trouble was over");
    while let Some(ended) = pump.join_next().await {
        ended.expect("all is delivered");
    }
    assert_eq!(pipe.end().await, "");
    repeats(&kafka.messages(topic), EVENTS)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_restarted_gets_each_event_once() {
    let kafka = std::sync::Arc::new(Kafka::start("kafka-restart", 1));
    let topic = unique("restart");
    kafka.create_topic(&topic, 3, &[]).await;
    let broker = std::sync::Arc::clone(&kafka);
    let repeats = repeats_after(&kafka, &topic, move || {
        broker.stop(&[]);
        broker.start_again(&[]);
        broker.kill(1);
        broker.start_again(&[1]);
    });
    let repeats = repeats.await;
    println!("{repeats} repeats of {EVENTS} events after a restart and a kill");
    assert_eq!(repeats, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_brokers_any_may_be_killed() {
    let kafka = std::sync::Arc::new(Kafka::start("kafka-three", 3));
    let topic = unique("three");
    // One partition, so that one broker leads all of it.
    kafka.create_topic(&topic, 1, &[]).await;
    let brokers = std::sync::Arc::clone(&kafka);
    let of_topic = topic.clone();
    let repeats = repeats_after(&kafka, &topic, move || {
        let leader = brokers.leader(&of_topic, 0);
        brokers.kill(leader);
        std::thread::sleep(Duration::from_secs(3));
        let others: Vec<usize> = (1..=3).filter(|node| *node != leader).collect();
        // With one left nothing can be stored: neither the replicas nor the controllers are enough.
        brokers.kill(others[0]);
        std::thread::sleep(Duration::from_secs(3));
        brokers.start_again(&[leader, others[0]]);
    });
    let repeats = repeats.await;
    println!(
        "{repeats} repeats of {EVENTS} events after the leader and another broker were killed"
    );
    assert_eq!(repeats, 0);
}
