//! What a user may write under `[sinks.<id>]` with `type = "elasticsearch"`.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use net::Transport;
use pipeline_core::{BuildError, Finding, Need, Problem, Sink, SinkConfig, SinkContext, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::warn;
use vrl::{path::OwnedValuePath, value::Kind};

use super::{
    Elasticsearch,
    action_line::ActionLine,
    auth::Auth,
    destination::{Destination, Target},
    encode::Encoder,
    endpoint::Endpoint,
    pool::Pool,
    probe::probe,
    send::{BulkSender, Route},
    sniff::Sniffer,
    target::{Action, BulkConfig, DataStream, Mode},
};
use crate::{
    config::{proxy::Proxy, units},
    delivery::{BatchConfig, Delivery, DeliverySettings, RequestConfig, Template, Tls},
};

/// The shortest time between two look-ups of nodes.
const SNIFF_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// What a user may write under `[sinks.<id>]` with `type = "elasticsearch"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to send, as `https://host:9200`: nodes of one cluster, or what stands in front of it. One that fails is
    /// set aside and tried again later, while the others go on.
    pub endpoints: Vec<Endpoint>,
    /// `spread` gives requests to all endpoints in turn, so that no node has the work of all; `failover` to the first
    /// that is well, for one that is near and others that are only there in case.
    pub endpoint_selection: EndpointSelection,
    /// `true` looks up the cluster's nodes and sends to them as well. Only for nodes that can be reached from here by
    /// the addresses that they publish; with credentials, only over https with verified certificates.
    pub sniff: bool,
    /// How often nodes are looked up.
    #[serde(with = "units::duration")]
    pub sniff_interval: Duration,
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
    /// An ingest pipeline that documents pass through; `""` leaves that to the index. `{{ field }}` is replaced by that
    /// field of the event. While a pipeline with a fixed name does not exist, events wait; an event that names one that
    /// does not exist goes to the dead letters.
    pub pipeline: Template,
    /// Who to be.
    pub auth: Auth,
    /// `gzip`, `zstd` or `none`. `OpenSearch` takes `zstd`, Elasticsearch does not.
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

/// How a request's body is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// A fifth of the traffic for a little of one core.
    #[default]
    Gzip,
    /// For less of a core than gzip, where the server takes it.
    Zstd,
    /// Not at all.
    None,
}

/// Which of the endpoints that are well is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointSelection {
    /// One after the other.
    #[default]
    Spread,
    /// The first.
    Failover,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            endpoints: Vec::new(),
            endpoint_selection: EndpointSelection::default(),
            sniff: false,
            sniff_interval: Duration::from_mins(5),
            mode: Mode::default(),
            data_stream: None,
            bulk: None,
            id_field: OwnedValuePath::single_field("event").with_field_appended("id"),
            pipeline: Template::parse("").expect("no text is a template"),
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

impl Config {
    fn bulk(&self) -> BulkConfig {
        self.bulk.clone().unwrap_or_default()
    }

    pub(super) fn data_stream(&self) -> DataStream {
        self.data_stream.clone().unwrap_or_default()
    }

    /// Where documents go and how.
    pub(super) fn destination(&self) -> (Destination, Action) {
        match self.mode {
            Mode::DataStream => {
                let DataStream { kind, dataset, namespace } = self.data_stream();
                let target = Target::Stream { kind, dataset, namespace };
                let date_field = OwnedValuePath::single_field("@timestamp");
                (Destination { target, date_field }, Action::Create)
            }
            Mode::Bulk => {
                let BulkConfig { index, action, timestamp_field, .. } = self.bulk();
                let target = Target::Index(index);
                (Destination { target, date_field: timestamp_field }, action)
            }
        }
    }

    fn has_id(&self) -> bool {
        !self.id_field.is_root()
    }

    fn action_line(&self) -> ActionLine {
        let (destination, action) = self.destination();
        let version = match self.mode {
            Mode::DataStream => None,
            Mode::Bulk => self.bulk().version(),
        };
        ActionLine {
            destination,
            action,
            id_field: self.has_id().then(|| self.id_field.clone()),
            version,
            pipeline: self.pipeline.fixed().is_none().then(|| self.pipeline.clone()),
        }
    }

