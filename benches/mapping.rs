//! What does a program cost beside reading and writing the same records, and what does it cost to compile?
//!
//! With `RECORDS=FILE` the records are those of a file of NDJSON. Reading and writing are what the source and a sink do
//! with a record that nothing maps; beside it stands what `serde_json` takes to read the same record into a value and to
//! write it and the mapped event. All are timed in turn, batch by batch, so that a busy
//! machine slows all, and the best turn counts.

#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

#[path = "programs/mod.rs"]
mod programs;

use std::{fs, hint::black_box, sync::Arc, time::Duration};

use o365flow::program::Runner;
use pipeline_core::Event;
use tokio::time::Instant;
use vrl::value::Value;

use programs::{RECORDS, events, program};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Turns of which the best counts.
const TURNS: usize = 200;

/// Records that are read, mapped and written before the next, about as many as the source sends together.
const BATCH: usize = 64;

/// Name, program and settings.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const CASES: &[Case] = &[
    ("ecs", "vrl/ecs.vrl", &[]),
    ("ecs, mode = rename", "vrl/ecs.vrl", &[("mode", "rename")]),
    ("ecs, mode = ecs_only", "vrl/ecs.vrl", &[("mode", "ecs_only")]),
    ("ocsf", "vrl/ocsf.vrl", &[]),
    ("redact", "vrl/redact.vrl", &[]),
    ("flatten", "vrl/flatten.vrl", &[]),
    ("o365beat", "vrl/o365beat.vrl", &[]),
];

/// What one turn took.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    read_and_write: Duration,
    map: Duration,
    /// Reading the records and writing them by `serde_json` alone.
    plain: Duration,
    /// Writing the mapped events by `serde_json` alone.
    plain_mapped: Duration,
}

impl Turn {
    fn add(self, other: Turn) -> Turn {
        Turn {
            read_and_write: self.read_and_write + other.read_and_write,
            map: self.map + other.map,
            plain: self.plain + other.plain,
            plain_mapped: self.plain_mapped + other.plain_mapped,
        }
    }

    fn best(self, other: Turn) -> Turn {
        Turn {
            read_and_write: self.read_and_write.min(other.read_and_write),
            map: self.map.min(other.map),
            plain: self.plain.min(other.plain),
            plain_mapped: self.plain_mapped.min(other.plain_mapped),
        }
    }
}

fn turn(records: &[&str], runner: &mut Runner, out: &mut Vec<u8>) -> Turn {
    let batches = records.chunks(BATCH).map(|records| batch(records, runner, out));
    batches.fold(Turn::default(), Turn::add)
}

fn batch(records: &[&str], runner: &mut Runner, out: &mut Vec<u8>) -> Turn {
    let start = Instant::now();
    let mut events: Vec<Event> = events(records);
    out.clear();
    for event in &events {
        black_box(event).write_json(out);
    }
    let before = Instant::now();
    for event in &mut events {
        black_box(runner.run(event)).expect("it never fails");
    }
    let after = Instant::now();
    out.clear();
    for event in &events {
        serde_json::to_writer(&mut *out, event.value()).expect("JSON");
    }
    let plain_mapped = after.elapsed();
    drop(events);
    Turn {
        read_and_write: before - start,
        map: after - before,
        plain: plain(records, out),
        plain_mapped,
    }
}

/// What reading and writing takes by `serde_json` alone.
fn plain(records: &[&str], out: &mut Vec<u8>) -> Duration {
    let start = Instant::now();
    let read = |record: &&str| serde_json::from_slice(record.as_bytes()).expect("JSON");
    let values: Vec<Value> = records.iter().map(read).collect();
    out.clear();
    for value in &values {
        serde_json::to_writer(&mut *out, black_box(value)).expect("JSON");
    }
    start.elapsed()
}

fn main() {
    let text = std::env::var_os("RECORDS")
        .map_or_else(|| RECORDS.to_owned(), |path| fs::read_to_string(path).expect("records"));
    let records: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let chosen = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    println!(
        "us a record: program, reading and writing, by serde_json alone, writing the mapped event by serde_json, mapping, \
         ratio to each reading and writing; ms to compile"
    );
    let cases =
        CASES.iter().filter(|case| chosen.as_ref().is_none_or(|chosen| case.0.contains(chosen)));
    for (name, path, settings) in cases {
        let start = Instant::now();
        let program = program(path, settings);
        let compiled = start.elapsed().as_secs_f64() * 1e3;
        let mut runner = Runner::new(Arc::new(program), Duration::from_secs(1));
        let mut out = Vec::new();
        let mut best = turn(&records, &mut runner, &mut out);
        for _ in 0..TURNS {
            best = best.best(turn(&records, &mut runner, &mut out));
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody has so many records")]
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / records.len() as f64;
        let (both, map) = (micros(best.read_and_write), micros(best.map));
        let (plain, plain_mapped) = (micros(best.plain), micros(best.plain_mapped));
        println!(
            "{name:24} {both:6.1} {plain:6.1} {plain_mapped:6.1} {map:6.1} {:6.2} {:6.2} {compiled:8.0}",
            map / both,
            map / plain
        );
    }
}
