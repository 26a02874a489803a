//! `o365flow graph`: a topology as text that other programs draw, or as a picture.

use clap::Args;

use super::{Failure, load, show_faults};
use crate::{
    components::REGISTRY,
    config::{self, Ask},
    topology::{DrawFormat, draw},
};

/// Draw a topology's graph.
#[derive(Debug, Args)]
pub(super) struct Graph {
    #[command(flatten)]
    config: load::ConfigFiles,
    /// The language to write it in.
    #[arg(long, value_enum, default_value = "dot")]
    format: DrawFormat,
}

impl Graph {
    pub(super) fn execute(self) -> Result<(), Failure> {
        // A graph can be drawn before its variables are set and its secrets kept.
        let variables = |name: &str| load::environment(name).or_else(|| Some(String::new()));
        let files = config::read_files(&self.config.paths)?;
        let (config, faults) = config::parse_asking(&files, REGISTRY, &variables, Ask::Nobody);
        if config.components.is_empty() && !faults.is_empty() {
            return Err(Failure::Config(faults));
        }
        if !faults.is_empty() {
            show_faults(&faults);
        }
        // What passes the edges is known where all is right.
        let loaded = load::load_asking(&files, variables, Ask::Files).ok();
        let checked = loaded.as_ref().map(|loaded| &loaded.topology);
        super::say(draw(&config.components, checked, self.format).trim_end());
        Ok(())
    }
}
