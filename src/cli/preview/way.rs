//! The way that records take in a preview.

use std::{borrow::Cow, sync::Arc, time::Duration};

use pipeline_core::{Clock, DROPPED_PORT, Event, UNMATCHED_PORT};
use vrl::{owned_value_path, value::Value};

use super::Preview;
use crate::{
    cli::{
        Failure,
        candidate::{CandidateError, Observe, read_file},
        load,
    },
    components::record_schema,
    config,
    program::{FailureKind, Judge, Observer, Root, Runner, compile_condition, tables::Tables},
    topology::{Means, Single},
};

/// How long a program may work on one record.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a record goes through.
pub(super) struct Way {
    tables: Tables,
    first: First,
    filter: Option<Judge>,
}

enum First {
    Nothing,
    Program(Box<Runner>),
    Transform(Single),
}

/// Why there is nothing that records could go through.
#[derive(Debug, thiserror::Error)]
enum WayError {
    #[error("the filter is no condition\n{diagnostic}")]
    Filter { diagnostic: String },
    #[error("name the transform by --transform")]
    NoTransform,
}

impl Way {
    pub(super) fn new(preview: &Preview, clock: &Arc<dyn Clock>) -> Result<Way, Failure> {
        let candidate = &preview.candidate;
        let mut tables = Tables::default();
        let mut schema = record_schema();
        let first = if !candidate.config.is_empty() {
            let files = config::read_files(&candidate.config)?;
            let loaded = load::load_observed(&files, &Observer::of_programs())?;
            let name = candidate.transform.as_deref();
            let name = name.ok_or(WayError::NoTransform).map_err(Failure::usage)?;
            let entrance = loaded.topology.entrance(name).map_err(Failure::usage)?;
            let means = Means { read_file: &read_file, tables: &loaded.tables };
            let single = loaded.topology.single(entrance, clock, &means);
            let single = single.map_err(|problems| {
                let texts = problems.into_iter().map(|problem| problem.message);
                let diagnostic = texts.collect::<Vec<_>>().join("\n");
                CandidateError::Compile { diagnostic }
            })?;
            tables = loaded.tables;
            schema = pipeline_core::Schema::any();
            First::Transform(single)
        } else if let Some(path) = &preview.program {
            let program = candidate.program(Some(path), Observe::Nothing)?;
            schema = program.output().clone();
            First::Program(Box::new(Runner::new(program, TIMEOUT)))
        } else {
            First::Nothing
        };
        let filter = match &preview.filter {
            None => None,
            Some(text) => {
                let condition = compile_condition(text, "filter", &schema, &tables)
                    .map_err(|error| WayError::Filter { diagnostic: error.diagnostic })
                    .map_err(Failure::usage)?;
                Some(Judge::new(&condition))
            }
        };
        Ok(Way { tables, first, filter })
    }

    /// The tables of the configuration.
    pub(super) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// What is left of `event`.
    pub(super) fn take(&mut self, event: Event) -> Result<Vec<Event>, String> {
        let mut events = match &mut self.first {
            First::Nothing => vec![event],
            First::Program(runner) => run(runner, event)?,
            First::Transform(single) => {
                let left = single.pass(event);
                if let Some((_, event)) = left.iter().find(|(port, _)| *port == DROPPED_PORT) {
                    return Err(why(event));
                }
                let kept = left.into_iter().filter(|(port, _)| *port != UNMATCHED_PORT);
                kept.map(|(_, event)| event).collect()
            }
        };
        if let Some(filter) = &mut self.filter {
            let mut kept = Vec::new();
            for mut event in events {
                if filter.holds(&mut event).map_err(|failure| failure.message)? {
                    kept.push(event);
                }
            }
            events = kept;
        }
        Ok(events)
    }
}

fn run(runner: &mut Runner, mut event: Event) -> Result<Vec<Event>, String> {
    match runner.run(&mut event) {
        Ok(Root::Object) => Ok(vec![event]),
        Ok(Root::Objects(values)) => Ok(event.split(values)),
        Err(failure) if failure.kind == FailureKind::Abort => Ok(Vec::new()),
        Err(failure) => Err(failure.message),
    }
}

/// Why a transform has dropped an event.
fn why(event: &Event) -> String {
    let message = event.metadata().get(&owned_value_path!("dropped", "message"));
    message
        .and_then(Value::to_str_lossy)
        .map_or_else(|| "it was dropped".to_owned(), Cow::into_owned)
}
