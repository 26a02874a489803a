//! The sink `file`: events as NDJSON, in one file that is moved aside when it is large.
//!
//! Invariant: an event is acknowledged after its line has been synced to disk. A line that a killed process left half
//! written was not acknowledged; it is cut off at the next start and the event comes again.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use pipeline_core::{
    BuildError, ComponentMetrics, Event, EventAck, Finding, Inlet, Outcome, Problem, RunError,
    Shutdown, Sink, SinkConfig, SinkContext, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::units,
    delivery::{
        AppendFile, Attempt, BackoffSettings, BatchSettings, Courier, Delivery, DeliverySettings,
        Encoded, Failure, Next, Rotation, append_line, folder_findings, writable,
    },
};

/// Events that one sync covers: enough for its cost not to count.
const BATCH_EVENTS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

/// Bytes that one sync covers, as received.
const BATCH_BYTES_MAX: usize = 8 * 1000 * 1000;

/// What a user may write under `[sinks.<id>]` with `type = "file"`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file; its folder must exist. Only its owner can read what is created.
    pub path: PathBuf,
    /// Size at which the file is moved aside, to `<path>.1`, `<path>.2` and so on, the greatest number being the
    /// youngest; `"0B"` lets the file grow.
    #[serde(default, with = "units::byte_size")]
    pub max_bytes: usize,
    /// How many of those files are kept, the oldest being removed; 0 keeps all.
    #[serde(default)]
    pub max_files: u32,
}

impl SinkConfig for Config {
    fn problems(&self) -> Vec<Problem> {
        if self.path.file_name().is_none() {
            let message = format!("`{}` does not name a file", self.path.display());
            return vec![Problem::at("path", message).fix("name a file, as in \"audit.ndjson\"")];
        }
        Vec::new()
    }

    fn probe(&self, _now: Timestamp) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(async move {
            let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let mut findings = folder_findings(parent.unwrap_or(Path::new(".")));
            if self.path.exists() {
                findings.push(writable("file", &self.path));
            }
            findings
        })
    }

    fn claims(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }

    fn build(&self, context: SinkContext) -> BoxFuture<'_, Result<Box<dyn Sink>, BuildError>> {
        Box::pin(async move {
            let path = self.path.clone();
            let rotation =
                Rotation { bytes_max: self.max_bytes as u64, files_max: u64::from(self.max_files) };
            let file = tokio::task::spawn_blocking(move || AppendFile::open(&path, rotation))
                .await
                .map_err(|panic| BuildError::new("opening a file failed", panic))?
                .map_err(|error| {
                    BuildError::new(format!("cannot open `{}`", self.path.display()), error)
                })?;
            let writer = Writer {
                file: Arc::new(Mutex::new(file)),
                path: self.path.display().to_string(),
                bytes_max: if self.max_bytes == 0 { usize::MAX } else { self.max_bytes },
                metrics: context.metrics.clone(),
            };
            let settings = DeliverySettings {
                // Takes what is there: a batch that waits for more gains nothing here.
                batch: BatchSettings {
                    events_max: BATCH_EVENTS_MAX,
                    bytes_max: BATCH_BYTES_MAX,
                    timeout: Duration::ZERO,
                },
                concurrency: NonZeroUsize::MIN.into(),
                rate_limit: None,
                backoff: BackoffSettings::default(),
            };
            // Nobody else writes to the file, so that the random part of the waits has no work to do.
            Ok(Box::new(FileSink(Delivery::new(writer, settings, context, 0))) as Box<dyn Sink>)
        })
    }
}

struct FileSink(Delivery<Writer>);

impl Sink for FileSink {
    fn run(
        self: Box<Self>,
        input: Inlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>> {
        Box::pin(async move {
            self.0.run(input, shutdown).await;
            Ok(())
        })
    }
}

struct Writer {
    /// Held by one write at a time.
    file: Arc<Mutex<AppendFile>>,
    path: String,
    /// What is written at once stays below this, so that the file does.
    bytes_max: usize,
    metrics: ComponentMetrics,
}

#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    acks: Vec<EventAck>,
}

impl Courier for Writer {
    type Request = Lines;

