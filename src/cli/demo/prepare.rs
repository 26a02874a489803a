//! Templates for the demo's events, where they go to Elasticsearch.

use std::fmt::Write as _;

use super::super::load::Loaded;
use crate::components::{
    elasticsearch::{Fields, SetupError, SetupMode, SetupPlan},
    elasticsearch_config,
};

/// Elasticsearch did not take the templates.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    #[error("cannot install the index templates at {url}")]
    SetUp { url: String, source: SetupError },
    #[error("the index templates are not as they should be at {url}:{steps}")]
    Refused { url: String, steps: String },
}

/// Installs what `o365flow setup elasticsearch` would, so that no event is refused.
pub(super) async fn prepare(loaded: &Loaded, url: &str) -> Result<(), PrepareError> {
    let plan = SetupPlan { mode: SetupMode::Install, fields: Fields::Ecs, keep_days: None };
    for config in loaded.topology.sinks().filter_map(|(_, config)| elasticsearch_config(config)) {
        let error = |source| PrepareError::SetUp { url: url.to_owned(), source };
        let steps = config.set_up(plan).await.map_err(error)?;
        let mut bad = String::new();
        for step in steps.iter().filter(|step| !step.result.is_good()) {
            write!(bad, "\n  {}: {}", step.what, step.result).expect("a String takes all");
        }
        if !bad.is_empty() {
            return Err(PrepareError::Refused { url: url.to_owned(), steps: bad });
        }
    }
    Ok(())
}
