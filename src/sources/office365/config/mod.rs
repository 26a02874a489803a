//! What a user writes under `[sources.<id>]` with `type = "office365"`, and what can be wrong with it.
//!
//! Text that must be a GUID or a URL is kept as text here and judged in [`Config::problems`], so that all mistakes are
//! reported together, each at its key.

mod credential;
mod tenant;

use std::{
    collections::HashSet,
    num::{NonZeroU16, NonZeroU32},
    path::{Path, PathBuf},
    time::Duration,
};

use net::Timeouts;
use office365::{ContentType, TenantId};
use pipeline_core::Problem;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use uuid::Uuid;
use vrl::path::{OwnedSegment, OwnedValuePath};

pub use self::{
    credential::{App, Certificate, ManagedIdentity},
    tenant::Tenant,
};
use super::{
    plan::{LISTABLE, ListingRules},
    tenants_dir::{FileTenant, TenantsDir},
};
use crate::config::{
    TableReader,
    fault::Fault,
    proxy::Proxy,
    units::{byte_size, duration, field_path},
};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// The longest `dedupe_window`: longer than any repetition that was ever reported.
const DEDUPE_WINDOW_MAX: Duration = DAY.saturating_mul(366);

/// Office 365 audit records of one or more tenants, through the Management Activity API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What to collect of each tenant. `DLP.All` needs the permission `ActivityFeed.ReadDlp` as well.
    #[serde(deserialize_with = "content_types")]
    #[schemars(schema_with = "known_content_types")]
    pub content_types: Vec<ContentType>,
    /// How long after one listing of a feed the next one follows.
    #[serde(with = "duration")]
    pub poll_interval: Duration,
    /// How long the API may take to begin an answer, and to go on with one.
    #[serde(with = "duration")]
    pub request_timeout: Duration,
    /// How far back a feed starts that was never listed; the API allows 7 days.
    #[serde(with = "duration")]
    pub lookback: Duration,
    /// Listings end this long before now: what was just created is not listed reliably yet.
    #[serde(with = "duration")]
    pub settle_time: Duration,
    /// How much of what was listed before is listed again, for blobs that appear late.
    #[serde(with = "duration")]
    pub relist_overlap: Duration,
    /// How often all that the API still lists, 7 days, is listed again, for blobs that appear days late. Costs listings
    /// alone: no blob is fetched twice. `"0s"` is never.
    #[serde(with = "duration")]
    pub relist_all_interval: Duration,
    /// The GUID of the tenant of whoever runs this program, which the API's quota is counted for. Empty: each
    /// tenant's own.
    pub publisher_id: String,
    /// Requests to the API, for each tenant.
    pub max_requests_per_minute: NonZeroU32,
    /// Blobs that are fetched side by side, for each tenant.
    pub fetch_concurrency: NonZeroU16,
    /// Where the record stands in the event: empty for the root, or a path such as `o365.audit`.
    #[serde(with = "field_path")]
    pub record_path: OwnedValuePath,
    /// How long a record's `Id` is remembered, so that a second copy of it is dropped; the API repeats records in
    /// other blobs, days later. Takes about 17 bytes of disk and 12 of memory for each record. `"0s"` keeps copies.
    #[serde(with = "duration")]
    pub dedupe_window: Duration,
    /// Bytes of records, as received, that may be on their way to the sinks at one time. Fetching waits above that. A
    /// quarter of it may be events that no sink has encoded yet, which take ten times that in memory; a batch of a sink
    /// that is larger than this quarter is sent when its time is up.
    #[serde(with = "byte_size")]
    pub max_in_flight_bytes: usize,
    /// Larger records go to the dead letters, cut short.
    #[serde(with = "byte_size")]
    pub record_bytes_max: usize,
    /// How connections are secured.
    pub tls: Tls,
    /// The way out of this network.
    pub proxy: Proxy,
    /// One app that serves every tenant which has no `client_id` and no credential of its own: a multi-tenant app that
    /// each of them has given admin consent to. It has one of `client_secret`, `certificate` and `federated_token_file`.
    pub app: Option<App>,
    /// A folder with a file `NAME.toml` for each further tenant, which holds the keys of a tenant's table; `name` is the
    /// file's own name where it is not set. The folder is watched: files that are added, changed or removed take effect
    /// within seconds, without a restart. A file with a mistake changes nothing and holds up no other tenant.
    pub tenants_dir: Option<PathBuf>,
    /// Whose records to collect.
    pub tenants: Vec<Tenant>,
    /// Reads the files of `tenants_dir`.
    #[serde(skip)]
    pub table_reader: TableReader,
}

/// How connections are secured.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// A PEM file with certificates to trust in addition to the system's, for a proxy that inspects traffic.
    pub ca_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            content_types: vec![
                ContentType::AzureActiveDirectory,
                ContentType::Exchange,
                ContentType::SharePoint,
                ContentType::General,
            ],
            poll_interval: 5 * MINUTE,
            request_timeout: Duration::from_secs(30),
            lookback: 7 * DAY,
            settle_time: MINUTE,
            relist_overlap: 120 * MINUTE,
            relist_all_interval: 360 * MINUTE,
            publisher_id: String::new(),
            max_requests_per_minute: NonZeroU32::new(2000).expect("2000 is not zero"),
            fetch_concurrency: NonZeroU16::new(10).expect("10 is not zero"),
            record_path: OwnedValuePath::root(),
            dedupe_window: 7 * DAY,
            max_in_flight_bytes: 12_000_000,
            record_bytes_max: 10_000_000,
            tls: Tls::default(),
            proxy: Proxy::default(),
            app: None,
            tenants_dir: None,
            tenants: Vec::new(),
            table_reader: TableReader::default(),
        }
    }
}

