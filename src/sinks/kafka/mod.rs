//! The sink `kafka`: events as messages of any topic, by librdkafka's idempotent producer.
//!
//! Invariants: an event is settled by the report on its own message, and by nothing else. All replicas in sync have what
//! counts as delivered. One producer stores a message once, however often librdkafka has to send it; what is sent again
//! after a restart, or by a producer that takes the place of one that failed for good, can be stored twice.
//!
//! It makes no topics, and does not ask whether the cluster is there: it sends, and waits.

mod config;
mod encode;
mod producer;
mod send;
mod verdict;

use std::sync::Arc;

pub use config::{Compression, Config, Partitioner};
use futures_util::future::BoxFuture;
use pipeline_core::{Inlet, RunError, Shutdown, Sink, SinkContext};
use send::{ProduceSender, Producers};

use crate::delivery::{Delivery, DeliverySettings};

/// The sink, built.
struct KafkaSink {
    config: Arc<Config>,
    context: SinkContext,
}

impl KafkaSink {
    fn new(config: Arc<Config>, context: SinkContext) -> KafkaSink {
        KafkaSink { config, context }
    }
}

impl Sink for KafkaSink {
    fn run(
        self: Box<Self>,
        input: Inlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>> {
        Box::pin(async move {
            let producers = Arc::<Producers>::default();
            let settings = DeliverySettings::new(&self.config.batch, &self.config.request);
            // Collectors that started at the same time must not come back at the same time.
            let seed = self.context.clock.now().timestamp_subsec_nanos();
            let sender =
                ProduceSender::new(self.config, Arc::clone(&producers), self.context.clone());
            Delivery::new(sender, settings, self.context, seed.into()).run(input, shutdown).await;
            // Librdkafka's threads end while somebody waits for them, who must not be a thread of the runtime.
            let ended = tokio::task::spawn_blocking(move || drop(producers.take())).await;
            ended.map_err(|panic| RunError::new("librdkafka could not be ended", panic))
        })
    }
}
