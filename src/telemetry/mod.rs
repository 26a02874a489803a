//! What the program tells about itself: metrics, logs, problems.

mod forget;
mod logs;
mod problems;
mod process;
mod recorder;
mod service_manager;
mod snapshot;

pub use logs::{LogFormat, LogOptions, Logs};
pub use problems::{ProblemReport, Problems};
pub use recorder::{InstallError, Metrics};
pub use service_manager::ServiceManager;
pub use snapshot::{Sample, Snapshot};
