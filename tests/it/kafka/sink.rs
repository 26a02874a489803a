//! What a sink stores, what it refuses, and what it waits for.

use pipeline_core::Outcome;

use super::rig::{Pipe, check, config, record, records, repeats, unique};
use crate::services::kafka::{Listener, broker};

#[tokio::test]
async fn events_are_stored_with_every_compression() {
    let kafka = broker();
    let servers = kafka.bootstrap(Listener::Plaintext);
    for compression in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = unique(compression);
        kafka.create_topic(&topic, 3, &[]).await;
        let config = config(&servers, &topic, &format!("compression = {compression:?}\n"));
        let pipe = Pipe::to(&config).await;
        let fates = pipe.send(&records(0..5000)).await.await;
        check(&fates, Outcome::Delivered, 5000);
        assert_eq!(pipe.end().await, "");
        assert_eq!(repeats(&kafka.messages(&topic), 5000), 0);
    }
}

#[tokio::test]
async fn topic_key_and_headers_are_made_of_the_event() {
    let kafka = broker();
    let name = unique("tenant");
    for tenant in ["a", "b"] {
        kafka.create_topic(&format!("{name}-{tenant}-2026"), 1, &[]).await;
    }
    let more = "timestamp_field = \"time\"\nrequest.concurrency = 1\n\
                headers = { tenant = \"{{ t }}\", fixed = \"x\" }\n";
    let servers = kafka.bootstrap(Listener::Plaintext);
    let pipe = Pipe::to(&config(&servers, &format!("{name}-{{{{ t }}}}-%Y"), more)).await;
    let records = [
        r#"{"id":"1","t":"a","time":"2026-05-05T00:00:00Z"}"#,
        r#"{"id":2,"t":"b","time":"2026-05-05T00:00:00Z"}"#,
        r#"{"t":"a","time":"2026-05-05T00:00:00Z"}"#,
        r#"{"id":"no tenant","time":"2026-05-05T00:00:00Z"}"#,
        r#"{"id":"no topic","t":"a b","time":"2026-05-05T00:00:00Z"}"#,
        r#"{"id":"no date","t":"a"}"#,
    ];
    let fates = pipe.send(&records.map(str::to_owned)).await.await;
    let expected = [[Outcome::Delivered; 3], [Outcome::Rejected; 3]].concat();
    let letters = pipe.end().await;
    assert_eq!(fates.outcomes(), expected, "{letters}");
    for reason in [
        "the event has nothing in `t` to make its topic of",
        "a b-2026` can't be the name of a topic: it has other characters",
        "the event has no date in `time` to make its topic of",
    ] {
        assert!(letters.contains(reason), "{reason} is not in {letters}");
    }
    let of_a = kafka.messages(&format!("{name}-a-2026"));
    let of_b = kafka.messages(&format!("{name}-b-2026"));
    assert_eq!((of_a.len(), of_b.len()), (2, 1));
    assert_eq!(of_a[0].value, records[0].as_bytes());
    assert_eq!(of_a[0].key.as_deref(), Some(&b"1"[..]));
    assert_eq!(of_a[1].key, None, "an event without the field has no key");
    assert_eq!(of_b[0].key.as_deref(), Some(&b"2"[..]));
    let headers = [("fixed", "x"), ("tenant", "b")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    assert_eq!(of_b[0].headers, headers);
}

#[tokio::test]
async fn what_is_too_large_becomes_a_dead_letter_and_what_was_sent_with_it_arrives() {
    let kafka = broker();
    let servers = kafka.bootstrap(Listener::Plaintext);
    // Once the broker refuses, once librdkafka does.
    for (limit, size) in [("20000", 30_000), ("1048588", 2_000_000)] {
        let topic = unique("too-large");
        kafka.create_topic(&topic, 1, &[("max.message.bytes", limit)]).await;
        let pipe = Pipe::to(&config(&servers, &topic, "compression = \"none\"\n")).await;
        let mut sent = records(0..1000);
        let large = |n: usize| format!(r#"{{"id":"large-{n}","x":"{}"}}"#, "x".repeat(size));
        sent.insert(500, large(1));
        sent.push(large(2));
        let fates = pipe.send(&sent).await.await;
        assert_eq!(fates.outcomes()[500], Outcome::Rejected);
        assert_eq!(fates.outcomes()[1001], Outcome::Rejected);
        assert_eq!(fates.count(Outcome::Delivered), 1000);
        let letters = pipe.end().await;
        assert_eq!(letters.lines().count(), 2);
        for (n, letter) in letters.lines().enumerate() {
            let letter: serde_json::Value = serde_json::from_str(letter).expect("JSON");
            assert_eq!(letter["event"]["id"], format!("large-{}", n + 1));
            let reason = letter["reason"].as_str().expect("a reason");
            assert!(reason.contains("Message size too large"), "{reason}");
        }
        assert_eq!(repeats(&kafka.messages(&topic), 1000), 0);
    }
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_waited_for_where_all_events_go_to_it() {
    let kafka = broker();
    let topic = unique("late");
    // Otherwise librdkafka waits half a minute for news of a topic that might just have been made.
    let more = "librdkafka_options = { \"topic.metadata.propagation.max.ms\" = \"500\" }\n";
    let servers = kafka.bootstrap(Listener::Plaintext);
    let pipe = Pipe::to(&config(&servers, &topic, more)).await;
    let mut receipt = pipe.send(&records(0..10)).await;
    let early = tokio::time::timeout(std::time::Duration::from_secs(3), &mut receipt).await;
    assert!(early.is_err(), "events without a topic were settled: {early:?}");
    kafka.create_topic(&topic, 1, &[]).await;
    check(&receipt.await, Outcome::Delivered, 10);
    assert_eq!(pipe.end().await, "");
    assert_eq!(repeats(&kafka.messages(&topic), 10), 0);
}

#[tokio::test]
async fn a_topic_of_some_events_that_is_not_there_holds_up_no_others() {
    let kafka = broker();
    let topic = unique("some");
    kafka.create_topic(&format!("{topic}-a"), 1, &[]).await;
    let more = "librdkafka_options = { \"topic.metadata.propagation.max.ms\" = \"500\" }\n";
    let servers = kafka.bootstrap(Listener::Plaintext);
    let pipe = Pipe::to(&config(&servers, &format!("{topic}-{{{{ t }}}}"), more)).await;
    let sent = [r#"{"id":"id-0","n":0,"t":"a"}"#, r#"{"id":"id-1","n":1,"t":"b"}"#];
    let fates = pipe.send(&sent.map(str::to_owned)).await.await;
    let letters = pipe.end().await;
    assert_eq!(fates.outcomes(), [Outcome::Delivered, Outcome::Rejected], "{letters}");
    assert!(letters.contains(&format!("topic `{topic}-b` does not exist")), "{letters}");
    assert_eq!(repeats(&kafka.messages(&format!("{topic}-a")), 1), 0);
}

#[tokio::test]
async fn what_is_abandoned_counts_as_not_delivered() {
    let kafka = broker();
    // Nobody listens where the proxy is to be.
    let servers = kafka.bootstrap(Listener::Proxied);
    let pipe = Pipe::to(&config(&servers, "anything", "")).await;
    let mut receipt = pipe.send(&[record(0)]).await;
    let early = tokio::time::timeout(std::time::Duration::from_secs(1), &mut receipt).await;
    assert!(early.is_err(), "an event that nobody took was settled: {early:?}");
    pipe.shutdown.abandon();
    check(&receipt.await, Outcome::Errored, 1);
    assert_eq!(pipe.end().await, "");
}
