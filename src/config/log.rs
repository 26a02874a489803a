//! What is logged of each component.

use std::collections::BTreeMap;

use pipeline_core::ComponentId;
use schemars::JsonSchema;
use serde::Deserialize;
use tracing::level_filters::LevelFilter;

/// The section `[log]`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// What components log, where it is to be more or less than the rest, by name: `es = "debug"`. Levels are `off`,
    /// `error`, `warn`, `info`, `debug` and `trace`; that of the rest is set by `--log`.
    pub components: BTreeMap<ComponentId, LogLevel>,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// What may go wrong.
    Warn,
    /// What happens.
    Info,
    /// What is needed to find a fault.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// As the log takes it.
    pub fn filter(self) -> LevelFilter {
        match self {
            LogLevel::Off => LevelFilter::OFF,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        }
    }
}
