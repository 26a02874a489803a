//! Arguments in, exit code out.

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use o365flow::cli::{self, Arguments};
use pipeline_core::{Clock, Timestamp};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The machine's clock. All other code is told the time.
#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        chrono::Utc::now()
    }
}

fn main() -> ExitCode {
    cli::run(Arguments::parse(), Arc::new(SystemClock))
}
