//! A transform takes batches and lets events out by its ports. Several copies of it work side by side, and neighbours
//! are fused; so what a transform keeps between two batches, its copies share.

use std::{
    any::Any,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{Batch, Clock, ComponentId, ComponentMetrics, Event, Output, Problem, Schema};

/// What a user declares under `[transforms.<id>]`. It can be downcast, for commands that concern one type of transform.
pub trait TransformConfig: Any + Send + Sync + std::fmt::Debug {
    /// Names of the ports besides the default one. Known without compiling, so that a graph can be drawn even
    /// when a program does not compile.
    fn ports(&self) -> Vec<String>;

    /// Whether events leave by a port that needs no naming. It is then number 0, before the named ones.
    fn has_default_port(&self) -> bool {
        true
    }

    /// The program that can be tried with another text; nothing where the transform has none.
    fn program(&self) -> Option<Box<dyn TransformProgram>> {
        None
    }

    /// Whether what it does depends on its settings alone, and not on the kinds of what arrives, on programs or tables. What
    /// it remembers is then kept when all around it changes.
    fn depends_on_settings_alone(&self) -> bool {
        false
    }

    /// Checks the configuration against what arrives, and makes the transform ready. All problems at once.
    fn prepare(&self, context: &TransformContext<'_>) -> Result<Prepared, Vec<Problem>>;
}

/// A transform's program, to be read and tried with another text.
pub trait TransformProgram: Send + Sync {
    /// The file that it stands in; nothing where it stands in the configuration.
    fn file(&self) -> Option<&Path>;

    /// Its text. `read_file` as in [`TransformContext`].
    fn text(&self, read_file: &dyn Fn(&Path) -> io::Result<String>) -> io::Result<String>;

    /// The same transform with `text` in the place of the program's own.
    fn with_text(&self, text: &str) -> Box<dyn TransformConfig>;
}

/// What a transform is prepared with.
pub struct TransformContext<'a> {
    /// The transform's id.
    pub id: ComponentId,
    /// The merged kinds of all that feeds it.
    pub input: Schema,
    /// Reads a file that the configuration names, relative to the working directory.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    /// The tables in which programs look values up, for whoever compiles programs to take out and hand on.
    pub tables: &'a (dyn Any + Send + Sync),
}

/// A transform that was checked, with all it will ever need.
pub struct Prepared {
    /// The outputs in the order of their port numbers: the default one first, if there is one.
    pub outputs: Vec<Output>,
    /// Makes the workers.
    pub factory: Arc<dyn TransformFactory>,
    /// What is not wrong, yet deserves a look: shown, never fatal.
    pub warnings: Vec<Problem>,
    /// The files that it was made from, besides the configuration.
    pub files: Vec<PathBuf>,
}

/// Makes as many workers of a prepared transform as there are batches at work side by side.
pub trait TransformFactory: Send + Sync {
    /// A worker. `metrics` are the transform's own counters.
    fn worker(&self, metrics: &ComponentMetrics, clock: &Arc<dyn Clock>) -> Box<dyn Transform>;
}

/// One worker of a transform.
pub trait Transform: Send {
    /// Takes each event of the batch and puts it, or what became of it, into `outputs`, in order. An event that is
    /// dropped on purpose is settled as [`crate::Outcome::Filtered`].
    fn transform(&mut self, batch: Batch, outputs: &mut Outputs);
}

/// Where a transform puts its events: one list for each port.
#[derive(Debug)]
pub struct Outputs(Vec<Vec<Event>>);

impl Outputs {
    /// Empty lists for `ports` ports.
    pub fn new(ports: usize) -> Outputs {
        Outputs((0..ports).map(|_| Vec::new()).collect())
    }

    /// Lets an event out by the port with this number, 0 being the first one.
    pub fn push(&mut self, port: usize, event: Event) {
        self.0[port].push(event);
    }

    /// What has left so far by the port with this number.
    pub fn left_by(&self, port: usize) -> &[Event] {
        &self.0[port]
    }

    /// Adds what left another time by the same ports.
    pub fn append(&mut self, later: Outputs) {
        for (left, mut later) in self.0.iter_mut().zip(later.0) {
            left.append(&mut later);
        }
    }

    /// What left by each port.
    pub fn into_batches(self) -> Vec<Batch> {
        self.0.into_iter().map(Batch::from).collect()
    }
}
