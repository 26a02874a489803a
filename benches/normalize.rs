//! What does it cost to make a record normal, beside what it costs to copy it?
//!
//! `RECORDS=FILE` measures with the records of that NDJSON file instead. The events are made and freed outside of what
//! is measured.

use std::{env, fs, hint::black_box, sync::Arc, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use o365flow::program::{Place, Runner, compile};
use pipeline_core::{Event, EventAck, Origin, Schema};
use vrl::value::{ObjectMap, Value};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Six records of the common shapes, some 1.2 KB each.
const RECORDS: &str = include_str!("records.ndjson");

fn normalize(criterion: &mut Criterion) {
    let records = env::var_os("RECORDS").map_or_else(
        || RECORDS.to_owned(),
        |file| fs::read_to_string(file).expect("the file can be read"),
    );
    let origin = Origin::new("bench", Value::Object(ObjectMap::new()));
    let events = || -> Vec<Event> {
        let event = |record: &str| {
            let value = serde_json::from_str(record).expect("JSON");
            Event::new(value, record.len(), Arc::clone(&origin), EventAck::unattended())
        };
        records.lines().map(event).collect()
    };
    let mut group = criterion.benchmark_group("normalize");
    group.throughput(Throughput::Elements(records.lines().count() as u64));
    let programs = [
        ("replace", ". = {}"),
        ("copy", ". = { \"o365\": { \"audit\": . } }"),
        ("normalize", ". = { \"o365\": { \"audit\": normalize_record(.) } }"),
    ];
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

criterion_group!(benches, normalize);
criterion_main!(benches);