    fn encode(&self, events: Vec<Event>) -> Encoded<Lines> {
        let mut requests = Vec::new();
        let mut lines = Lines::default();
        for event in events {
            let start = lines.text.len();
            append_line(&event, &mut lines.text);
            if lines.text.len() > self.bytes_max && start > 0 {
                let next = Lines { text: lines.text.split_off(start), acks: Vec::new() };
                requests.push(std::mem::replace(&mut lines, next));
            }
            lines.acks.push(event.into_ack());
        }
        requests.push(lines);
        Encoded { requests, rejected: Vec::new() }
    }

    async fn attempt(&self, lines: Lines) -> Attempt<Lines> {
        let file = Arc::clone(&self.file);
        let written = tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let written = file.append(&lines.text);
            (lines, written)
        });
        let next = match written.await {
            Ok((lines, Ok(()))) => {
                self.metrics.sent(lines.acks.len(), lines.text.len());
                let place = ("file", &*self.path);
                self.metrics.sent_bytes("file", Some(place), lines.text.len());
                lines.acks.into_iter().for_each(|ack| ack.settle(Outcome::Delivered));
                Next::Done
            }
            Ok((request, Err(error))) => {
                let error = WriteError { path: self.path.clone(), source: error };
                Next::Retry { request, failure: Failure::of("write_failed", &error) }
            }
            // The lines went with the panic, unacknowledged: their source sends them again.
            Err(_panic) => Next::Done,
        };
        Attempt { rejected: Vec::new(), next }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write to `{path}`")]
struct WriteError {
    path: String,
    source: std::io::Error,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sinks::testing::{context, run_to_end};

    fn config(text: &str) -> Config {
        toml::from_str(text).expect("it parses")
    }

    #[tokio::test]
    async fn events_are_lines_and_a_restart_goes_on_after_the_last_whole_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.ndjson");
        let config = config(&format!("path = {path:?}"));
        for part in ["{\"n\":1}\n", "{\"n\":1}\n{\"n\":1}\n"] {
            let sink = config.build(context().0).await.expect("it builds");
            let fates = run_to_end(sink, &["{\"n\":1}"]).await;
            assert_eq!(fates.outcomes(), [Outcome::Delivered]);
            assert_eq!(fs::read_to_string(&path).expect("a file"), part);
            fs::write(&path, format!("{part}{{\"torn")).expect("a torn line");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_cannot_be_written_is_tried_again_until_it_can() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("a folder");
        let path = inner.join("audit.ndjson");
        let sink = config(&format!("path = {path:?}")).build(context().0).await.expect("it builds");
        fs::remove_dir_all(&inner).expect("it goes");
        let repair = async {
            tokio::time::sleep(Duration::from_mins(10)).await;
            fs::create_dir(&inner).expect("a folder");
        };
        let (fates, ()) = tokio::join!(run_to_end(sink, &["{\"n\":1}"]), repair);
        assert_eq!(fates.outcomes(), [Outcome::Delivered]);
        assert_eq!(fs::read_to_string(&path).expect("a file"), "{\"n\":1}\n");
    }

    #[tokio::test]
    async fn a_file_stays_below_its_limit_and_nothing_is_lost_between_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.ndjson");
        let config = config(&format!("path = {path:?}\nmax_bytes = \"20B\""));
        let sink = config.build(context().0).await.expect("it builds");
        let fates = run_to_end(sink, &["{\"n\":1}"; 5]).await;
        assert_eq!(fates.count(Outcome::Delivered), 5);
        for (suffix, lines) in [(".1", 2), (".2", 2), ("", 1)] {
            let path = folder.path().join(format!("audit.ndjson{suffix}"));
            assert_eq!(fs::read_to_string(path).expect("a file"), "{\"n\":1}\n".repeat(lines));
        }
    }

    #[tokio::test]
    async fn a_missing_folder_is_told_when_building() {
        let config = config("path = \"/nowhere/at/all/audit.ndjson\"\nmax_bytes = \"10MB\"");
        let error = config.build(context().0).await.err().expect("it fails");
        assert_eq!(error.to_string(), "cannot open `/nowhere/at/all/audit.ndjson`");
        let nameless = Config { path: "/".into(), ..config };
        assert_eq!(nameless.problems().len(), 1);
    }
}
