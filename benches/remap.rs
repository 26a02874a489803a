//! What does each program that comes with the binary cost on an event?
//!
//! The events are made and freed outside of what is measured.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use o365flow::program::{Place, Runner, builtin, compile};
use pipeline_core::{Event, EventAck, Origin, Schema};
use vrl::value::{ObjectMap, Value};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Six records of the common shapes, some 1.2 KB each.
const RECORDS: &str = include_str!("records.ndjson");

fn events() -> Vec<Event> {
    let origin = Origin::new("bench", Value::Object(ObjectMap::new()));
    let event = |record: &str| {
        let value = serde_json::from_str(record).expect("JSON");
        Event::new(value, record.len(), Arc::clone(&origin), EventAck::unattended())
    };
    RECORDS.lines().map(event).collect()
}

fn remap(criterion: &mut Criterion) {
    let programs = [
        ("nothing", "true"),
        ("o365beat", builtin("vrl/o365beat.vrl".as_ref()).expect("a built-in program")),
        ("flatten", builtin("vrl/flatten.vrl".as_ref()).expect("a built-in program")),
    ];
    let mut group = criterion.benchmark_group("remap");
    group.throughput(Throughput::Elements(RECORDS.lines().count() as u64));
    for (name, source) in programs {
        let program = compile(source, &Place::Inline, &Schema::any()).expect("it compiles");
        let mut runner = Runner::new(Arc::new(program), Duration::from_secs(1));
        group.bench_function(name, |bencher| {
            let run = |mut events: Vec<Event>| {
                for event in &mut events {
                    black_box(runner.run(event)).expect("it never fails");
                }
                events
            };
            bencher.iter_batched(events, run, BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, remap);
criterion_main!(benches);
