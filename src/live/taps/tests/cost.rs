//! What a tap costs while nobody watches: nothing that can be told from no tap at all.

use std::{hint::black_box, sync::Arc, time::Duration};

use nix::sys::resource::{UsageWho, getrusage};
use pipeline_core::{Batch, Event, EventAck, Origin, Outcome, Outputs, Transform};
use vrl::{
    path::OwnedValuePath,
    value::{ObjectMap, Value},
};

use crate::live::taps::Taps;

const EVENTS: usize = 200;
const ROUNDS: usize = 80;
const BATCHES: usize = 10;

/// The least that a transform does: it looks at each event and lets it go on.
struct Passing;

impl Transform for Passing {
    fn transform(&mut self, batch: Batch, outputs: &mut Outputs) {
        let mapped = OwnedValuePath::single_field("mapped");
        for mut event in batch {
            let mut value = event.take_value();
            value.insert(&mapped, true);
            for event in event.split(vec![value]) {
                outputs.push(0, event);
            }
        }
    }
}

fn batches() -> Vec<Batch> {
    let origin = Origin::new("test", Value::Object(ObjectMap::new()));
    let event = |number: usize| {
        let value = serde_json::from_str(&format!(r#"{{"Id":"{number}","Operation":"Send"}}"#));
        let value = value.expect("a record is JSON");
        Event::new(value, 300, Arc::clone(&origin), EventAck::unattended())
    };
    (0..BATCHES).map(|_| Batch::from((0..EVENTS).map(event).collect::<Vec<_>>())).collect()
}

/// The time that this thread has worked so far. Of a machine that others use too, no other time says anything.
fn worked() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("a thread knows what it used");
    let time = |time: nix::sys::time::TimeVal| {
        let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
        Duration::from_micros(micros.try_into().expect("time goes on"))
    };
    time(usage.user_time()) + time(usage.system_time())
}

fn time(pass: &mut dyn FnMut(Batch) -> Outputs) -> Duration {
    let batches = batches();
    let start = worked();
    let left: Vec<Outputs> = batches.into_iter().map(|batch| black_box(pass(batch))).collect();
    let took = worked().saturating_sub(start);
    for batch in left.into_iter().flat_map(Outputs::into_batches) {
        batch.settle(Outcome::Delivered);
    }
    took
}

#[test]
fn a_tap_that_nobody_watches_costs_less_than_two_percent() {
    let taps = Taps::default();
    let tap = taps.of(&"map".into()).of_transform();
    let ports = [String::new()];
    let (mut plain, mut tapped) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.push(time(&mut |batch| {
            let mut outputs = Outputs::new(1);
            Passing.transform(batch, &mut outputs);
            outputs
        }));
        tapped.push(time(&mut |batch| tap.pass(&mut Passing, batch, &ports)));
    }
    // The quickest round of each is the one that nothing has disturbed.
    let (plain, tapped) = (plain.iter().min(), tapped.iter().min());
    let (plain, tapped) = (plain.expect("rounds"), tapped.expect("rounds"));
    let limit = plain.mul_f64(1.02) + Duration::from_micros(2);
    assert!(*tapped <= limit, "{tapped:?} with a tap, {plain:?} without");
}
