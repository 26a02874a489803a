//! What a user may write under `[sinks.<id>]` with `type = "kafka"`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use pipeline_core::{
    BuildError, ComponentId, Finding, Need, Problem, Sink, SinkConfig, SinkContext, Timestamp,
};
use rdkafka::ClientConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vrl::{path::OwnedValuePath, value::Kind};

use super::{KafkaSink, encode::topic_problem};
use crate::{
    config::units,
    delivery::{BatchConfig, OptionalTls, RequestConfig, Template},
    kafka::{self, LibrdkafkaOptions, Sasl, SecurityError, secure, warn_of_risks},
};

/// What librdkafka may hold, besides what the sink does: several requests of the default size.
const QUEUE_KILOBYTES_MAX: usize = 24 * 1024;

/// The largest set of messages that librdkafka makes; brokers refuse more than 1,048,588 bytes by default.
const MESSAGE_SET_BYTES_MAX: usize = 1_000_000;

/// The longest wait for an answer that librdkafka knows.
const REQUEST_TIMEOUT_MAX: Duration = Duration::from_mins(5);

/// The longest interval that librdkafka knows.
const STATISTICS_INTERVAL_MAX: Duration = Duration::from_hours(24);

/// The levels that librdkafka knows.
const COMPRESSION_LEVELS: std::ops::RangeInclusive<i8> = -1..=12;

/// What has an option of the sink, under librdkafka's names.
const HAS_OPTION: &[(&str, &str)] = &[
    ("partitioner", "partitioner"),
    ("compression.codec", "compression"),
    ("compression.type", "compression"),
    ("compression.level", "compression_level"),
    ("message.timeout.ms", "message_timeout"),
    ("delivery.timeout.ms", "message_timeout"),
    ("batch.size", "batch.max_bytes"),
    ("request.timeout.ms", "request.timeout"),
    ("socket.timeout.ms", "request.timeout"),
];

/// What would break a promise of the sink.
const FIXED: &[(&str, &str)] = &[
    ("acks", "an event counts as delivered once all replicas in sync have it"),
    ("request.required.acks", "an event counts as delivered once all replicas in sync have it"),
    ("enable.idempotence", "without it, a repeated request stores events twice"),
    ("enable.gapless.guarantee", "an event that is refused must not stop the others"),
    ("delivery.report.only.error", "events are acknowledged by their reports"),
    ("message.send.max.retries", "an event is sent until it has arrived"),
    ("retries", "an event is sent until it has arrived"),
    ("max.in.flight", "librdkafka chooses what keeps repeats away"),
    ("max.in.flight.requests.per.connection", "librdkafka chooses what keeps repeats away"),
    ("queuing.strategy", "librdkafka chooses what keeps repeats away"),
    ("transactional.id", "the sink makes no transactions"),
    ("queue.buffering.max.kbytes", "memory is bounded by the sink"),
    ("queue.buffering.max.messages", "memory is bounded by the sink"),
];

