//! What the program tells about itself: metrics and logs.

mod forget;
mod logs;
mod process;
mod recorder;
mod service_manager;
mod snapshot;

pub use logs::{LogFormat, LogOptions, Logs};
pub use recorder::{InstallError, Metrics};
pub use service_manager::ServiceManager;
pub use snapshot::Snapshot;
