//! What does it cost to write a mapped event as JSON?

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use o365flow::program::{Place, Runner, builtin, compile};
use pipeline_core::{Event, EventAck, Origin, Schema};
use vrl::value::{ObjectMap, Value};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Six records of the common shapes, some 1.2 KB each.
const RECORDS: &str = include_str!("records.ndjson");

fn mapped() -> Vec<Event> {
    let source = builtin("vrl/o365beat.vrl".as_ref()).expect("a built-in program");
    let program = compile(source, &Place::Inline, &Schema::any()).expect("it compiles");
    let mut runner = Runner::new(Arc::new(program), Duration::from_secs(1));
    let origin = Origin::new("bench", Value::Object(ObjectMap::new()));
    let event = |record: &str| {
        let value = serde_json::from_str(record).expect("JSON");
        let mut event =
            Event::new(value, record.len(), Arc::clone(&origin), EventAck::unattended());
        runner.run(&mut event).expect("it never fails");
        event
    };
    RECORDS.lines().map(event).collect()
}

fn encode(criterion: &mut Criterion) {
    let events = mapped();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(events.len() as u64));
    let mut out = Vec::new();
    group.bench_function("o365beat", |bencher| {
        bencher.iter(|| {
            out.clear();
            for event in &events {
                black_box(event).write_json(&mut out);
            }
            black_box(out.len())
        });
    });
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
