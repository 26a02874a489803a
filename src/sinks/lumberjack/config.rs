//! What a user may write under `[sinks.<id>]` with `type = "lumberjack"`.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use net::StreamConnector;
use pipeline_core::{BuildError, Finding, Need, Problem, Sink, SinkConfig, SinkContext, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::warn;
use vrl::{path::OwnedValuePath, value::Kind};

use super::{
    Lumberjack,
    encode::Encoder,
    host::Host,
    pool::{Pool, PoolSettings},
    probe::probe,
    send::WindowSender,
};
use crate::{
    config::units,
    delivery::{
        BackoffSettings, BatchConfig, Delivery, DeliverySettings, OptionalTls, RequestConfig,
    },
};

/// Events of a window at most: far more than any receiver likes, and far below what its number can say.
const WINDOW_EVENTS_MAX: usize = 1_000_000;

/// Bytes of a batch at most: a window of it has to fit into one frame, whose length is a number of 32 bits.
const BATCH_BYTES_MAX: usize = 1 << 30;

/// What a user may write under `[sinks.<id>]` with `type = "lumberjack"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to send, as `logstash:5044`, with 5044 for a host without a port. A host that stands here twice gets two
    /// connections.
    pub hosts: Vec<Host>,
    /// Whether events are spread over all hosts that work. With `false`, the first host that works gets all of them.
    pub loadbalance: bool,
    /// From 1, fast, to 9, small; 0 does not compress.
    pub compression_level: u8,
    /// Events that are sent before an acknowledgement is waited for. A host begins with few, doubles them with each
    /// acknowledgement, and halves them when it fails.
    pub window_size: NonZeroUsize,
    /// Windows on their way at the same time on one connection; `request.concurrency` bounds those of all hosts together.
    pub pipelining: NonZeroUsize,
    /// Age at which a connection is replaced, so that a load balancer in front of the receivers can choose again; `"0s"`
    /// keeps it.
    #[serde(with = "units::duration")]
    pub ttl: Duration,
    /// How long a connection may take to be made, TLS included.
    #[serde(with = "units::duration")]
    pub connect_timeout: Duration,
    /// Bytes of one event as JSON. A larger one goes to the dead letters: a receiver that cannot read an event ends the
    /// connection and says no more, so that the event would be in the way of all others.
    #[serde(with = "units::byte_size")]
    pub max_event_bytes: usize,
    /// What the receiver finds in `@metadata` of each event, as from a Beat. Fields that an event has there itself come
    /// first.
    pub metadata: Metadata,
    /// How events gather into one batch, which is sent in as many windows as it takes.
    pub batch: BatchConfig,
    /// How batches are sent and repeated. `timeout` is for the acknowledgement of a whole window, however often the
    /// receiver says that it is still at it.
    pub request: RequestConfig,
    /// How connections are secured.
    pub tls: OptionalTls,
}

/// Who Logstash thinks is sending.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metadata {
    /// The name of the Beat, of which Logstash's configurations make names of indices: `%{[@metadata][beat]}`.
    pub beat: String,
    /// The type of documents.
    #[serde(rename = "type")]
    pub kind: String,
    /// The version of the Beat. The default is that of the last o365beat.
    pub version: String,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            hosts: Vec::new(),
            loadbalance: false,
            compression_level: 1,
            window_size: NonZeroUsize::new(2048).expect("it is not zero"),
            pipelining: NonZeroUsize::new(2).expect("it is not zero"),
            ttl: Duration::ZERO,
            connect_timeout: Duration::from_secs(10),
            max_event_bytes: 20 * 1000 * 1000,
            metadata: Metadata::default(),
            batch: BatchConfig::default(),
            request: RequestConfig::default(),
            tls: OptionalTls::default(),
        }
    }
}

impl Default for Metadata {
    fn default() -> Self {
        Metadata {
            beat: "o365beat".to_owned(),
            kind: "_doc".to_owned(),
            version: "1.5.1".to_owned(),
        }
    }
}

impl Config {
    /// The way to the receivers.
    pub(super) fn connector(&self) -> Result<StreamConnector, BuildError> {
        StreamConnector::new(self.tls.settings().as_ref(), self.connect_timeout)
            .map_err(|error| BuildError::new("cannot set up TLS for lumberjack", error))
    }

    fn delivery(&self, context: SinkContext) -> Result<Delivery<WindowSender>, BuildError> {
        // Collectors that started at the same time must not come back at the same time.
        let seed = context.clock.now().timestamp_subsec_nanos();
        let settings = PoolSettings {
            is_balanced: self.loadbalance,
            window_size: self.window_size,
            windows_max: self.pipelining,
            ttl: (!self.ttl.is_zero()).then_some(self.ttl),
            connect_timeout: self.connect_timeout,
            ack_timeout: self.request.timeout,
            backoff: BackoffSettings {
                initial: self.request.retry_initial_backoff,
                max: self.request.retry_max_backoff,
            },
            seed: seed.into(),
        };
        let hosts = self.hosts.iter().map(|host| host.address().clone()).collect();
        let pool = Pool::new(hosts, self.connector()?, settings, Arc::clone(&context.id));
        let encoder = Encoder {
            metadata: self.metadata.clone(),
            event_bytes_max: self.max_event_bytes,
            component_id: Arc::clone(&context.id),
        };
        let level = u32::from(self.compression_level);
        let sender = WindowSender::new(encoder, pool, level, &context);
        let settings = DeliverySettings::new(&self.batch, &self.request);
        Ok(Delivery::new(sender, settings, context, seed.into()))
    }

    /// Warns of what is legal and unwise.
    fn warn(&self, component_id: &str) {
        if !self.tls.enabled && self.hosts.iter().any(|host| !host.is_local()) {
            warn!(%component_id, "events travel in clear text: set tls.enabled");
        }
        if self.tls.enabled && !self.tls.verify_certificate {
            warn!(%component_id, "certificates are not verified: any host in between can read and change events");
        }
    }
}

impl SinkConfig for Config {
    fn hopes(&self) -> Vec<Need> {
        let path = OwnedValuePath::single_field("@timestamp");
        vec![Need { path, kind: Kind::bytes().or_timestamp(), option: "inputs" }]
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.tls.problems("tls");
        if self.hosts.is_empty() {
            let message = "no host is given";
            problems.push(Problem::at("hosts", message).fix("add hosts = [\"logstash:5044\"]"));
        }
        if self.compression_level > 9 {
            let message = format!("{} is not a level from 0 to 9", self.compression_level);
            problems.push(Problem::at("compression_level", message));
        }
        if self.window_size.get() > WINDOW_EVENTS_MAX {
            let message = format!("a window of {} events is too large", self.window_size);
            problems.push(Problem::at("window_size", message).fix("2048 is a good size"));
        }
        for (key, bytes) in
            [("batch.max_bytes", self.batch.max_bytes), ("max_event_bytes", self.max_event_bytes)]
        {
            if bytes > BATCH_BYTES_MAX {
                let message = "the protocol has no frames of more than 1GiB";
                problems.push(Problem::at(key, message));
            }
        }
        if self.connect_timeout.is_zero() {
            problems.push(Problem::at("connect_timeout", "nothing is done in no time"));
        }
        problems.extend(self.request.problems());
        problems
    }

    fn probe(&self, _now: Timestamp) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(probe(self))
    }

    fn build(&self, context: SinkContext) -> BoxFuture<'_, Result<Box<dyn Sink>, BuildError>> {
        Box::pin(async move {
            self.warn(&context.id);
            Ok(Box::new(Lumberjack(self.delivery(context)?)) as Box<dyn Sink>)
        })
    }
}
