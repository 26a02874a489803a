//! What the program tells about itself: metrics, logs, problems.

mod logs;
mod problems;
mod recorder;
mod snapshot;

pub use logs::{LogFormat, init as init_logs};
pub use problems::{ProblemReport, Problems};
pub use recorder::{InstallError, Metrics};
pub use snapshot::{Sample, Snapshot};
