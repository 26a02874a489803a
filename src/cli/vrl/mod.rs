//! `o365flow vrl`: what does a program make of records?

mod map;
mod profile;
mod prompt;

use std::path::PathBuf;

use clap::Args;

use super::{
    Failure,
    candidate::{Candidate, Observe},
};

/// Try VRL programs on records.
///
/// With FILE, or with a configuration, every record of `--input` goes through that program, and what it makes of them is
/// written as NDJSON. What fails is told on standard error with its line and the reason, and is left out; then the exit
/// code is 1.
///
/// Without either it is a prompt: what is typed is run at once. `.` and variables stay; `help` says more.
#[derive(Debug, Args)]
pub(super) struct Vrl {
    /// The program. One that comes with the binary runs where there is no such file.
    #[arg(value_name = "FILE", requires = "input", conflicts_with = "config")]
    program: Option<PathBuf>,
    /// Records: NDJSON or a JSON array, packed with gzip or not; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Where to write what comes out; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    candidate: Candidate,
    /// Say at the end which statements cost the time. The others run slower for it.
    #[arg(long)]
    profile: bool,
    /// Tell nothing but what failed.
    #[arg(short, long)]
    quiet: bool,
}

impl Vrl {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let Vrl { program, input, output, candidate, profile, quiet } = self;
        if program.is_none() && candidate.config.is_empty() {
            return prompt::run(input.as_deref(), candidate.surroundings()?, quiet);
        }
        let observe = if profile { Observe::Statements } else { Observe::Nothing };
        let program = candidate.program(program.as_deref(), observe)?;
        let input = input.unwrap_or_else(|| "-".into());
        map::Map { program, input, output, profile, quiet }.execute()
    }
}
