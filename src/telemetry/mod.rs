//! What the program tells about itself: metrics and logs.

mod logs;
mod recorder;
mod snapshot;

pub use logs::{LogFormat, init as init_logs};
pub use recorder::{InstallError, Metrics};
pub use snapshot::Snapshot;
