//! What does it cost to make an event of a record's bytes?

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pipeline_core::Record;
use std::hint::black_box;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Six records of the common shapes, some 1.2 KB each.
const RECORDS: &str = include_str!("records.ndjson");

fn parse(criterion: &mut Criterion) {
    let records: Vec<&[u8]> = RECORDS.lines().map(str::as_bytes).collect();
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("read", |bencher| {
        bencher.iter(|| {
            for record in &records {
                black_box(Record::read(black_box(record)).expect("a JSON object"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
