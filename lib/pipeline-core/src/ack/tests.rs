use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::{Batch, Event, testing};

/// The outcome of one event whose acknowledgement `hold` deals with.
fn fate(hold: impl FnOnce(EventAck)) -> Outcome {
    let (group, receipt) = AckGroup::new(1);
    hold(group.ack(0));
    drop(group);
    receipt.now_or_never().expect("all shares are gone").outcomes()[0]
}

#[test]
fn a_word_is_passed_on() {
    for outcome in Outcome::ALL {
        assert_eq!(fate(|ack| ack.settle(outcome)), outcome);
    }
}

#[test]
fn silence_means_not_delivered() {
    assert_eq!(fate(drop), Outcome::Errored);
}

#[test]
fn a_holder_that_panics_has_not_delivered() {
    let outcome = fate(|ack| {
        let held = catch_unwind(AssertUnwindSafe(move || {
            let _held = ack;
            panic!("the holder fails");
        }));
        assert!(held.is_err());
    });
    assert_eq!(outcome, Outcome::Errored);
}

#[test]
fn of_two_copies_the_worse_counts() {
    for first in Outcome::ALL {
        for second in Outcome::ALL {
            let outcome = fate(|ack| {
                ack.clone().settle(first);
                ack.settle(second);
            });
            assert_eq!(outcome, first.max(second));
        }
    }
}

#[test]
fn an_observer_learns_the_worst_before_the_source_does() {
    for first in Outcome::ALL {
        for second in Outcome::ALL {
            let seen = Arc::new(AtomicU8::new(0));
            let (group, mut receipt) = AckGroup::new(1);
            let told = Arc::clone(&seen);
            let ack = group.ack(0).observed(move |outcome| {
                told.fetch_add(outcome as u8, Ordering::SeqCst);
            });
            drop(group);
            let copy = ack.clone();
            ack.settle(first);
            assert_eq!((&mut receipt).now_or_never(), None);
            assert_eq!(seen.load(Ordering::SeqCst), 0);
            copy.settle(second);
            assert_eq!(seen.load(Ordering::SeqCst), first.max(second) as u8, "it is told once");
            let fates = receipt.now_or_never().expect("all shares are gone");
            assert_eq!(fates.outcomes(), [first.max(second)]);
        }
    }
}

#[test]
fn an_observed_share_that_is_dropped_has_not_delivered() {
    let (told, heard) = std::sync::mpsc::channel();
    let outcome = fate(|ack| drop(ack.observed(move |outcome| told.send(outcome).expect("heard"))));
    assert_eq!((outcome, heard.recv()), (Outcome::Errored, Ok(Outcome::Errored)));
}

#[test]
fn what_an_observer_learns_is_one_of_several_words_on_the_event() {
    let outcome = fate(|ack| {
        ack.clone().settle(Outcome::Errored);
        ack.observed(|outcome| assert_eq!(outcome, Outcome::Delivered)).settle(Outcome::Delivered);
    });
    assert_eq!(outcome, Outcome::Errored);
}

#[test]
fn an_event_never_handed_out_has_not_arrived() {
    let (group, receipt) = AckGroup::new(2);
    group.ack(1).settle(Outcome::Delivered);
    drop(group);
    let fates = receipt.now_or_never().expect("all shares are gone");
    assert_eq!(fates.outcomes(), [Outcome::Errored, Outcome::Delivered]);
    assert!(!fates.is_settled());
}

#[test]
fn the_receipt_waits_for_the_last_share() {
    let (group, mut receipt) = AckGroup::new(1);
    let (first, second) = (group.ack(0), group.ack(0));
    drop(group);
    first.settle(Outcome::Delivered);
    assert!((&mut receipt).now_or_never().is_none());
    second.settle(Outcome::Delivered);
    assert!(receipt.now_or_never().is_some_and(|fates| fates.is_settled()));
}

#[test]
fn an_empty_group_is_done_at_once() {
    let (group, receipt) = AckGroup::new(0);
    drop(group);
    assert!(receipt.now_or_never().is_some_and(|fates| fates.is_settled()));
}

