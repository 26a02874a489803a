//! What the program tells about itself: metrics, logs, and the HTTP listeners that serve them.

mod http;
mod logs;
mod process;
mod recorder;
mod snapshot;

pub use http::{ListenError, Listeners, Readiness};
pub use logs::{LogFormat, init as init_logs};
pub use recorder::{InstallError, Metrics};
pub use snapshot::Snapshot;
