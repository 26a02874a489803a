//! What does each program that comes with the binary cost on an event, and what do reading and writing it?
//!
//! The events are made and freed outside of what is measured, but for the first row: that reads the records and writes
//! them as they are, for the other rows to be compared with. With `RECORDS=FILE` the records are those of a file.

#[path = "programs/mod.rs"]
mod programs;

use std::{fs, hint::black_box, sync::Arc, time::Duration};

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
    let text = std::env::var_os("RECORDS")
        .map_or_else(|| RECORDS.to_owned(), |path| fs::read_to_string(path).expect("records"));
    let records: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let mut group = criterion.benchmark_group("remap");
    group.throughput(Throughput::Elements(records.len() as u64));
    let mut out = Vec::new();
    group.bench_function("reading and writing", |bencher| {
        bencher.iter(|| {
            out.clear();
            let events = events(&records);
            for event in &events {
                black_box(event).write_json(&mut out);
            }
            events
        });
    });
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
