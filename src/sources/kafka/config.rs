//! What a user may write under `[sources.<id>]` with `type = "kafka"`.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use pipeline_core::{BuildError, Output, Problem, Record, Source, SourceConfig, SourceContext};
use rdkafka::ClientConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vrl::value::Value;

use super::{KafkaSource, message};
use crate::{
    config::units,
    delivery::OptionalTls,
    kafka::{self, LibrdkafkaOptions, Sasl, SecurityError, secure, warn_of_risks},
};

/// What librdkafka may hold that it has read ahead.
const READ_AHEAD_KILOBYTES: usize = 8 * 1024;

/// What a broker may send at once.
const FETCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The longest interval that librdkafka knows.
const INTERVAL_MAX: Duration = Duration::from_hours(24);

/// What has an option of the source, under librdkafka's names.
const HAS_OPTION: &[(&str, &str)] = &[
    ("group.id", "group_id"),
    ("auto.offset.reset", "auto_offset_reset"),
    ("auto.commit.interval.ms", "commit_interval"),
];

/// What would break a promise of the source.
const FIXED: &[(&str, &str)] = &[
    ("enable.auto.commit", "offsets are committed as events are acknowledged"),
    ("auto.commit.enable", "offsets are committed as events are acknowledged"),
    ("enable.auto.offset.store", "offsets are committed as events are acknowledged"),
    ("offset.store.method", "offsets are kept by the brokers"),
    ("enable.partition.eof", "the source needs to know where a partition ends"),
];

/// What a user may write under `[sources.<id>]` with `type = "kafka"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where brokers are, as `host:9092`, separated by commas. They tell where the others are.
    pub bootstrap_servers: String,
    /// The topics to read. One that begins with `^` is a regular expression for the names of topics.
    pub topics: Vec<String>,
    /// The consumer group. Its members share the partitions, and each goes on where the last one was.
    pub group_id: String,
    /// Where a group begins that has committed nothing: `earliest` with all that is there, `latest` with what comes, `error`
    /// not at all.
    pub auto_offset_reset: OffsetReset,
    /// What the messages are: `audit` for audit records as the source `office365` has them, with `Id` and `CreationTime`;
    /// `event` for events that `o365beat.vrl` has made, with `event.id` and `@timestamp`; `any` for any JSON objects. A
    /// message that is something else goes to the dead letters.
    pub schema: Schema,
    /// Bytes of messages that may be on their way to the sinks at one time. Reading waits above that.
    #[serde(with = "units::byte_size")]
    pub max_in_flight_bytes: usize,
    /// How often the offsets of what was acknowledged are committed.
    #[serde(with = "units::duration")]
    pub commit_interval: Duration,
    /// Who to be.
    pub sasl: Option<Sasl>,
    /// How connections are secured.
    pub tls: OptionalTls,
    /// How often librdkafka's statistics become metrics; `"0s"` is never.
    #[serde(with = "units::duration")]
    pub statistics_interval: Duration,
    /// Any other option of librdkafka, under its own name.
    pub librdkafka_options: LibrdkafkaOptions,
}

/// Where a new group begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OffsetReset {
    /// With all that is there.
    #[default]
    Earliest,
    /// With what comes.
    Latest,
    /// Not at all.
    Error,
}

/// What a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schema {
    /// An audit record.
    #[default]
    Audit,
    /// An event that was mapped.
    Event,
    /// A JSON object.
    Any,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            bootstrap_servers: String::new(),
            topics: Vec::new(),
            group_id: "o365flow".to_owned(),
            auto_offset_reset: OffsetReset::default(),
            schema: Schema::default(),
            max_in_flight_bytes: 12_000_000,
            commit_interval: Duration::from_secs(5),
            sasl: None,
            tls: OptionalTls::default(),
            statistics_interval: Duration::from_secs(15),
            librdkafka_options: LibrdkafkaOptions::default(),
        }
    }
}

