//! `o365flow setup`: prepares what sinks write to.

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use pipeline_core::ComponentId;

use super::{Failure, load::ConfigFiles, run::block_on, say};
use crate::components::{
    elasticsearch::{self, Fields, SetupMode, SetupPlan, SetupStep},
    elasticsearch_config, program_file,
};
use crate::topology::Checked;

/// Prepare what sinks write to.
#[derive(Debug, Args)]
pub(super) struct SetupCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Elasticsearch(Elasticsearch),
}

/// Install lifecycle policy, component template and index template where sinks of this type write.
///
/// It can be done again at any time: what is as it should be stays. What somebody else has made stays too.
#[derive(Debug, Args)]
struct Elasticsearch {
    #[command(flatten)]
    config: ConfigFiles,
    /// Only for this sink. Without it, for all of type `elasticsearch`.
    #[arg(long, value_name = "ID")]
    sink: Option<String>,
    /// Whose fields the templates are for. Without it: those of `o365beat.vrl` where that program leads to the sink,
    /// those of `ecs.vrl` elsewhere.
    #[arg(long, value_enum, value_name = "PROGRAM")]
    fields: Option<ProgramName>,
    /// Delete what is older than so many days, counted from the roll-over of its index. Without it, nothing is ever
    /// deleted.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    keep_days: Option<u32>,
    /// Say what would be installed, and install nothing.
    #[arg(long, conflicts_with = "force")]
    dry_run: bool,
    /// Replace what is there, even if somebody else has made it.
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ProgramName {
    Ecs,
    O365beat,
}

/// Why there is nothing to set up.
#[derive(Debug, thiserror::Error)]
enum SinkError {
    #[error("the configuration has no sink of type `elasticsearch`")]
    None,
    #[error("there is no sink `{name}` of type `elasticsearch`, but {known}")]
    Unknown { name: String, known: String },
}

impl SetupCommand {
    pub(super) fn execute(self) -> Result<(), Failure> {
        match self.what {
            What::Elasticsearch(command) => command.execute(),
        }
    }
}

impl Elasticsearch {
    fn execute(self) -> Result<(), Failure> {
        let loaded = self.config.load()?;
        let sinks = loaded.topology.sinks();
        let mut sinks: Vec<(&ComponentId, &elasticsearch::Config)> =
            sinks.filter_map(|(id, config)| Some((id, elasticsearch_config(config)?))).collect();
        if let Some(name) = &self.sink {
            let known: Vec<String> = sinks.iter().map(|(id, _)| format!("`{id}`")).collect();
            sinks.retain(|(id, _)| ***id == **name);
            if sinks.is_empty() && !known.is_empty() {
                let known = known.join(", ");
                return Err(Failure::usage(SinkError::Unknown { name: name.clone(), known }));
            }
        }
        if sinks.is_empty() {
            return Err(Failure::usage(SinkError::None));
        }
        let mode = match (self.dry_run, self.force) {
            (true, _) => SetupMode::DryRun,
            (false, true) => SetupMode::Overwrite,
            (false, false) => SetupMode::Install,
        };
        let mut is_good = true;
        for (id, config) in sinks {
            let fields = match self.fields {
                Some(ProgramName::Ecs) => Fields::Ecs,
                Some(ProgramName::O365beat) => Fields::O365beat,
                None => fields_of(&loaded.topology, id),
            };
            let plan = SetupPlan { mode, fields, keep_days: self.keep_days };
            let steps = block_on(config.set_up(plan))??;
            is_good &= steps.iter().all(|step| step.result.is_good());
            show(id, &steps, mode);
        }
        if is_good { Ok(()) } else { Err(Failure::Negative) }
    }
}

/// Whose fields reach a sink, by the names of the programs on the way.
fn fields_of(topology: &Checked, sink: &ComponentId) -> Fields {
    let transforms = topology.transforms_before(sink);
    let mut programs = transforms.into_iter().filter_map(program_file).filter_map(Path::file_name);
    if programs.any(|name| name == "o365beat.vrl") { Fields::O365beat } else { Fields::Ecs }
}

fn show(id: &str, steps: &[SetupStep], mode: SetupMode) {
    say(format_args!("sink {id}"));
    for step in steps {
        say(format_args!("  {}: {}", step.what, step.result));
        if mode == SetupMode::DryRun {
            say(format_args!("    {}", step.body));
        }
    }
}
