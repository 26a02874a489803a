//! What does a tap cost the pipeline: while nobody watches, while samples are kept, and while somebody watches?

use std::{sync::Arc, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use o365flow::{
    live::{ComponentDescription, Description, Live, OutputDescription, taps::WatchRequest},
    program::{Place, Runner, compile},
};
use pipeline_core::{
    Batch, ComponentKind, Event, EventAck, Origin, Outcome, Outputs, Schema, Transform,
    testing::ManualClock,
};
use vrl::value::{ObjectMap, Value};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const EVENTS: u64 = 500;

/// A small mapping.
struct Mapping(Runner);

impl Transform for Mapping {
    fn transform(&mut self, batch: Batch, outputs: &mut Outputs) {
        for mut event in batch {
            self.0.run(&mut event).expect("it never fails");
            outputs.push(0, event);
        }
    }
}

fn batch() -> Batch {
    let origin = Origin::new("bench", Value::Object(ObjectMap::new()));
    let event = |number: u64| {
        let text = format!(r#"{{"Id":"{number}","Operation":"Send","Workload":"Exchange"}}"#);
        let value = serde_json::from_str(&text).expect("a record is JSON");
        Event::new(value, text.len(), Arc::clone(&origin), EventAck::unattended())
    };
    Batch::from((0..EVENTS).map(event).collect::<Vec<_>>())
}

fn live() -> Live {
    let live = Live::new().0;
    let output = OutputDescription { port: String::new(), kinds: String::new() };
    let map = ComponentDescription {
        id: "map".into(),
        kind: ComponentKind::Transform,
        component_type: "remap".to_owned(),
        inputs: vec![],
        outputs: vec![output],
        program: None,
    };
    live.describe(Description { generation: 1, components: vec![map] });
    live
}

fn tap(criterion: &mut Criterion) {
    let program = compile(".a = downcase(string!(.Operation))", &Place::Inline, &Schema::any());
    let program = Arc::new(program.expect("it compiles"));
    let mut mapping = Mapping(Runner::new(program, Duration::from_secs(1)));
    let live = live();
    let tap = live.taps().of(&"map".into()).of_transform();
    let ports = [String::new()];
    let mut group = criterion.benchmark_group("tap");
    group.throughput(Throughput::Elements(EVENTS));
    let settle = |outputs: Outputs| {
        outputs.into_batches().into_iter().for_each(|batch| batch.settle(Outcome::Delivered));
    };
    group.bench_function("none", |bencher| {
        let pass = |batch| {
            let mut outputs = Outputs::new(1);
            mapping.transform(batch, &mut outputs);
            settle(outputs);
        };
        bencher.iter_batched(batch, pass, BatchSize::SmallInput);
    });
    let watched = |condition: &str| {
        let request = WatchRequest {
            component: "map".to_owned(),
            port: None,
            side: None,
            condition: Some(condition.to_owned()),
            rate: 10.0,
        };
        let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
        live.watch(&request, clock).expect("it can be watched")
    };
    for (name, condition) in [
        ("nobody watches", None),
        ("somebody watches", Some("")),
        ("somebody watches by a condition", Some(".Id == \"x\"")),
    ] {
        let watch = condition.map(watched);
        group.bench_function(name, |bencher| {
            let pass = |batch| settle(tap.pass(&mut mapping, batch, &ports));
            bencher.iter_batched(batch, pass, BatchSize::SmallInput);
        });
        drop(watch);
    }
    group.finish();
}

criterion_group!(benches, tap);
criterion_main!(benches);
