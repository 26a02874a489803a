//! What a user may write in the tables `data_stream` and `bulk`: where documents go, and what is done with them there.

use pipeline_core::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vrl::path::OwnedValuePath;

use super::destination::{name_problem, part_problem};
use crate::{config::units, delivery::Template};

/// What documents are written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A data stream. Every event must have `@timestamp`.
    #[default]
    DataStream,
    /// An index or an alias.
    Bulk,
}

/// The parts of a data stream's name, which is `<type>-<dataset>-<namespace>`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataStream {
    /// The kind of data.
    #[serde(rename = "type")]
    pub kind: String,
    /// What wrote it. `{{ field }}` is replaced by that field of the event; an event without it, or that makes a name
    /// of it which no data stream can have, goes to the dead letters.
    pub dataset: Template,
    /// Whatever keeps it apart from others of its kind. `{{ field }}` is replaced as in `dataset`.
    pub namespace: Template,
}

/// An index, and what to do in it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BulkConfig {
    /// The index or alias. `%Y`, `%m`, `%d` and the like are replaced by the date of the event, `{{ field }}` by that
    /// field. An event without it, or that makes a name of it which no index can have, goes to the dead letters.
    pub index: Template,
    /// `create` leaves a document alone that is there already, `index` replaces it.
    pub action: Action,
    /// The field with the date for `index`. An event without it goes to the dead letters: the date of the day would
    /// put an event that is sent again into another index.
    #[serde(with = "units::field_path")]
    pub timestamp_field: OwnedValuePath,
    /// With `action = "index"`, a field with the version of the document: a whole number, or a date. What is there in
    /// the same version or a later one stays, and the event counts as delivered. `""` has no versions.
    #[serde(with = "units::field_path")]
    pub version_field: OwnedValuePath,
    /// `external` lets a version stay that is the same or later, `external_gte` only one that is later.
    pub version_type: VersionType,
}

/// What is done with a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Stored unless there is one with its id.
    #[default]
    Create,
    /// Stored, in the place of one with its id.
    Index,
}

/// Which document of two with one id stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionType {
    /// The one with the higher version; the first of two that are the same.
    #[default]
    External,
    /// The one with the higher version; the last of two that are the same.
    ExternalGte,
}

impl VersionType {
    /// Its name in a request.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            VersionType::External => "external",
            VersionType::ExternalGte => "external_gte",
        }
    }
}

fn template(text: &str) -> Template {
    Template::parse(text).expect("a default is a template")
}

impl Default for DataStream {
    fn default() -> Self {
        DataStream {
            kind: "logs".to_owned(),
            dataset: template("o365.audit"),
            namespace: template("default"),
        }
    }
}

impl DataStream {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let (dataset, namespace) = (example(&self.dataset), example(&self.namespace));
        let parts = [("type", &self.kind), ("dataset", &dataset), ("namespace", &namespace)];
        let mut problems = Vec::new();
        for (option, part) in parts {
            if let Some(reason) = part_problem(part) {
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
            index: template("o365-%Y.%m.%d"),
            action: Action::default(),
            timestamp_field: OwnedValuePath::single_field("@timestamp"),
            version_field: OwnedValuePath::root(),
            version_type: VersionType::default(),
        }
    }
}

impl BulkConfig {
    /// The field and kind of versions, where there are any.
    pub(super) fn version(&self) -> Option<(OwnedValuePath, VersionType)> {
        (!self.version_field.is_root()).then(|| (self.version_field.clone(), self.version_type))
    }

    pub(super) fn problems(&self, has_id: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        let name = example(&self.index);
        if let Some(reason) = name_problem(&name) {
            let message = format!("`{name}` can't be the name of an index: {reason}");
            problems.push(Problem::at("bulk.index", message));
        }
        if self.version().is_some() {
            let key = "bulk.version_field";
            if self.action == Action::Create {
                let message = "`create` never replaces a document, so that versions mean nothing";
                problems.push(
                    Problem::at(key, message)
                        .fix("set action = \"index\", or remove `version_field`"),
                );
            }
            if !has_id {
                let message = "the server takes versions of documents alone that have an id";
                problems.push(
                    Problem::at(key, message).fix("set `id_field`, or remove `version_field`"),
                );
            }
        }
        problems
    }
}

/// A name that the template could make: of the day on which all clocks begin, with `x` for what is in a field.
fn example(template: &Template) -> String {
    let has_star = template.as_str().contains('*');
    let pattern = template.pattern(Some(chrono::DateTime::UNIX_EPOCH));
    // A star of the user's own stays, as it is a mistake.
    if has_star { pattern } else { pattern.replace('*', "x") }
}
