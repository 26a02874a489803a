//! What a user may write under `[sinks.<id>]` with `type = "elasticsearch"`.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use net::Transport;
use pipeline_core::{BuildError, Finding, Need, Problem, Sink, SinkConfig, SinkContext, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::warn;
use vrl::{path::OwnedValuePath, value::Kind};

use super::{
    Elasticsearch,
    auth::Auth,
    encode::Encoder,
    endpoint::Endpoint,
    index::{IndexName, name_problem},
    probe::probe,
    send::BulkSender,
};
use crate::{
    config::{proxy::Proxy, units},
    delivery::{BatchConfig, Delivery, DeliverySettings, RequestConfig, Tls},
};

/// What a user may write under `[sinks.<id>]` with `type = "elasticsearch"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to send, as `https://host:9200`. One is used at a time; the next one when it does not answer.
    pub endpoints: Vec<Endpoint>,
    /// `data_stream`, or `bulk` for indices and aliases.
    pub mode: Mode,
    /// The data stream, with `mode = "data_stream"`.
    pub data_stream: Option<DataStream>,
    /// The index, with `mode = "bulk"`.
    pub bulk: Option<BulkConfig>,
    /// The field that becomes the document's `_id`, so that an event that is sent twice is stored once. An event
    /// without it goes to the dead letters. `""` lets the server make ids, and a retry can then store an event twice.
    #[serde(with = "units::field_path")]
    pub id_field: OwnedValuePath,
    /// An ingest pipeline that documents pass through; `""` leaves that to the index.
    pub pipeline: String,
    /// Who to be.
    pub auth: Auth,
    /// `gzip` or `none`.
    pub compression: Compression,
    /// From 1, fast, to 9, small.
    pub compression_level: u8,
    /// How events gather into one request.
    pub batch: BatchConfig,
    /// How requests are made and repeated.
    pub request: RequestConfig,
    /// Whom to trust.
    pub tls: Tls,
    /// The way out of this network.
    pub proxy: Proxy,
}

/// What documents are written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A data stream. Every event must have `@timestamp`.
    #[default]
    DataStream,
    /// An index or an alias.
    Bulk,
}

/// The parts of a data stream's name, which is `<type>-<dataset>-<namespace>`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataStream {
    /// The kind of data.
    #[serde(rename = "type")]
    pub kind: String,
    /// What wrote it.
    pub dataset: String,
    /// Whatever keeps it apart from others of its kind.
    pub namespace: String,
}

/// An index, and what to do in it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct BulkConfig {
    /// The index or alias. `%Y`, `%m`, `%d` and the like are replaced by the date of the event.
    pub index: String,
    /// `create` leaves a document alone that is there already, `index` replaces it.
    pub action: Action,
    /// The field with the date for `index`. An event without it goes to the dead letters: the date of the day would
    /// put an event that is sent again into another index.
    #[serde(with = "units::field_path")]
    pub timestamp_field: OwnedValuePath,
}

/// What is done with a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Stored unless there is one with its id.
    #[default]
    Create,
    /// Stored, in the place of one with its id.
    Index,
}

/// How a request's body is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// A fifth of the traffic for a little of one core.
    #[default]
    Gzip,
    /// Not at all.
    None,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            endpoints: Vec::new(),
            mode: Mode::default(),
            data_stream: None,
            bulk: None,
            id_field: OwnedValuePath::single_field("event").with_field_appended("id"),
            pipeline: String::new(),
            auth: Auth::default(),
            compression: Compression::default(),
            compression_level: 1,
            batch: BatchConfig::default(),
            request: RequestConfig::default(),
            tls: Tls::default(),
            proxy: Proxy::default(),
        }
    }
}

impl Default for DataStream {
    fn default() -> Self {
        DataStream {
            kind: "logs".to_owned(),
            dataset: "o365.audit".to_owned(),
            namespace: "default".to_owned(),
        }
    }
}

impl DataStream {
    fn name(&self) -> String {
        format!("{}-{}-{}", self.kind, self.dataset, self.namespace)
    }

    fn problems(&self) -> Vec<Problem> {
        let parts =
            [("type", &self.kind), ("dataset", &self.dataset), ("namespace", &self.namespace)];
        let mut problems = Vec::new();
        for (option, part) in parts {
            let hyphen = part.contains('-').then_some("it has a hyphen, which separates the parts");
            if let Some(reason) = name_problem(part).or(hyphen) {
                let message = format!("`{part}` can't be part of a data stream's name: {reason}");
                problems.push(Problem::at(&format!("data_stream.{option}"), message));
            }
        }
        problems
    }
}

impl Default for BulkConfig {
    fn default() -> Self {
        BulkConfig {
            index: "o365-%Y.%m.%d".to_owned(),
            action: Action::default(),
            timestamp_field: OwnedValuePath::single_field("@timestamp"),
        }
    }
}

