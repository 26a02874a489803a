//! What does each program that comes with the binary cost on an event?
//!
//! The events are made and freed outside of what is measured.

#[path = "programs/mod.rs"]
mod programs;

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use o365flow::program::{Place, Program, Runner, compile};
use pipeline_core::{Event, Schema};

use programs::{RECORDS, events, program};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn programs() -> Vec<(&'static str, Program)> {
    let nothing = compile("true", &Place::Inline, &Schema::any()).expect("it compiles");
    vec![
        ("nothing", nothing),
        ("o365beat", program("vrl/o365beat.vrl", &[])),
        ("flatten", program("vrl/flatten.vrl", &[])),
        ("ecs", program("vrl/ecs.vrl", &[])),
        ("ecs, mode = rename", program("vrl/ecs.vrl", &[("mode", "rename")])),
        ("ocsf", program("vrl/ocsf.vrl", &[])),
        ("redact, mask", program("vrl/redact.vrl", &[])),
        ("redact, hash", program("vrl/redact.vrl", &[("redact", "hash"), ("redact_key", "k")])),
    ]
}

fn remap(criterion: &mut Criterion) {
    let records: Vec<&str> = RECORDS.lines().collect();
    let mut group = criterion.benchmark_group("remap");
    group.throughput(Throughput::Elements(records.len() as u64));
    for (name, program) in programs() {
        let mut runner = Runner::new(Arc::new(program), Duration::from_secs(1));
        group.bench_function(name, |bencher| {
            let run = |mut events: Vec<Event>| {
                for event in &mut events {
                    black_box(runner.run(event)).expect("it never fails");
                }
                events
            };
            bencher.iter_batched(|| events(&records), run, BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, remap);
criterion_main!(benches);
