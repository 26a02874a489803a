//! Logs: for people on a terminal, JSON otherwise. Written to standard error, so that a console sink has standard
//! output for itself.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `filter` is a level, or levels by module as `info,o365flow::sinks=debug`; what cannot be
/// understood in it is passed over. Without a format the output decides.
pub fn init(filter: &str, format: Option<LogFormat>) {
    let on_terminal = io::stderr().is_terminal();
    let format = format.unwrap_or(if on_terminal { LogFormat::Text } else { LogFormat::Json });
    let filter = EnvFilter::builder().parse_lossy(filter);
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    let started = match format {
        LogFormat::Text => builder.with_ansi(on_terminal).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // A second start, as in tests, keeps the first one's settings.
    drop(started);
}