impl OffsetReset {
    fn as_str(self) -> &'static str {
        match self {
            OffsetReset::Earliest => "earliest",
            OffsetReset::Latest => "latest",
            OffsetReset::Error => "error",
        }
    }
}

impl Config {
    /// What librdkafka's consumer is told. Reads the files of `tls`.
    pub(super) fn client(&self) -> Result<ClientConfig, SecurityError> {
        let mut client = kafka::client(&self.bootstrap_servers, &self.librdkafka_options);
        secure(&mut client, self.sasl.as_ref(), &self.tls)?;
        let milliseconds = |duration: Duration| duration.as_millis().to_string();
        let settings = [
            ("group.id", self.group_id.clone()),
            ("auto.offset.reset", self.auto_offset_reset.as_str().to_owned()),
            ("enable.auto.commit", "true".to_owned()),
            ("enable.auto.offset.store", "false".to_owned()),
            ("auto.commit.interval.ms", milliseconds(self.commit_interval)),
            ("enable.partition.eof", "true".to_owned()),
            ("queued.max.messages.kbytes", READ_AHEAD_KILOBYTES.to_string()),
            ("fetch.max.bytes", FETCH_BYTES_MAX.to_string()),
            ("statistics.interval.ms", milliseconds(self.statistics_interval)),
        ];
        for (name, value) in settings {
            client.set(name, value);
        }
        self.librdkafka_options.apply(&mut client);
        Ok(client)
    }
}

impl SourceConfig for Config {
    fn outputs(&self) -> Vec<Output> {
        let (event, metadata) = (message::kind(self.schema), message::metadata_kind());
        vec![Output::main(pipeline_core::Schema { event, metadata })]
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::from_iter(kafka::servers_problem(&self.bootstrap_servers));
        let mut missing = |is_missing: bool, key, message, fix| {
            if is_missing {
                problems.push(Problem::at(key, message).fix(fix));
            }
        };
        let has_none = self.topics.iter().all(|topic| topic.trim().is_empty());
        missing(has_none, "topics", "no topic is given", "add topics = [\"o365\"]");
        let is_odd = self.topics.iter().any(|topic| topic.contains('\0'));
        missing(is_odd, "topics", "a topic has a character of code 0 in its name", "remove it");
        let has_no_group = self.group_id.trim().is_empty();
        missing(has_no_group, "group_id", "no group is given", "add group_id = \"o365flow\"");
        let has_no_room = self.max_in_flight_bytes == 0;
        let message = "nothing could ever be read";
        missing(has_no_room, "max_in_flight_bytes", message, "give it \"1MB\" at least");
        let intervals = [
            ("commit_interval", self.commit_interval),
            ("statistics_interval", self.statistics_interval),
        ];
        for (option, interval) in intervals {
            if interval > INTERVAL_MAX {
                problems.push(Problem::at(option, "librdkafka takes 24h at most"));
            }
        }
        if self.commit_interval.as_millis() == 0 {
            let message = "offsets would never be committed";
            problems.push(Problem::at("commit_interval", message).fix("give it \"1s\", say"));
        }
        problems.extend(self.tls.problems("tls"));
        problems.extend(self.librdkafka_options.problems(HAS_OPTION, FIXED));
        problems
    }

    fn read_record(&self, record: &[u8]) -> Option<Value> {
        message::parse(record, self.schema).ok().map(Record::into_value)
    }

    fn build(&self, context: SourceContext) -> BoxFuture<'_, Result<Box<dyn Source>, BuildError>> {
        Box::pin(async move {
            warn_of_risks(&context.id, self.sasl.as_ref(), &self.tls);
            // What the files and options are worth is known before anything runs; brokers may come up later.
            self.client()
                .map_err(|error| BuildError::new("cannot build the source", error))?
                .create_native_config()
                .map_err(|error| BuildError::plain(kafka::without_values(&error)))?;
            Ok(Box::new(KafkaSource::new(Arc::new(self.clone()), context)) as Box<dyn Source>)
        })
    }
}
