//! Logs: for people on a terminal, JSON otherwise. Written to standard error, so that a console sink has standard
//! output for itself.
//!
//! Every line tells its component, tenant and content type, from the event or from the spans around it. What is repeated is
//! summed up: see [`Repeats`]. Nothing is lost by that but copies.

mod levels;
pub(super) mod record;
mod render;
mod repeats;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use pipeline_core::{Clock, ComponentId};
use tokio::time::Instant;
use tracing::{Event, Subscriber, span};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use self::{
    levels::Levels,
    record::{Place, Record},
    render::Renderer,
    repeats::Repeats,
};
use super::Problems;
use crate::config::LogLevel;

/// How often is looked for repeats to sum up.
const SUM_UP_INTERVAL: Duration = Duration::from_secs(1);

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug)]
pub struct LogOptions<'a> {
    /// A level, or levels by module as `info,o365flow::sinks=debug`; what cannot be understood in it is passed over.
    pub filter: &'a str,
    /// Without one the output decides.
    pub format: Option<LogFormat>,
}

/// The process' log.
#[derive(Clone)]
pub struct Logs {
    levels: Levels,
    lines: Arc<Lines>,
}

static INSTALLED: OnceLock<Logs> = OnceLock::new();

impl Logs {
    /// Starts logging. Warnings and errors are noted in [`Problems`] as well, whatever the levels. A second start, as in
    /// tests, keeps the first one's settings.
    pub fn install(options: &LogOptions<'_>, clock: Arc<dyn Clock>) {
        let on_terminal = io::stderr().is_terminal();
        let format =
            options.format.unwrap_or(if on_terminal { LogFormat::Text } else { LogFormat::Json });
        let renderer = match format {
            LogFormat::Text => Renderer::Text { in_colour: on_terminal },
            LogFormat::Json => Renderer::Json,
        };
        let out = |line: &[u8]| drop(io::stderr().write_all(line));
        let problems = Problems::of_process(&clock).layer();
        let lines = Arc::new(Lines::new(renderer, clock, Box::new(out)));
        let levels = Levels::new(options.filter);
        let layer = LogLayer(Arc::clone(&lines)).with_filter(levels.clone());
        if tracing_subscriber::registry().with(layer).with(problems).try_init().is_ok() {
            drop(INSTALLED.set(Logs { levels, lines }));
        }
    }

    /// The log that was installed, if one was.
    pub fn installed() -> Option<&'static Logs> {
        INSTALLED.get()
    }

    /// Lets these components, and no others, log at levels of their own.
    pub fn set_component_levels(&self, levels: &BTreeMap<ComponentId, LogLevel>) {
        self.levels.set_components(levels);
    }

    /// Writes how often lines were repeated, every now and then: also where nothing is logged any more.
    pub async fn sum_up_for_ever() -> Infallible {
        loop {
            tokio::time::sleep(SUM_UP_INTERVAL).await;
            if let Some(logs) = Logs::installed() {
                logs.lines.sum_up(Some(Instant::now()));
            }
        }
    }

    /// Writes how often lines were repeated: for the end of the program.
    pub fn sum_up(&self) {
        self.lines.sum_up(None);
    }
}

/// Takes lines.
type Out = Box<dyn Fn(&[u8]) + Send + Sync>;

/// Where lines are written.
struct Lines {
    renderer: Renderer,
    clock: Arc<dyn Clock>,
    repeats: Mutex<Repeats>,
    out: Out,
}

impl Lines {
    fn new(renderer: Renderer, clock: Arc<dyn Clock>, out: Out) -> Lines {
        Lines { renderer, clock, repeats: Mutex::default(), out }
    }

    fn take(&self, record: Record) {
        let now = Instant::now();
        self.sum_up(Some(now));
        let admitted =
            self.repeats.lock().unwrap_or_else(PoisonError::into_inner).admit(record, now);
        if let Some(record) = admitted {
            self.write(&record, None);
        }
    }

    /// Writes what is due at `now`; without a time, everything.
    fn sum_up(&self, now: Option<Instant>) {
        let due = self.repeats.lock().unwrap_or_else(PoisonError::into_inner).due(now);
        for (record, repeated) in due {
            self.write(&record, Some(repeated));
        }
    }

    fn write(&self, record: &Record, repeated: Option<u64>) {
        let mut line = self.renderer.render(record, self.clock.now(), repeated);
        line.push('\n');
        (self.out)(line.as_bytes());
    }
}

/// Hands what is logged to the lines.
struct LogLayer(Arc<Lines>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(Place::of_span(attributes));
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        self.0.take(Record::new(event, &ctx));
    }
}

#[cfg(test)]
mod tests;
