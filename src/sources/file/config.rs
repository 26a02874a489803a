//! What a user writes under `[sources.<id>]` with `type = "file"`, and its check.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::BoxFuture;
use glob::Pattern;
use pipeline_core::{BuildError, Output, Problem, Record, Source, SourceConfig, SourceContext};
use schemars::JsonSchema;
use serde::Deserialize;
use vrl::{
    path::{OwnedSegment, OwnedValuePath},
    value::{
        Kind, Value,
        kind::{Collection, Field},
    },
};

use super::{deliver::parse, source::FileSource};
use crate::{
    config::units::{byte_size, duration, field_path},
    sources::record,
};

/// Audit records in files: NDJSON, JSON arrays, and CSV exports of `Search-UnifiedAuditLog` or of the portal.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The files, as paths with `*`, `?`, `[…]` and, for any number of folders, `**`.
    pub include: Vec<String>,
    /// Files of these that are left alone, in the same form.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// What is in them: `ndjson`, `json` for an array, `csv`, or `auto` to look at how each begins. Files may be packed
    /// with gzip, and be UTF-8 or, with a byte order mark, UTF-16.
    #[serde(default)]
    pub format: Format,
    /// What the records are: `audit` for audit records, with `Id` and `CreationTime`, or `any` for any JSON objects.
    #[serde(default)]
    pub schema: Schema,
    /// `follow` goes on with files that grow and looks for new ones; `once` ends when all is read that was there.
    #[serde(default)]
    pub mode: Mode,
    /// How often to look for new files, and for more in those that are known.
    #[serde(default = "poll_interval", with = "duration")]
    pub poll_interval: Duration,
    /// Where the record stands in the event: empty for the root, or a path such as `o365.audit`.
    #[serde(default = "OwnedValuePath::root", with = "field_path")]
    pub record_path: OwnedValuePath,
    /// Bytes of records that may be on their way to the sinks at one time. Reading waits above that.
    #[serde(default = "max_in_flight_bytes", with = "byte_size")]
    pub max_in_flight_bytes: usize,
    /// Larger records go to the dead letters, cut short.
    #[serde(default = "record_bytes_max", with = "byte_size")]
    pub record_bytes_max: usize,
}

fn poll_interval() -> Duration {
    Duration::from_secs(1)
}

fn max_in_flight_bytes() -> usize {
    8_000_000
}

fn record_bytes_max() -> usize {
    10_000_000
}

/// How records stand in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// As its first bytes say.
    #[default]
    Auto,
    /// One JSON object a line.
    Ndjson,
    /// One array of JSON objects.
    Json,
    /// Rows with a header, one of whose columns is `AuditData`.
    Csv,
}

/// What a record is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schema {
    /// An audit record.
    #[default]
    Audit,
    /// A JSON object.
    Any,
}

/// When the source has read enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// When it is told to.
    #[default]
    Follow,
    /// At the end of the files.
    Once,
}

impl SourceConfig for Config {
    fn outputs(&self) -> Vec<Output> {
        let event = match self.schema {
            Schema::Audit => record::mounted_kind(&self.record_path),
            Schema::Any => Kind::any_object(),
        };
        let known = BTreeMap::from([
            (Field::from("file"), Kind::bytes()),
            (Field::from("offset"), Kind::integer()),
            (Field::from("ingest_time"), Kind::timestamp()),
        ]);
        let metadata = Kind::object(Collection::from_parts(known, Kind::undefined()));
        vec![Output::main(pipeline_core::Schema { event, metadata })]
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.include.is_empty() {
            let problem = Problem::at("include", "no file is named");
            problems.push(problem.fix("name some, as in [\"/var/exports/*.csv\"]"));
        }
        for (key, patterns) in [("include", &self.include), ("exclude", &self.exclude)] {
            for (index, pattern) in patterns.iter().enumerate() {
                if let Err(error) = Pattern::new(pattern) {
                    let message = format!("`{pattern}` is no pattern of paths: {error}");
                    problems.push(Problem::at(&format!("{key}.{index}"), message));
                }
            }
        }
        let is_field = |segment: &OwnedSegment| matches!(segment, OwnedSegment::Field(_));
        if !self.record_path.segments.iter().all(is_field) {
            let problem = Problem::at("record_path", "it holds an array index");
            problems.push(problem.fix("give a path of field names, as \"o365.audit\""));
        }
        if self.poll_interval.is_zero() {
            let problem = Problem::at("poll_interval", "the files would be looked at all the time");
            problems.push(problem.fix("give a span such as \"1s\""));
        }
        for (key, bytes) in [
            ("max_in_flight_bytes", self.max_in_flight_bytes),
            ("record_bytes_max", self.record_bytes_max),
        ] {
            if bytes == 0 {
                problems.push(Problem::at(key, "no record is that small").fix("leave it out"));
            }
        }
        problems
    }

    fn read_record(&self, record: &[u8]) -> Option<Value> {
        parse(record, self.schema, &self.record_path).ok().map(Record::into_value)
    }

    fn build(&self, context: SourceContext) -> BoxFuture<'_, Result<Box<dyn Source>, BuildError>> {
        Box::pin(async move {
            let source = FileSource::open(self.clone(), context)?;
            Ok(Box::new(source) as Box<dyn Source>)
        })
    }
}
