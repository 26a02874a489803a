use std::time::Duration;

use expect_test::expect;
use futures_util::FutureExt;
use pipeline_core::{Fates, Outcome, Receipt};
use proptest::prelude::*;
use tokio::time::advance;

use super::*;
use crate::transforms::testing::{Bench, problems};

const BY_ID: &str = "fields.match = ['id']";

/// Sends `records` through a worker of its own.
fn pass(bench: &Bench, records: &[&str]) -> (Batch, Receipt) {
    let (batches, receipt) = bench.pass(&mut *bench.worker(), records);
    let [batch] = batches.try_into().expect("one port");
    (batch, receipt)
}

/// What became of one event, if that is known.
fn fate(receipt: &mut Receipt) -> Option<Outcome> {
    receipt.now_or_never().map(|fates: Fates| fates.outcomes()[0])
}

#[tokio::test]
async fn a_copy_of_what_was_delivered_is_dropped_on_purpose() {
    let bench = Bench::new::<Config>(BY_ID);
    for outcome in [Outcome::Delivered, Outcome::Filtered, Outcome::Rejected] {
        let record = format!("{{\"id\":\"{outcome:?}\"}}");
        let (first, receipt) = pass(&bench, &[&record]);
        first.settle(outcome);
        assert_eq!(receipt.await.outcomes(), [outcome]);
        let (copy, receipt) = pass(&bench, &[&record]);
        assert!(copy.is_empty());
        assert_eq!(receipt.await.outcomes(), [Outcome::Filtered]);
    }
}

#[tokio::test]
async fn an_event_that_was_not_delivered_is_no_copy_of_itself() {
    let bench = Bench::new::<Config>(BY_ID);
    for _ in 0..3 {
        let (first, receipt) = pass(&bench, &["{\"id\":1}"]);
        assert_eq!(first.len(), 1);
        // Dropped without a word, as by a component that ends.
        drop(first);
        assert_eq!(receipt.await.outcomes(), [Outcome::Errored]);
    }
}

#[tokio::test]
async fn a_copy_waits_for_the_first_and_shares_its_fate() {
    let bench = Bench::new::<Config>(BY_ID);
    for (outcome, shared) in
        [(Outcome::Errored, Outcome::Errored), (Outcome::Delivered, Outcome::Filtered)]
    {
        let (first, mut own) = pass(&bench, &["{\"id\":1}"]);
        let (copy, mut others) = pass(&bench, &["{\"id\":1}"]);
        assert!(copy.is_empty());
        assert_eq!((fate(&mut own), fate(&mut others)), (None, None));
        first.settle(outcome);
        assert_eq!((fate(&mut own), fate(&mut others)), (Some(outcome), Some(shared)));
    }
}

#[tokio::test]
async fn a_copy_in_the_same_batch_is_one_too() {
    let bench = Bench::new::<Config>(BY_ID);
    let (batch, receipt) = pass(&bench, &["{\"id\":1}", "{\"id\":1}", "{\"id\":2}"]);
    assert_eq!(batch.len(), 2);
    batch.settle(Outcome::Delivered);
    let fates = receipt.await;
    assert_eq!(fates.outcomes(), [Outcome::Delivered, Outcome::Filtered, Outcome::Delivered]);
}

#[tokio::test]
async fn what_counts_is_the_worst_of_all_copies_that_are_made_later() {
    let bench = Bench::new::<Config>(BY_ID);
    let (first, receipt) = pass(&bench, &["{\"id\":1}"]);
    let second_sink = first.clone();
    first.settle(Outcome::Delivered);
    second_sink.settle(Outcome::Errored);
    assert_eq!(receipt.await.outcomes(), [Outcome::Errored]);
    assert_eq!(pass(&bench, &["{\"id\":1}"]).0.len(), 1, "one sink has not got it");
}

#[tokio::test]
async fn an_event_that_is_forgotten_on_its_way_still_answers_for_its_copies() {
    let bench = Bench::new::<Config>(&format!("{BY_ID}\ncache.num_events = 1"));
    let (first, _own) = pass(&bench, &["{\"id\":1}"]);
    let (_, mut copy) = pass(&bench, &["{\"id\":1}"]);
    let (other, _others) = pass(&bench, &["{\"id\":2}"]);
    assert_eq!(fate(&mut copy), None);
    first.settle(Outcome::Delivered);
    assert_eq!(fate(&mut copy), Some(Outcome::Filtered));
    other.settle(Outcome::Delivered);
    assert!(pass(&bench, &["{\"id\":2}"]).0.is_empty());
    assert_eq!(pass(&bench, &["{\"id\":1}"]).0.len(), 1, "one is remembered, not two");
}

