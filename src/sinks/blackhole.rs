//! The sink `blackhole`: says that everything was delivered, and keeps nothing. For tests and measurements.

use std::time::Duration;

use futures_util::future::BoxFuture;
use pipeline_core::{
    Batch, BuildError, ComponentId, ComponentMetrics, Inlet, Outcome, RunError, Shutdown, Sink,
    SinkConfig, SinkContext,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::info;

use crate::config::units;

/// What a user may write under `[sinks.<id>]` with `type = "blackhole"`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often the log says how many events were swallowed; `"0s"` never does.
    #[serde(with = "units::duration")]
    pub print_interval: Duration,
}

impl SinkConfig for Config {
    fn build(&self, context: SinkContext) -> BoxFuture<'_, Result<Box<dyn Sink>, BuildError>> {
        let hole = Blackhole {
            component_id: context.id,
            metrics: context.metrics,
            print_interval: self.print_interval,
            events: 0,
            bytes: 0,
        };
        Box::pin(async move { Ok(Box::new(hole) as Box<dyn Sink>) })
    }
}

struct Blackhole {
    component_id: ComponentId,
    metrics: ComponentMetrics,
    print_interval: Duration,
    events: usize,
    bytes: usize,
}

impl Sink for Blackhole {
    fn run(
        mut self: Box<Self>,
        mut input: Inlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>> {
        Box::pin(async move {
            let mut ticks = (!self.print_interval.is_zero()).then(|| {
                let mut ticks =
                    interval_at(Instant::now() + self.print_interval, self.print_interval);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
                ticks
            });
            loop {
                let tick = async {
                    match &mut ticks {
                        Some(ticks) => ticks.tick().await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    () = shutdown.abandoned() => break,
                    _ = tick => self.print(),
                    batch = input.next() => match batch {
                        Some(batch) => self.swallow(batch),
                        None => break,
                    },
                }
            }
            if ticks.is_some() {
                self.print();
            }
            Ok(())
        })
    }
}

impl Blackhole {
    fn swallow(&mut self, batch: Batch) {
        let (events, bytes) = (batch.len(), batch.byte_size());
        self.events += events;
        self.bytes += bytes;
        self.metrics.sent(events, bytes);
        self.metrics.sent_bytes("blackhole", None, bytes);
        batch.settle(Outcome::Delivered);
    }

    fn print(&self) {
        let Blackhole { component_id, events, bytes, .. } = self;
        info!(%component_id, events, bytes, "swallowed so far");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::testing::{context, run_to_end};

    #[tokio::test(start_paused = true)]
    async fn everything_counts_as_delivered() {
        let config: Config = toml::from_str("print_interval = \"1s\"").expect("it parses");
        let sink = config.build(context().0).await.expect("it builds");
        let fates = run_to_end(sink, &["{}", "{\"a\":1}"]).await;
        assert_eq!(fates.outcomes(), [Outcome::Delivered, Outcome::Delivered]);
    }
}
