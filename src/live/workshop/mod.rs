//! Where the programs of a running topology are read, tried and saved.
//!
//! What is tried is compiled as the topology compiles it: against the same kinds, with the same settings and tables. It
//! runs beside the topology, on copies of events, and counts and logs nothing.
//!
//! Invariant: no path comes from outside; what is written is the file of a program that runs.

mod save;
#[cfg(test)]
mod tests;
mod trial;

use std::{fs, io, path::PathBuf, sync::Arc};

use pipeline_core::{Clock, ComponentId, Event, Output, Schema, TransformProgram};
use serde::Serialize;
use tokio::task::JoinError;

pub use self::{
    save::{SaveError, Saved},
    trial::{Diagnostic, Left, Severity, Trial, Tried},
};
use super::{Live, taps::Side};
use crate::program::{CompileError, Condition, compile_condition, tables::Tables};

/// What programs are tried with.
#[derive(Default)]
pub struct Workshop {
    workplaces: Vec<Workplace>,
    tables: Tables,
}

impl std::fmt::Debug for Workshop {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids = self.workplaces.iter().map(|workplace| &*workplace.id);
        formatter.debug_list().entries(ids).finish()
    }
}

/// A component, as far as programs and conditions concern it.
pub struct Workplace {
    /// Its name.
    pub id: ComponentId,
    /// The merged kinds of what arrives.
    pub input: Schema,
    /// The kinds of what leaves.
    pub outputs: Vec<Output>,
    /// Its program, where it has one.
    pub program: Option<Box<dyn TransformProgram>>,
}

/// A name that is not that of a transform with a program.
#[derive(Debug, thiserror::Error)]
pub enum NoProgram {
    /// It is no component's name.
    #[error("there is no component `{id}`")]
    NoComponent {
        /// The name.
        id: String,
    },
    /// The component has no program.
    #[error("`{id}` has no program")]
    NoProgram {
        /// The name.
        id: String,
    },
    /// Its file cannot be read.
    #[error("cannot read the program of `{id}`")]
    Unreadable {
        /// The name.
        id: String,
        /// Why.
        source: io::Error,
    },
}

/// A program as it stands now, which may not be how it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProgramText {
    /// The file; nothing for a program that stands in the configuration.
    pub file: Option<PathBuf>,
    /// The text.
    pub text: String,
    /// What tells this text from others.
    pub digest: String,
    /// Whether the file can be written.
    pub writable: bool,
}

impl Workshop {
    /// Of these components, whose programs look values up in `tables`.
    pub fn new(workplaces: Vec<Workplace>, tables: Tables) -> Workshop {
        Workshop { workplaces, tables }
    }

    /// Compiles a condition on what passes a component: against the kinds of its events, or, where that is refused,
    /// against events of which nothing is known, as one would write it who does not know them.
    pub(super) fn condition(
        &self,
        text: &str,
        component: &ComponentId,
        side: Side,
    ) -> Result<Condition, CompileError> {
        let compile = |schema: &Schema| compile_condition(text, "condition", schema, &self.tables);
        let workplace = self.workplaces.iter().find(|workplace| workplace.id == *component);
        let schema = workplace.and_then(|workplace| match side {
            Side::In | Side::Both => Some(workplace.input.clone()),
            Side::Out => {
                workplace.outputs.iter().map(|output| output.schema.clone()).reduce(Schema::merge)
            }
        });
        match schema.map(|schema| compile(&schema)) {
            Some(Ok(condition)) => Ok(condition),
            Some(Err(error)) => compile(&Schema::any()).map_err(|_| error),
            None => compile(&Schema::any()),
        }
    }

    /// The program of the component `id`.
    pub fn program(&self, id: &str) -> Result<ProgramText, NoProgram> {
        let program = self.find(id)?.1;
        let text = program.text(&|path| fs::read_to_string(path)).map_err(|source| {
            let id = id.to_owned();
            NoProgram::Unreadable { id, source }
        })?;
        let writable = program.file().is_some_and(save::is_writable);
        let digest = save::digest(text.as_bytes());
        Ok(ProgramText { file: program.file().map(Into::into), text, digest, writable })
    }

    fn find(&self, id: &str) -> Result<(&Workplace, &dyn TransformProgram), NoProgram> {
        let workplace = self.workplaces.iter().find(|workplace| *workplace.id == *id);
        let workplace = workplace.ok_or_else(|| NoProgram::NoComponent { id: id.to_owned() })?;
        let program = workplace.program.as_deref();
        program
            .map(|program| (workplace, program))
            .ok_or_else(|| NoProgram::NoProgram { id: id.to_owned() })
    }
}

/// A blocking step of the workshop did not end well.
#[derive(Debug, thiserror::Error)]
#[error("the trial panicked")]
pub struct Broken(#[from] JoinError);

impl Live {
    /// Tries `text` in the place of the program of `id`: on `events`, or else on what has lately passed it. One trial runs
    /// at a time, for some seconds at most.
    pub async fn try_program(
        &self,
        id: &str,
        text: String,
        events: Option<Vec<Event>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Result<Trial, NoProgram>, Broken> {
        let events = events.unwrap_or_else(|| self.taps().samples(id));
        let (workshop, id) = (self.workshop(), id.to_owned());
        let turn = Arc::clone(&self.trials).lock_owned().await;
        let trial = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            workshop.try_program(&id, &text, &events, &clock)
        });
        Ok(trial.await?)
    }

    /// Writes `text` into the file of the program of `id`, if that still has the text of `digest` and `text` compiles. It
    /// is the caller's to reload then.
    pub async fn save_program(
        &self,
        id: &str,
        text: String,
        digest: String,
    ) -> Result<Result<Saved, SaveError>, Broken> {
        let (workshop, id) = (self.workshop(), id.to_owned());
        let turn = Arc::clone(&self.trials).lock_owned().await;
        let saved = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            workshop.save(&id, &text, &digest)
        });
        Ok(saved.await?)
    }
}