#[tokio::test(start_paused = true)]
async fn an_event_is_remembered_for_as_long_as_told() {
    let bench = Bench::new::<Config>(&format!("{BY_ID}\ncache.max_age = '1m'"));
    pass(&bench, &["{\"id\":1}"]).0.settle(Outcome::Delivered);
    advance(Duration::from_secs(59)).await;
    assert!(pass(&bench, &["{\"id\":1}"]).0.is_empty());
    advance(Duration::from_secs(1)).await;
    assert_eq!(pass(&bench, &["{\"id\":1}"]).0.len(), 1);
}

#[tokio::test]
async fn what_is_compared_is_what_was_asked_for() {
    let passing = async |toml: &str| {
        let records = [
            "{\"id\":1,\"at\":1,\"a\":{\"b\":1}}",
            "{\"id\":1,\"at\":2,\"a\":{\"b\":1}}",
            "{\"id\":\"1\",\"at\":1,\"a\":{\"b\":2}}",
            "{\"at\":3}",
            "{\"at\":3,\"id\":null}",
        ];
        Bench::new::<Config>(toml).show(&records).await
    };
    expect![[r#"
        > { "a": { "b": 1 }, "at": 1, "id": 1 }
        > { "a": { "b": 2 }, "at": 1, "id": "1" }
        > { "at": 3 }
        > { "at": 3, "id": null }
        DFDDD"#]]
    .assert_eq(&passing(BY_ID).await);
    expect![[r#"
        > { "a": { "b": 1 }, "at": 1, "id": 1 }
        > { "a": { "b": 1 }, "at": 2, "id": 1 }
        > { "a": { "b": 2 }, "at": 1, "id": "1" }
        > { "at": 3 }
        > { "at": 3, "id": null }
        DDDDD"#]]
    .assert_eq(&passing("fields.match = ['id', 'at']").await);
    expect![[r#"
        > { "a": { "b": 1 }, "at": 1, "id": 1 }
        > { "a": { "b": 2 }, "at": 1, "id": "1" }
        > { "at": 3 }
        > { "at": 3, "id": null }
        DFDDD"#]]
    .assert_eq(&passing("fields.ignore = ['at']").await);
    expect![[r#"
        > { "a": { "b": 1 }, "at": 1, "id": 1 }
        > { "a": { "b": 1 }, "at": 2, "id": 1 }
        > { "at": 3 }
        DDFDF"#]]
    .assert_eq(&passing("fields.ignore = ['id', 'a.b']").await);
}

#[test]
fn mistakes_are_problems_at_their_options() {
    expect!["fields: it is not said what makes a copy"]
        .assert_eq(&problems::<Config>("fields = {}"));
    expect!["fields: there is both `match` and `ignore`"]
        .assert_eq(&problems::<Config>("fields = { match = ['a'], ignore = ['b'] }"));
    expect!["fields.match: without a field every event is a copy"]
        .assert_eq(&problems::<Config>("fields = { match = [] }"));
    assert!(toml::from_str::<Config>(&format!("{BY_ID}\ncache.num_events = 0")).is_err());
}

proptest! {
    /// A source that sends an event again until it has arrived, with a sink that fails as it pleases.
    #[test]
    fn every_event_arrives_once_if_it_is_sent_until_it_has(
        ids in prop::collection::vec(0..5_u8, 1..30),
        fails in prop::collection::vec(any::<bool>(), 60),
        num_events in 1..8_usize,
    ) {
        let toml = format!("{BY_ID}\ncache.num_events = {num_events}");
        let bench = Bench::new::<Config>(&toml);
        let (mut delivered, mut fails) = (Vec::new(), fails.into_iter());
        for chunk in ids.chunks(3) {
            let mut waiting = chunk.to_vec();
            while !waiting.is_empty() {
                let records: Vec<String> =
                    waiting.iter().map(|id| format!("{{\"id\":{id}}}")).collect();
                let records: Vec<&str> = records.iter().map(String::as_str).collect();
                let (batch, receipt) = pass(&bench, &records);
                for event in batch {
                    let failed = fails.next().unwrap_or(false);
                    if !failed {
                        delivered.push(event.value().to_string());
                    }
                    event.settle(if failed { Outcome::Errored } else { Outcome::Delivered });
                }
                let fates = receipt.now_or_never().expect("all is settled");
                let left = waiting.iter().zip(fates.outcomes());
                waiting = left.filter(|(_, fate)| **fate == Outcome::Errored).map(|(id, _)| *id).collect();
            }
        }
        let count = |id: u8| {
            let text = format!("{{ \"id\": {id} }}");
            delivered.iter().filter(|it| **it == text).count()
        };
        for id in 0..5 {
            let sent = ids.contains(&id);
            prop_assert_eq!(count(id) > 0, sent);
            prop_assert!(num_events < 5 || count(id) <= 1, "all five are remembered");
        }
    }
}