    /// The sink over any network.
    pub(super) fn sink(
        &self,
        transport: Arc<dyn Transport>,
        context: SinkContext,
    ) -> Result<Elasticsearch, BuildError> {
        if self.endpoints.is_empty() {
            return Err(BuildError::plain("no endpoint is given"));
        }
        let encoder = Encoder {
            action_line: self.action_line(),
            bytes_max: self.batch.max_bytes,
            component_id: Arc::clone(&context.id),
        };
        let settings = DeliverySettings::new(&self.batch, &self.request);
        // Collectors that started at the same time must not come back at the same time.
        let seed: u64 = context.clock.now().timestamp_subsec_nanos().into();
        let pool = Arc::new(Pool::new(self, &context, seed));
        let authorization = self
            .auth
            .header()
            .map_err(|error| BuildError::new("the credentials do not fit into a header", error))?;
        let sniffer = self.sniff.then(|| Sniffer {
            pool: Arc::clone(&pool),
            transport: Arc::clone(&transport),
            authorization: authorization.clone(),
            interval: self.sniff_interval,
            component_id: Arc::clone(&context.id),
        });
        let route = Route { transport, pool, authorization };
        let sender = BulkSender::new(self, encoder, route, &context);
        Ok(Elasticsearch { delivery: Delivery::new(sender, settings, context, seed), sniffer })
    }

    fn sniff_problems(&self) -> Vec<Problem> {
        if !self.sniff {
            return Vec::new();
        }
        let mut problems = Vec::new();
        if self.sniff_interval < SNIFF_INTERVAL_MIN {
            let message = "nodes can't be looked up more often than every second";
            problems.push(Problem::at("sniff_interval", message));
        }
        let is_proved = |endpoint: &Endpoint| {
            let tls = &self.tls;
            endpoint.url().scheme() == "https" && tls.verify_certificate && tls.verify_hostname
        };
        let has_secret = !matches!(self.auth, Auth::None);
        if has_secret && !self.endpoints.iter().all(is_proved) {
            let message = "the credentials would go to any address that an answer names";
            problems.push(Problem::at("sniff", message).fix(
                "use https endpoints with verified certificates and host names, or remove `sniff`",
            ));
        }
        if self.endpoints.iter().any(|endpoint| endpoint.url().path() != "/") {
            let message = "an endpoint with a path is no node of a cluster, so that its nodes are behind a proxy";
            problems.push(
                Problem::at("sniff", message).fix("remove `sniff`, or the path of the endpoint"),
            );
        }
        problems
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
        if self.destination().0.pattern(None).starts_with('*') {
            warn!(%component_id, "`bulk.index` begins with a field: whoever writes an event says which index it goes to");
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
        if self.has_id() {
            let kind = Kind::bytes().or_integer().or_float().or_boolean().or_timestamp();
            needs.push(Need { path: self.id_field.clone(), kind, option: "id_field" });
        }
        let (destination, _) = self.destination();
        if self.mode == Mode::DataStream {
            let path = OwnedValuePath::single_field("@timestamp");
            // The server takes milliseconds since 1970 as well.
            needs.push(Need { path, kind: date.clone().or_integer(), option: "mode" });
        }
        needs.extend(destination.needs());
        needs.extend(self.pipeline.needs("pipeline"));
        if destination.has_date() || self.pipeline.has_date() {
            let option = match self.mode {
                Mode::DataStream => "data_stream",
                Mode::Bulk => "bulk.timestamp_field",
            };
            needs.push(Need { path: destination.date_field, kind: date.clone(), option });
        }
        if let Some((path, _)) = self.action_line().version {
            needs.push(Need { path, kind: date.or_integer(), option: "bulk.version_field" });
        }
        needs
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.tls.problems("tls");
        problems.extend(self.proxy.problems("proxy"));
        problems.extend(self.request.problems());
        problems.extend(self.sniff_problems());
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
            Mode::Bulk => problems.extend(self.bulk().problems(self.has_id())),
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
            let sink = self.sink(Arc::new(self.client()?), context)?;
            Ok(Box::new(sink) as Box<dyn Sink>)
        })
    }
}