/// What a user may write under `[sinks.<id>]` with `type = "kafka"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where brokers are, as `host:9092`, separated by commas. They tell where the others are.
    pub bootstrap_servers: String,
    /// Where events go. `{{ field }}` is replaced by a field of the event, `%Y`, `%m`, `%d` and the like by its date.
    pub topic: Template,
    /// The field that becomes the message's key, which decides on its partition. An event without it has no key; `""`
    /// gives no message one.
    #[serde(with = "units::field_path")]
    pub key_field: OwnedValuePath,
    /// Headers of the message, made as `topic` is. An event that lacks a field of theirs goes to the dead letters.
    pub headers: BTreeMap<String, Template>,
    /// The field with the date for `topic` and `headers`. An event without it goes to the dead letters.
    #[serde(with = "units::field_path")]
    pub timestamp_field: OwnedValuePath,
    /// How the partition follows from the key: `consistent_random`, `consistent`, `murmur2_random` as Java programs do,
    /// `murmur2`, `fnv1a_random`, `fnv1a` or `random`. Those in `_random` spread events without a key.
    pub partitioner: Partitioner,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub compression: Compression,
    /// 0 to 9 for `gzip`, 0 to 12 for `lz4` and `zstd`; -1 is the method's own default.
    pub compression_level: i8,
    /// How long librdkafka tries to deliver an event before the sink sends it again as a new one, which can store it
    /// twice; `"0s"` is for as long as it takes, and stores it once.
    #[serde(with = "units::duration")]
    pub message_timeout: Duration,
    /// Who to be.
    pub sasl: Option<Sasl>,
    /// How connections are secured.
    pub tls: OptionalTls,
    /// How events gather into one request.
    pub batch: BatchConfig,
    /// How requests are made and repeated.
    pub request: RequestConfig,
    /// How often librdkafka's statistics become metrics; `"0s"` is never.
    #[serde(with = "units::duration")]
    pub statistics_interval: Duration,
    /// Any other option of librdkafka, under its own name.
    pub librdkafka_options: LibrdkafkaOptions,
}

/// How a message's partition is chosen, in librdkafka's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Partitioner {
    /// CRC-32 of the key.
    #[default]
    ConsistentRandom,
    /// CRC-32 of the key; all messages without one share a partition.
    Consistent,
    /// As Java's producer does.
    Murmur2Random,
    /// As Java's producer does; all messages without a key share a partition.
    Murmur2,
    /// FNV-1a of the key.
    Fnv1aRandom,
    /// FNV-1a of the key; all messages without one share a partition.
    Fnv1a,
    /// Whatever the key.
    Random,
}

/// How sets of messages are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not at all.
    None,
    /// Old and widely read.
    Gzip,
    /// Fast.
    Snappy,
    /// Faster.
    Lz4,
    /// Small, at little cost.
    #[default]
    Zstd,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            bootstrap_servers: String::new(),
            topic: Template::parse("").expect("an empty text is a template"),
            key_field: OwnedValuePath::single_field("event").with_field_appended("id"),
            headers: BTreeMap::new(),
            timestamp_field: OwnedValuePath::single_field("@timestamp"),
            partitioner: Partitioner::default(),
            compression: Compression::default(),
            compression_level: 1,
            message_timeout: Duration::ZERO,
            sasl: None,
            tls: OptionalTls::default(),
            batch: BatchConfig::default(),
            request: RequestConfig::default(),
            statistics_interval: Duration::from_secs(15),
            librdkafka_options: LibrdkafkaOptions::default(),
        }
    }
}

impl Partitioner {
    fn as_str(self) -> &'static str {
        match self {
            Partitioner::ConsistentRandom => "consistent_random",
            Partitioner::Consistent => "consistent",
            Partitioner::Murmur2Random => "murmur2_random",
            Partitioner::Murmur2 => "murmur2",
            Partitioner::Fnv1aRandom => "fnv1a_random",
            Partitioner::Fnv1a => "fnv1a",
            Partitioner::Random => "random",
        }
    }
}

