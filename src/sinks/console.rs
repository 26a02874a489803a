//! The sink `console`: events as text on the standard output, for people and pipes.
//!
//! An event counts as delivered once the operating system has taken it; nothing is synced. When the reader of a pipe
//! goes away (`| head`), the sink ends without an error.

use std::io::{self, Write};

use futures_util::future::BoxFuture;
use pipeline_core::{
    Batch, BuildError, ComponentId, ComponentMetrics, ErrorStage, Event, Inlet, Outcome, RunError,
    Shutdown, Sink, SinkConfig, SinkContext,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::delivery::append_line;

/// What a user may write under `[sinks.<id>]` with `type = "console"`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `stdout` or `stderr`.
    pub target: Target,
    /// `json`, one line an event, or `pretty`, indented.
    pub encoding: Encoding,
}

/// Where text goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The standard output.
    #[default]
    Stdout,
    /// The standard error, which the log uses as well.
    Stderr,
}

/// How an event is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// JSON on one line.
    #[default]
    Json,
    /// JSON, indented over several lines.
    Pretty,
}

impl SinkConfig for Config {
    fn build(&self, context: SinkContext) -> BoxFuture<'_, Result<Box<dyn Sink>, BuildError>> {
        let writer: Box<dyn Write + Send> = match self.target {
            Target::Stdout => Box::new(io::stdout()),
            Target::Stderr => Box::new(io::stderr()),
        };
        let console = Console {
            component_id: context.id,
            metrics: context.metrics,
            encoding: self.encoding,
            writer,
            text: Vec::new(),
        };
        Box::pin(async move { Ok(Box::new(console) as Box<dyn Sink>) })
    }
}

struct Console {
    component_id: ComponentId,
    metrics: ComponentMetrics,
    encoding: Encoding,
    writer: Box<dyn Write + Send>,
    text: Vec<u8>,
}

impl Sink for Console {
    fn run(
        self: Box<Self>,
        input: Inlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = shutdown.abandoned() => Ok(()),
                result = self.print_all(input) => result,
            }
        })
    }
}

impl Console {
    async fn print_all(mut self: Box<Self>, mut input: Inlet) -> Result<(), RunError> {
        while let Some(batch) = input.next().await {
            // A terminal or a pipe can block for as long as its reader likes.
            let printed = tokio::task::spawn_blocking(move || {
                let result = self.print(batch);
                (self, result)
            });
            let (console, result) =
                printed.await.map_err(|panic| RunError::new("printing events failed", panic))?;
            self = console;
            match result {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    info!(component_id = %self.component_id, "the reader of the output is gone");
                    return Ok(());
                }
                Err(error) => {
                    self.metrics.error("write_failed", ErrorStage::Sending);
                    return Err(RunError::new("cannot write events to the console", error));
                }
            }
        }
        Ok(())
    }

    fn print(&mut self, batch: Batch) -> io::Result<()> {
        self.text.clear();
        for event in batch.events() {
            self.encoding.append(event, &mut self.text)?;
        }
        self.writer.write_all(&self.text)?;
        self.writer.flush()?;
        self.metrics.sent(batch.len(), self.text.len());
        self.metrics.sent_bytes("console", None, self.text.len());
        batch.settle(Outcome::Delivered);
        Ok(())
    }
}

impl Encoding {
    fn append(self, event: &Event, text: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Encoding::Json => append_line(event, text),
            Encoding::Pretty => {
                serde_json::to_writer_pretty(&mut *text, event.value())?;
                text.push(b'\n');
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use expect_test::{Expect, expect};

    use super::*;
    use crate::sinks::testing::{context, run_to_end};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn console(encoding: Encoding, writer: Box<dyn Write + Send>) -> Box<dyn Sink> {
        let context = context().0;
        Box::new(Console {
            component_id: context.id,
            metrics: context.metrics,
            encoding,
            writer,
            text: Vec::new(),
        })
    }

    async fn check(encoding: Encoding, expected: Expect) {
        let written = Shared::default();
        let sink = console(encoding, Box::new(written.clone()));
        let fates = run_to_end(sink, &["{\"b\":[1,\"x\"],\"a\":\"line\\nfeed\"}", "{}"]).await;
        assert_eq!(fates.outcomes(), [Outcome::Delivered; 2]);
        let text = String::from_utf8(written.0.lock().expect("no panic").clone());
        expected.assert_eq(&text.expect("text"));
    }

    #[tokio::test]
    async fn events_are_written_one_a_line_or_indented() {
        check(
            Encoding::Json,
            expect![[r#"
                {"a":"line\nfeed","b":[1,"x"]}
                {}
            "#]],
        )
        .await;
        check(
            Encoding::Pretty,
            expect![[r#"
                {
                  "a": "line\nfeed",
                  "b": [
                    1,
                    "x"
                  ]
                }
                {}
            "#]],
        )
        .await;
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_ends_the_sink_without_acknowledging() {
        let fates = run_to_end(console(Encoding::Json, Box::new(Closed)), &["{}"]).await;
        assert_eq!(fates.outcomes(), [Outcome::Errored]);
    }
}