impl Config {
    /// All that is wrong and could not be seen while parsing.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.option_problems();
        if self.tenants.is_empty() && self.tenants_dir.is_none() {
            problems.push(
                Problem::at("tenants", "there is no tenant")
                    .fix("add a table [[sources.<id>.tenants]] with name, tenant_id, client_id and client_secret"),
            );
        }
        problems.extend(self.app.iter().flat_map(App::problems));
        let (mut names, mut ids) = (HashSet::new(), HashSet::new());
        for (index, tenant) in self.tenants.iter().enumerate() {
            problems.extend(tenant.problems(index, self.app.as_ref()));
            if !names.insert(tenant.name.to_lowercase()) {
                let message = format!("another tenant is named `{}` as well", tenant.name);
                let key = format!("tenants.{index}.name");
                problems.push(Problem::at(&key, message).fix("give each tenant a name of its own"));
            }
            if let Ok(id) = tenant.tenant_id.parse::<TenantId>()
                && !ids.insert(id)
            {
                let message = "another table is for the same tenant";
                let key = format!("tenants.{index}.tenant_id");
                problems.push(Problem::at(&key, message).fix("keep one table for each tenant"));
            }
        }
        problems
    }

    /// Takes in the tenants of `tenants_dir`, read by `reader`. Gives what is wrong with its files, or why there is no
    /// reading it.
    pub fn read_tenants_dir(&mut self, reader: &TableReader) -> Result<Vec<Fault>, Problem> {
        self.table_reader = reader.clone();
        let Some(path) = &self.tenants_dir else { return Ok(Vec::new()) };
        let look = self.open_tenants_dir(path).look().map_err(|error| {
            let message = format!("cannot read the folder `{}`: {error}", path.display());
            Problem::at("tenants_dir", message).fix("make the folder; it may be empty")
        })?;
        self.tenants.retain(|tenant| tenant.file.is_none());
        self.tenants.extend(look.tenants.iter().map(|declared| Tenant::clone(&declared.tenant)));
        Ok(look.faults)
    }

    /// The folder at `path`, beside the tenants that stand here.
    pub(super) fn open_tenants_dir(&self, path: &Path) -> TenantsDir {
        let inline = self.tenants.iter().filter(|tenant| tenant.file.is_none());
        let inline = inline.filter_map(FileTenant::inline).collect();
        TenantsDir::new(path, self.table_reader.clone(), inline).with_app(self.app.clone())
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        Timeouts { headers: self.request_timeout, idle: self.request_timeout }
    }

    pub(super) fn listing_rules(&self) -> ListingRules {
        ListingRules {
            lookback: self.lookback,
            settle_time: self.settle_time,
            relist_overlap: self.relist_overlap,
            relist_all_interval: self.relist_all_interval,
        }
    }

    fn option_problems(&self) -> Vec<Problem> {
        let mut problems = self.proxy.problems("proxy");
        if self.content_types.is_empty() {
            let fix = "name at least one, as [\"Audit.General\"], or leave the key out";
            problems.push(Problem::at("content_types", "it is empty").fix(fix));
        }
        let distinct: HashSet<_> = self.content_types.iter().collect();
        if distinct.len() < self.content_types.len() {
            problems
                .push(Problem::at("content_types", "a type is named twice").fix("name it once"));
        }
        let second = Duration::from_secs(1);
        for (key, value, least, most) in [
            ("poll_interval", self.poll_interval, second, DAY),
            ("request_timeout", self.request_timeout, second, DAY),
            ("lookback", self.lookback, MINUTE, LISTABLE),
            ("settle_time", self.settle_time, Duration::ZERO, DAY),
            ("relist_overlap", self.relist_overlap, Duration::ZERO, LISTABLE),
            ("relist_all_interval", self.relist_all_interval, Duration::ZERO, LISTABLE),
            ("dedupe_window", self.dedupe_window, Duration::ZERO, DEDUPE_WINDOW_MAX),
        ] {
            problems.extend(range_problem(key, value, least, most));
        }
        for (key, bytes) in [
            ("max_in_flight_bytes", self.max_in_flight_bytes),
            ("record_bytes_max", self.record_bytes_max),
        ] {
            if bytes == 0 {
                problems.push(Problem::at(key, "it is zero").fix("set a size such as \"10MB\""));
            }
        }
        if !self.publisher_id.is_empty() && self.publisher_id.parse::<Uuid>().is_err() {
            let fix = "set the GUID of your own tenant, or leave the key out";
            problems.push(Problem::at("publisher_id", "it is not a GUID").fix(fix));
        }
        let is_field = |segment: &OwnedSegment| matches!(segment, OwnedSegment::Field(_));
        if !self.record_path.segments.iter().all(is_field) {
            let fix = "use names separated by dots, as \"o365.audit\"";
            problems.push(Problem::at("record_path", "it holds an array index").fix(fix));
        }
        problems
    }
}

fn range_problem(key: &str, value: Duration, least: Duration, most: Duration) -> Option<Problem> {
    let show = humantime::format_duration;
    if value < least {
        Some(Problem::at(key, "it is too short").fix(format!("set at least \"{}\"", show(least))))
    } else if value > most {
        Some(Problem::at(key, "it is too long").fix(format!("set at most \"{}\"", show(most))))
    } else {
        None
    }
}

fn known_content_types(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "enum": ContentType::ALL.map(ContentType::name) } })
}

fn content_types<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ContentType>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    names.iter().map(|name| name.parse().map_err(serde::de::Error::custom)).collect()
}

#[cfg(test)]
mod tests;
