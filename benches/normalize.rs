//! What does it cost to make a record normal, beside what it costs to copy it?
//!
//! `RECORDS=FILE` measures with the records of that NDJSON file instead. The events are made and freed outside of what
//! is measured.

#[expect(dead_code, reason = "other benches use the rest")]
#[path = "programs/mod.rs"]
mod programs;

use std::{env, fs, hint::black_box, sync::Arc, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use o365flow::program::{Place, Runner, compile};
use pipeline_core::{Event, Schema};

use programs::{RECORDS, events};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn normalize(criterion: &mut Criterion) {
    let records = env::var_os("RECORDS").map_or_else(
        || RECORDS.to_owned(),
        |file| fs::read_to_string(file).expect("the file can be read"),
    );
    let records: Vec<&str> = records.lines().collect();
    let mut group = criterion.benchmark_group("normalize");
    group.throughput(Throughput::Elements(records.len() as u64));
    let programs = [
        ("replace", ". = {}"),
        ("move", ". = { \"o365\": { \"audit\": del(.) } }"),
        ("copy", ". = { \"o365\": { \"audit\": . } }"),
        ("normalize", ". = { \"o365\": { \"audit\": normalize_record(del(.)) } }"),
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
            bencher.iter_batched(|| events(&records), run, BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, normalize);
criterion_main!(benches);
