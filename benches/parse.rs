//! What does it cost to make an event of a record's bytes?

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use vrl::value::Value;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Six records of the common shapes, some 1.2 KB each.
const RECORDS: &str = include_str!("records.ndjson");

fn parse(criterion: &mut Criterion) {
    let records: Vec<&[u8]> = RECORDS.lines().map(str::as_bytes).collect();
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("check UTF-8, then read", |bencher| {
        bencher.iter(|| {
            for record in &records {
                let text = simdutf8::basic::from_utf8(black_box(record)).expect("UTF-8");
                black_box(serde_json::from_str::<Value>(text).expect("JSON"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
