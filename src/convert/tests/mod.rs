//! What a conversion writes, and what its programs make of records.

mod programs;
mod settings;

use super::{Converted, convert};

const SINKS: [&str; 6] = ["blackhole", "console", "elasticsearch", "file", "kafka", "lumberjack"];

fn converted(text: &str) -> Converted {
    convert(text, &SINKS).expect("it is YAML")
}