impl Compression {
    fn as_str(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

impl Config {
    /// How librdkafka reaches the cluster. Reads the files of `tls`.
    fn connection(&self) -> Result<ClientConfig, SecurityError> {
        let mut client = kafka::client(&self.bootstrap_servers, &self.librdkafka_options);
        secure(&mut client, self.sasl.as_ref(), &self.tls)?;
        Ok(client)
    }

    /// What librdkafka's producer is told. Reads the files of `tls`.
    pub(super) fn client(&self) -> Result<ClientConfig, SecurityError> {
        let mut client = self.connection()?;
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        let settings = [
            ("acks", "all".to_owned()),
            ("enable.idempotence", "true".to_owned()),
            ("message.timeout.ms", milliseconds(self.message_timeout)),
            ("request.timeout.ms", milliseconds(self.request.timeout)),
            ("socket.timeout.ms", milliseconds(self.request.timeout)),
            ("partitioner", self.partitioner.as_str().to_owned()),
            ("compression.codec", self.compression.as_str().to_owned()),
            ("compression.level", self.compression_level.to_string()),
            ("batch.size", self.batch.max_bytes.min(MESSAGE_SET_BYTES_MAX).to_string()),
            ("queue.buffering.max.kbytes", QUEUE_KILOBYTES_MAX.to_string()),
            ("statistics.interval.ms", milliseconds(self.statistics_interval)),
        ];
        for (name, value) in settings {
            client.set(name, value);
        }
        self.librdkafka_options.apply(&mut client);
        Ok(client)
    }

    /// Topic, batch and times that cannot be.
    fn problems_of_values(&self) -> Vec<Problem> {
        let mut problems = Vec::from_iter(kafka::servers_problem(&self.bootstrap_servers));
        match self.topic.fixed() {
            Some("") => {
                let message = "no topic is given";
                problems.push(Problem::at("topic", message).fix("add topic = \"o365\""));
            }
            Some(name) => {
                if let Some(reason) = topic_problem(name) {
                    let message = format!("`{name}` can't be the name of a topic: {reason}");
                    problems.push(Problem::at("topic", message));
                }
            }
            // What an event makes of it is known with the event.
            None => {}
        }
        for name in self.headers.keys().filter(|name| name.is_empty() || name.contains('\0')) {
            let message = format!("{name:?} can't be the name of a header");
            problems.push(Problem::at("headers", message));
        }
        if !COMPRESSION_LEVELS.contains(&self.compression_level) {
            let message = format!("{} is not a level from -1 to 12", self.compression_level);
            problems.push(Problem::at("compression_level", message));
        }
        let longest = [
            ("request.timeout", self.request.timeout, REQUEST_TIMEOUT_MAX),
            ("statistics_interval", self.statistics_interval, STATISTICS_INTERVAL_MAX),
        ];
        for (option, duration, max) in longest {
            if duration > max {
                let max = humantime::format_duration(max);
                problems.push(Problem::at(option, format!("librdkafka takes {max} at most")));
            }
        }
        problems
    }

    /// Warns of what is legal and unwise.
    fn warn(&self, component_id: &ComponentId) {
        warn_of_risks(component_id, self.sasl.as_ref(), &self.tls);
    }
}

impl SinkConfig for Config {
    fn needs(&self) -> Vec<Need> {
        let mut needs = self.topic.needs("topic");
        needs.extend(self.headers.values().flat_map(|header| header.needs("headers")));
        let has_date = self.topic.has_date() || self.headers.values().any(Template::has_date);
        if has_date {
            let kind = Kind::bytes().or_timestamp();
            let path = self.timestamp_field.clone();
            needs.push(Need { path, kind, option: "timestamp_field" });
        }
        needs
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.problems_of_values();
        problems.extend(self.request.problems());
        problems.extend(self.tls.problems("tls"));
        problems.extend(self.librdkafka_options.problems(HAS_OPTION, FIXED));
        problems
    }

    fn probe(&self, _now: Timestamp) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(async move {
            let mut client = match self.connection() {
                Ok(client) => client,
                Err(error) => return vec![kafka::unusable(&error)],
            };
            self.librdkafka_options.apply(&mut client);
            let topics = self.topic.fixed().map(str::to_owned).into_iter().collect();
            let servers = self.bootstrap_servers.clone();
            kafka::probe(client, kafka::Asked { servers, topics }).await
        })
    }

    fn build(&self, context: SinkContext) -> BoxFuture<'_, Result<Box<dyn Sink>, BuildError>> {
        Box::pin(async move {
            self.warn(&context.id);
            // What the files and options are worth is known before anything runs; brokers may come up later.
            self.client()
                .map_err(|error| BuildError::new("cannot build the sink", error))?
                .create_native_config()
                .map_err(|error| BuildError::plain(kafka::without_values(&error)))?;
            Ok(Box::new(KafkaSink::new(Arc::new(self.clone()), context)) as Box<dyn Sink>)
        })
    }
}
