//! The sink `lumberjack`: events to Logstash's beats input, or whatever else takes what Beats send.
//!
//! Invariants: an event is delivered once its receiver has acknowledged it, and not before; what was not acknowledged is
//! sent again, so that an event whose acknowledgement got lost arrives twice. The protocol has no ids: whoever is behind
//! the receiver removes repeats by `event.id`.

mod config;
mod encode;
mod host;
mod pool;
mod probe;
mod send;

pub use config::{Config, Metadata};
pub use host::{Host, HostError};

use futures_util::future::BoxFuture;
use pipeline_core::{Inlet, RunError, Shutdown, Sink};
use send::WindowSender;

use crate::delivery::Delivery;

/// The sink, built.
struct Lumberjack(Delivery<WindowSender>);

impl Sink for Lumberjack {
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

#[cfg(test)]
mod tests;
