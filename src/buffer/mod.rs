//! Buffers: where events wait between the graph and a sink, in memory or on disk.
//!
//! A sink without one has the small edge that every component has. With one, the buffer stands between that edge and another
//! one to the sink, and knows nothing of either.
//!
//! Invariant: a buffer on disk says that an event is delivered only once it is durable there, and from then on answers for it:
//! it gives it to its sink until that has settled it, after any restart. A buffer in memory says nothing.

mod codec;
mod disk;
mod intake;
mod left_behind;
mod memory;
mod metrics;
mod outflow;
mod record;
mod repair;
mod salvage;
mod schema;
mod store;
mod turn;

use std::path::{Path, PathBuf};

use pipeline_core::{Inlet, Outlet, RunError, Shutdown};

pub use disk::DiskBuffer;
pub use left_behind::{LeftBehind, left_behind};
pub use memory::MemoryBuffer;
pub use store::BufferError;

/// The file of a disk buffer, in the folder that a sink keeps its state in.
const FILE: &str = "buffer.sqlite";

/// A buffer that is ready to run.
#[derive(Debug)]
pub enum Buffer {
    /// In memory.
    Memory(Box<MemoryBuffer>),
    /// On disk.
    Disk(Box<DiskBuffer>),
}

impl Buffer {
    /// Hands on what arrives at `inlet` to `outlet`, until the edge has ended and the work is done, or until `shutdown`
    /// orders to leave it.
    pub async fn run(
        self,
        inlet: Inlet,
        outlet: Outlet,
        shutdown: Shutdown,
    ) -> Result<(), RunError> {
        match self {
            Buffer::Memory(buffer) => buffer.run(inlet, outlet, shutdown).await,
            Buffer::Disk(buffer) => buffer.run(inlet, outlet, shutdown).await,
        }
    }
}

/// The file of the disk buffer of a sink that keeps its state in `state_dir`.
pub fn file_of(state_dir: &Path) -> PathBuf {
    state_dir.join(FILE)
}

#[cfg(test)]
mod tests;
