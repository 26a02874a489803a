//! The graph that a configuration declares: checked, then built, then run. Three steps, so that checking does no
//! I/O and building starts nothing.
//!
//! Knows graphs, not components: which components there are, and what they do, it only sees through the traits of
//! `pipeline-core`.

mod build;
mod check;
mod dead_letter_reader;
mod describe;
mod difference;
mod draw;
mod graph;
mod kinds;
mod left_out;
mod life;
mod narrow;
mod rehearse;
mod reload;
mod resume;
mod run;
mod stage;
mod wire;

pub use build::{Environment, Farewell, Topology, create_private_dir, state_dir};
pub use check::{Checked, Means, check};
pub use draw::{DrawFormat, draw};
pub use narrow::NarrowError;
pub use rehearse::{Entrance, Exit, Left, RehearsalError, Single};
pub use reload::{ReloadError, Reloader, Reloads, reloads};
pub use resume::{Intake, ResumeError};
pub use run::run;

#[cfg(test)]
mod tests;
