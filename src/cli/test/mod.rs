//! `o365flow test`: do programs and topologies still do what they did, and were meant to do?

mod cases;
mod results;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, ValueEnum};
use pipeline_core::Clock;

use self::results::Results;
use super::{Failure, complain, load, say};
use crate::{
    components::record_schema,
    config,
    program::{
        Coverage, Observer,
        golden::{self, Expect},
    },
};

/// Test VRL programs and topologies.
///
/// A folder or a program is tested by its golden records: beside `NAME.vrl` stand `NAME.input.ndjson`, one record a line,
/// and `NAME.output.ndjson`, what the program makes of each. With `UPDATE_EXPECT=1` the outputs are written anew; read
/// their diff before you keep them.
///
/// A configuration (`*.toml`) is tested by its `[[tests]]`, which put events into transforms and say what has to come
/// out. Several are taken together as one.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// Programs, folders of programs, or configurations.
    #[arg(value_name = "PATH", default_value = "vrl")]
    paths: Vec<PathBuf>,
    /// Say which statements of the programs no test ran.
    #[arg(long)]
    coverage: bool,
    /// Fail if less of all statements ran than this, in percent.
    #[arg(long, value_name = "PERCENT")]
    coverage_min: Option<f64>,
    /// Text for people, or JSON.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

impl Test {
    pub(super) fn execute(self, clock: &Arc<dyn Clock>) -> Result<(), Failure> {
        let is_config = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "toml");
        let (configs, programs): (Vec<PathBuf>, Vec<PathBuf>) =
            self.paths.iter().cloned().partition(is_config);
        let mut results = Results::default();
        if !programs.is_empty() {
            self.run_golden(&programs, &mut results);
        }
        if !configs.is_empty() {
            self.run_cases(&configs, clock, &mut results)?;
        }
        if let (Some(coverage), Some(min)) = (&results.coverage, self.coverage_min)
            && coverage.percent() < min
        {
            let percent = coverage.percent();
            complain(format_args!("error: {percent:.1} % of the statements ran, not {min} %"));
            results.is_covered = false;
        }
        match self.format {
            Format::Text => say(&results),
            Format::Json => say(results.json()),
        }
        if results.is_ok() { Ok(()) } else { Err(Failure::Negative) }
    }

    fn wants_coverage(&self) -> bool {
        self.coverage || self.coverage_min.is_some()
    }

    fn run_golden(&self, paths: &[PathBuf], results: &mut Results) {
        let update = load::environment("UPDATE_EXPECT").is_some_and(|value| value == "1");
        let expect = if update { Expect::Update } else { Expect::Same };
        if self.wants_coverage() {
            let (report, coverage) = golden::run_observed(paths, &record_schema(), expect);
            results.add_golden(report);
            results.coverage = Some(coverage);
        } else {
            results.add_golden(golden::run(paths, &record_schema(), expect));
        }
    }

    fn run_cases(
        &self,
        paths: &[PathBuf],
        clock: &Arc<dyn Clock>,
        results: &mut Results,
    ) -> Result<(), Failure> {
        let observer =
            if self.wants_coverage() { Observer::of_statements() } else { Observer::of_programs() };
        let loaded = load::load_observed(&config::read_files(paths)?, &observer)?;
        cases::run(&loaded, clock, results)?;
        if self.wants_coverage() {
            let coverage = results.coverage.get_or_insert_with(Coverage::default);
            for (id, program) in observer.programs() {
                coverage.add(&program, Path::new(""), &format!("transform {id}"));
            }
        }
        Ok(())
    }
}