impl BulkConfig {
    fn problems(&self) -> Vec<Problem> {
        match IndexName::parse(&self.index, &self.timestamp_field) {
            Err(_) => {
                let message = format!("`{}` has a `%` that starts no known date part", self.index);
                vec![Problem::at("bulk.index", message).fix("write \"o365-%Y.%m.%d\", for example")]
            }
            Ok(IndexName::Fixed(name)) => match name_problem(&name) {
                Some(reason) => {
                    let message = format!("`{name}` can't be the name of an index: {reason}");
                    vec![Problem::at("bulk.index", message)]
                }
                None => Vec::new(),
            },
            // What the date makes of the name is the server's to judge.
            Ok(IndexName::Dated { .. }) => Vec::new(),
        }
    }
}

impl Config {
    fn bulk(&self) -> BulkConfig {
        self.bulk.clone().unwrap_or_default()
    }

    fn data_stream(&self) -> DataStream {
        self.data_stream.clone().unwrap_or_default()
    }

    /// Where documents go and how, or the problem with it.
    pub(super) fn index_and_action(&self) -> Result<(IndexName, Action), BuildError> {
        match self.mode {
            Mode::DataStream => Ok((IndexName::Fixed(self.data_stream().name()), Action::Create)),
            Mode::Bulk => {
                let bulk = self.bulk();
                let index =
                    IndexName::parse(&bulk.index, &bulk.timestamp_field).map_err(|error| {
                        BuildError::new(format!("`{}` is not an index name", bulk.index), error)
                    })?;
                Ok((index, bulk.action))
            }
        }
    }

    /// The sink's delivery over any network.
    pub(super) fn delivery(
        &self,
        transport: Arc<dyn Transport>,
        context: SinkContext,
    ) -> Result<Delivery<BulkSender>, BuildError> {
        let (index, action) = self.index_and_action()?;
        let encoder = Encoder {
            index,
            action,
            id_field: (!self.id_field.is_root()).then(|| self.id_field.clone()),
            bytes_max: self.batch.max_bytes,
            component_id: Arc::clone(&context.id),
        };
        let settings = DeliverySettings::new(&self.batch, &self.request);
        // Collectors that started at the same time must not come back at the same time.
        let seed = context.clock.now().timestamp_subsec_nanos();
        let sender = BulkSender::new(self, encoder, transport, &context)?;
        Ok(Delivery::new(sender, settings, context, seed.into()))
    }

    /// Warns of what is legal and unwise.
    fn warn(&self, context: &SinkContext) {
        let component_id = &context.id;
        let has_secret = !matches!(self.auth, Auth::None);
        for endpoint in &self.endpoints {
            let url = endpoint.url();
            let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
            if has_secret && url.scheme() == "http" && !is_local {
                warn!(%component_id, %url, "credentials travel in clear text: use https");
            }
        }
        if !self.tls.verify_certificate {
            warn!(%component_id, "certificates are not verified: any host in between can read and change events");
        }
    }
}

impl SinkConfig for Config {
    fn needs(&self) -> Vec<Need> {
        let date = Kind::bytes().or_timestamp();
        let mut needs = Vec::new();
        if !self.id_field.is_root() {
            let kind = Kind::bytes().or_integer().or_float().or_boolean().or_timestamp();
            needs.push(Need { path: self.id_field.clone(), kind, option: "id_field" });
        }
        match self.mode {
            Mode::DataStream => {
                let path = OwnedValuePath::single_field("@timestamp");
                // The server takes milliseconds since 1970 as well.
                needs.push(Need { path, kind: date.or_integer(), option: "mode" });
            }
            Mode::Bulk => {
                if let Ok((IndexName::Dated { timestamp_field: path, .. }, _)) =
                    self.index_and_action()
                {
                    needs.push(Need { path, kind: date, option: "bulk.timestamp_field" });
                }
            }
        }
        needs
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.tls.problems("tls");
        problems.extend(self.proxy.problems("proxy"));
        if self.endpoints.is_empty() {
            let message = "no endpoint is given";
            problems.push(
                Problem::at("endpoints", message).fix("add endpoints = [\"https://host:9200\"]"),
            );
        }
        let other = match self.mode {
            Mode::DataStream => self.bulk.is_some().then_some(("bulk", "bulk")),
            Mode::Bulk => self.data_stream.is_some().then_some(("data_stream", "data_stream")),
        };
        if let Some((key, mode)) = other {
            let message = format!("`{key}` is set but not used in this mode");
            problems.push(
                Problem::at(key, message).fix(format!("set mode = \"{mode}\", or remove `{key}`")),
            );
        }
        match self.mode {
            Mode::DataStream => problems.extend(self.data_stream().problems()),
            Mode::Bulk => problems.extend(self.bulk().problems()),
        }
        if !(1..=9).contains(&self.compression_level) {
            let message = format!("{} is not a level from 1 to 9", self.compression_level);
            problems.push(Problem::at("compression_level", message));
        }
        if self.auth.header().is_err() {
            let message = "the credentials hold a character that no header can carry";
            problems.push(Problem::at("auth", message));
        }
        problems
    }

    fn probe(&self, now: Timestamp) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(probe(self, now))
    }

    fn build(&self, context: SinkContext) -> BoxFuture<'_, Result<Box<dyn Sink>, BuildError>> {
        Box::pin(async move {
            self.warn(&context);
            let delivery = self.delivery(Arc::new(self.client()?), context)?;
            Ok(Box::new(Elasticsearch(delivery)) as Box<dyn Sink>)
        })
    }
}
