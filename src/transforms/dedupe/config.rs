//! What a user writes with `type = "dedupe"`, and its check.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use pipeline_core::{Output, Prepared, Problem, TransformConfig, TransformContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vrl::path::OwnedValuePath;

use super::{Compared, Dedupe, seen::Seen};
use crate::config::units;

/// Of events that are the same in some fields, the first goes on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What makes an event a copy of another. Give `match` or `ignore`.
    pub fields: Fields,
    /// What is remembered. It is gone after a restart.
    #[serde(default)]
    pub cache: Cache,
}

/// What of two events is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// The fields that are compared, as `["event.id"]`. An event that lacks one of them is never a copy.
    #[serde(
        rename = "match",
        default,
        with = "units::field_paths_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub matched: Option<Vec<OwnedValuePath>>,
    /// The fields that are not compared, while all others are.
    #[serde(default, with = "units::field_paths_option", skip_serializing_if = "Option::is_none")]
    pub ignore: Option<Vec<OwnedValuePath>>,
}

/// What is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// How many events are remembered, 200 bytes each; the one whose last copy was longest ago is forgotten first.
    pub num_events: NonZeroUsize,
    /// How long an event is remembered from the first time it came; `"0s"` sets no end.
    #[serde(with = "units::duration")]
    pub max_age: Duration,
}

impl Default for Cache {
    fn default() -> Cache {
        let num_events = NonZeroUsize::new(5000).expect("it is not zero");
        Cache { num_events, max_age: Duration::ZERO }
    }
}

impl TransformConfig for Config {
    fn ports(&self) -> Vec<String> {
        Vec::new()
    }

    fn depends_on_settings_alone(&self) -> bool {
        true
    }

    fn prepare(&self, context: &TransformContext<'_>) -> Result<Prepared, Vec<Problem>> {
        let compared = self.fields.compared().map_err(|problem| vec![problem])?;
        let max_age = (!self.cache.max_age.is_zero()).then_some(self.cache.max_age);
        let factory = Dedupe {
            compared: Arc::new(compared),
            seen: Arc::new(Seen::new(self.cache.num_events, max_age)),
        };
        let outputs = vec![Output::main(context.input.clone())];
        Ok(Prepared {
            outputs,
            factory: Arc::new(factory),
            warnings: Vec::new(),
            files: Vec::new(),
        })
    }
}

impl Fields {
    fn compared(&self) -> Result<Compared, Problem> {
        let fix = "give either `match` or `ignore`, as in `fields = { match = [\"event.id\"] }`";
        match (&self.matched, &self.ignore) {
            (Some(paths), None) if paths.is_empty() => {
                let problem = Problem::at("fields.match", "without a field every event is a copy");
                Err(problem.fix("name the fields that are compared"))
            }
            (Some(paths), None) => Ok(Compared::Only(paths.clone())),
            (None, Some(paths)) => Ok(Compared::AllBut(paths.clone())),
            (Some(_), Some(_)) => {
                Err(Problem::at("fields", "there is both `match` and `ignore`").fix(fix))
            }
            (None, None) => Err(Problem::at("fields", "it is not said what makes a copy").fix(fix)),
        }
    }
}
