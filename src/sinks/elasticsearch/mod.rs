//! The sink `elasticsearch`: events by the `_bulk` API, into Elasticsearch 7 and later or `OpenSearch`.
//!
//! Invariants: the answer is read item by item, and each event is settled by what the server said of it. An event that
//! is sent twice, because the first answer got lost, is stored once: its `_id` is its own, and `create` answers 409.
//!
//! It makes no index, template or stream, and does not ask whether the server is there: it sends, and waits. Ids are
//! unique within one index: what is sent again after the roll-over of a data stream in between is stored again.

mod action_line;
mod ask;
mod auth;
mod cause;
mod compress;
mod config;
mod destination;
mod encode;
mod endpoint;
mod error;
mod metrics;
mod pool;
mod probe;
mod reply;
mod send;
mod setup;
mod sniff;
mod target;

pub use auth::Auth;
pub use config::{Compression, Config, EndpointSelection};
pub use endpoint::{Endpoint, EndpointError};
pub use setup::{Fields, PlanError, SetupError, SetupMode, SetupPlan, SetupStep, StepResult};
pub use target::{Action, BulkConfig, DataStream, Mode, VersionType};

use futures_util::future::BoxFuture;
use net::{ClientSettings, HttpClient, Timeouts};
use pipeline_core::{BuildError, Inlet, RunError, Shutdown, Sink};
use send::BulkSender;
use sniff::Sniffer;

use crate::delivery::Delivery;

impl Config {
    /// The way to the servers.
    fn client(&self) -> Result<HttpClient, BuildError> {
        let client = ClientSettings {
            timeouts: Timeouts { headers: self.request.timeout, idle: self.request.timeout },
            tls: self.tls.settings(),
            proxy: self.proxy.settings()?,
            ..ClientSettings::default()
        };
        HttpClient::new(&client)
            .map_err(|error| BuildError::new("cannot set up TLS for elasticsearch", error))
    }
}

/// The sink, built.
struct Elasticsearch {
    delivery: Delivery<BulkSender>,
    sniffer: Option<Sniffer>,
}

impl Sink for Elasticsearch {
    fn run(
        self: Box<Self>,
        input: Inlet,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, Result<(), RunError>> {
        Box::pin(async move {
            let Elasticsearch { delivery, sniffer } = *self;
            let sniff = async {
                match &sniffer {
                    Some(sniffer) => sniffer.run().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = delivery.run(input, shutdown) => {}
                () = sniff => {}
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
