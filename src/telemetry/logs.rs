//! Logs: for people on a terminal, JSON otherwise. Written to standard error, so that a console sink has standard
//! output for itself.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    EnvFilter, Layer, Registry, filter::LevelFilter, fmt, layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::Problems;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `filter` is a level, or levels by module as `info,o365flow::sinks=debug`; what cannot be
/// understood in it is passed over. Without a format the output decides. Warnings and errors are noted in `problems`,
/// whatever the filter.
pub fn init(filter: &str, format: Option<LogFormat>, problems: Problems) {
    let on_terminal = io::stderr().is_terminal();
    let format = format.unwrap_or(if on_terminal { LogFormat::Text } else { LogFormat::Json });
    let filter = EnvFilter::builder().parse_lossy(filter);
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => lines.with_ansi(on_terminal).with_filter(filter).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
    };
    let problems = problems.with_filter(LevelFilter::WARN);
    // A second start, as in tests, keeps the first one's settings.
    drop(Registry::default().with(lines).with(problems).try_init());
}
