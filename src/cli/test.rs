//! `o365flow test`: do the VRL programs still make of their golden records what they made before?

use std::path::PathBuf;

use clap::Args;

use super::{Failure, load, say};
use crate::{
    components::record_schema,
    program::golden::{self, Expect},
};

/// Run the golden tests of VRL programs.
///
/// Beside `NAME.vrl` stand `NAME.input.ndjson`, one record a line, and `NAME.output.ndjson`, what the program makes of
/// each. With `UPDATE_EXPECT=1` the outputs are written anew; read their diff before you keep them.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// Programs, or folders of programs.
    #[arg(value_name = "PATH", default_value = "vrl")]
    paths: Vec<PathBuf>,
}

impl Test {
    pub(super) fn execute(self) -> Result<(), Failure> {
        let update = load::environment("UPDATE_EXPECT").is_some_and(|value| value == "1");
        let expect = if update { Expect::Update } else { Expect::Same };
        let report = golden::run(&self.paths, &record_schema(), expect);
        say(&report);
        if report.is_ok() { Ok(()) } else { Err(Failure::Negative) }
    }
}
