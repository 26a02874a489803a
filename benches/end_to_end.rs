//! How many events pass the whole chain for a second of CPU time, and in how much memory?
//!
//! A fake tenant in a process of its own serves its history; `o365flow run --once` fetches it, maps it with
//! `o365beat.vrl` and drops it into a blackhole.
//!
//! `cargo bench --bench end_to_end` runs all scenarios, `cargo bench --bench end_to_end -- large` those whose names
//! contain `large`.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

mod whole_chain;

use whole_chain::{Failure, History, measure};

/// A history to fetch.
struct Scenario {
    name: &'static str,
    what: &'static str,
    history: History,
}

const SCENARIOS: [Scenario; 3] = [
    Scenario {
        name: "usual",
        what: "blobs of 500 records",
        history: History { blobs_per_hour: "1", records_per_blob: 500 },
    },
    Scenario {
        name: "small",
        what: "blobs of 20 records",
        history: History { blobs_per_hour: "10", records_per_blob: 20 },
    },
    Scenario {
        name: "large",
        what: "blobs of 100,000 records",
        history: History { blobs_per_hour: "0.005", records_per_blob: 100_000 },
    },
];

fn main() -> Result<(), Failure> {
    // Cargo adds `--bench`; what is left chooses scenarios.
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for scenario in SCENARIOS {
        if wanted.is_empty() || wanted.iter().any(|name| scenario.name.contains(name.as_str())) {
            let figures = measure(scenario.history, "type = \"blackhole\"")?;
            println!("{:<6} {:<26} {}", scenario.name, scenario.what, figures.row());
        }
    }
    Ok(())
}