#[test]
fn the_parts_of_a_split_event_speak_for_it_together() {
    let (batch, receipt) = testing::batch(&[r#"{"a":[1,2]}"#]);
    let event = batch.into_events().remove(0);
    let mut parts = event.split(vec![1.into(), 2.into()]).into_iter();
    parts.next().expect("two parts").settle(Outcome::Delivered);
    parts.next().expect("two parts").settle(Outcome::Rejected);
    assert_eq!(receipt.now_or_never().expect("both are settled").outcomes(), [Outcome::Rejected]);
}

#[test]
fn an_event_split_into_nothing_was_filtered() {
    let (batch, receipt) = testing::batch(&["{}"]);
    assert!(batch.into_events().remove(0).split(Vec::new()).is_empty());
    assert_eq!(receipt.now_or_never().expect("it is settled").outcomes(), [Outcome::Filtered]);
}

#[test]
fn events_of_several_groups_can_travel_in_one_batch() {
    let (first, first_receipt) = testing::batch(&["{}", "{}"]);
    let (second, second_receipt) = testing::batch(&["{}"]);
    let merged: Vec<Event> = first.into_iter().chain(second).collect();
    Batch::from(merged).settle(Outcome::Delivered);
    assert_eq!(first_receipt.now_or_never().map(|fates| fates.count(Outcome::Delivered)), Some(2));
    assert_eq!(second_receipt.now_or_never().map(|fates| fates.count(Outcome::Delivered)), Some(1));
}

/// What a random component does with an event that reaches it.
#[derive(Clone, Debug)]
enum Step {
    /// Hands copies to the components behind it (fan-out); at a leaf, settles.
    Forward,
    /// Splits it in two first.
    Split,
    Say(Outcome),
    Forget,
    Panic,
}

/// A random DAG: component `i` feeds the components in `edges[i]`, all of a greater number.
#[derive(Clone, Debug)]
struct Dag {
    steps: Vec<Step>,
    edges: Vec<Vec<usize>>,
}

fn dag() -> impl Strategy<Value = Dag> {
    let step = prop_oneof![
        4 => Just(Step::Forward),
        1 => Just(Step::Split),
        1 => prop::sample::select(Outcome::ALL.to_vec()).prop_map(Step::Say),
        1 => Just(Step::Forget),
        1 => Just(Step::Panic),
    ];
    (1_usize..8).prop_flat_map(move |count| {
        let edges: Vec<_> = (0..count)
            .map(|from| {
                prop::sample::subsequence(
                    (from + 1..count).collect::<Vec<_>>(),
                    0..=(count - from - 1).min(3),
                )
            })
            .collect();
        (prop::collection::vec(step.clone(), count), edges)
            .prop_map(|(steps, edges)| Dag { steps, edges })
    })
}

/// Sends an event through the DAG and returns the worst outcome that its copies met, by following the rules alone.
fn walk(dag: &Dag, node: usize, event: Event) -> Outcome {
    let readers = &dag.edges[node];
    match &dag.steps[node] {
        Step::Say(outcome) => {
            event.settle(*outcome);
            *outcome
        }
        Step::Forget => {
            drop(event);
            Outcome::Errored
        }
        Step::Panic => {
            let held = catch_unwind(AssertUnwindSafe(move || {
                let _held = event;
                std::panic::resume_unwind(Box::new("a component fails"));
            }));
            assert!(held.is_err());
            Outcome::Errored
        }
        Step::Forward | Step::Split if readers.is_empty() => {
            event.settle(Outcome::Delivered);
            Outcome::Delivered
        }
        Step::Forward => {
            let (&last, others) = readers.split_last().expect("there are readers");
            let worst = others.iter().map(|&reader| walk(dag, reader, event.clone())).max();
            worst.max(Some(walk(dag, last, event))).expect("the last reader said something")
        }
        Step::Split => {
            let parts = event.split(vec![1.into(), 2.into()]);
            parts.into_iter().map(|part| walk(dag, readers[0], part)).max().expect("two parts")
        }
    }
}

proptest! {
    #[test]
    fn any_dag_accounts_for_every_event_exactly_once(dag in dag(), events in 1_usize..20) {
        let (batch, receipt) = testing::batch(&vec!["{}"; events]);
        let expected: Vec<Outcome> = batch.into_events().into_iter().map(|event| walk(&dag, 0, event)).collect();
        let fates = receipt.now_or_never().expect("nothing holds an event any more");
        prop_assert_eq!(fates.outcomes(), &expected[..]);
        let counted: usize = Outcome::ALL.iter().map(|&outcome| fates.count(outcome)).sum();
        prop_assert_eq!(counted, events);
    }
}
