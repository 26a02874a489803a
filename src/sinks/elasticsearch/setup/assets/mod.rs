//! What is installed for a sink, made of its configuration. Pure.
//!
//! The templates are those of `config/elasticsearch` and `config/opensearch`, under names of the sink's own. Nothing
//! deletes a document unless that was asked for: how long an audit trail is kept is not for a default to decide.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::{
    super::{
        config::Config,
        target::{DataStream, Mode},
    },
    built_in::{Component, Fields, Product, components},
};

/// Who owns what is installed: the value of `_meta.managed_by`.
pub(super) const OWNER: &str = "o365flow";

/// Higher than the templates that Elasticsearch brings along.
const PRIORITY: u32 = 200;

/// Characters of a digest that are kept: it tells versions apart, and guards nothing.
const DIGEST_CHARS: usize = 16;

/// What kind of thing is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AssetKind {
    LifecyclePolicy,
    StatePolicy,
    ComponentTemplate,
    IndexTemplate,
}

/// One thing to install.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asset {
    pub kind: AssetKind,
    pub name: String,
    pub body: Value,
    /// Tells this version of it from others.
    pub digest: String,
}

/// Why nothing can be installed for a sink.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The template would be for indices that are not ours.
    #[error(
        "the name begins with a field, so that a template for `{0}` would be for what others write as well"
    )]
    TooBroad(String),
    /// The template in `config/elasticsearch` is broken, which a test rules out.
    #[error("the built-in template is not JSON")]
    BuiltIn(#[from] serde_json::Error),
}

/// What a sink writes to, for all the names that it can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    mode: Mode,
    /// With `*` for any text.
    pub pattern: String,
    /// What everything is called that is installed for it.
    pub name: String,
}

impl Place {
    pub(super) fn of(config: &Config) -> Result<Place, PlanError> {
        let pattern = match config.mode {
            // One template for all namespaces.
            Mode::DataStream => {
                let DataStream { kind, dataset, .. } = config.data_stream();
                let dataset = dataset.pattern(None);
                if dataset.starts_with('*') {
                    return Err(PlanError::TooBroad(format!("{kind}-{dataset}-*")));
                }
                format!("{kind}-{dataset}-*")
            }
            Mode::Bulk => config.destination().0.pattern(None),
        };
        if pattern.starts_with('*') {
            return Err(PlanError::TooBroad(pattern));
        }
        let fixed: Vec<&str> =
            pattern.split('*').map(|part| part.trim_matches(['-', '.'])).collect();
        let fixed: Vec<&str> = fixed.into_iter().filter(|part| !part.is_empty()).collect();
        let name = format!("{OWNER}-{}", fixed.join("-"));
        Ok(Place { mode: config.mode, pattern, name })
    }

    /// The policy by which backing indices are rolled over, where there are any. With `keep_days`, what was written
    /// longer ago than that is deleted.
    pub(super) fn policy(&self, product: Product, keep_days: Option<u32>) -> Option<Asset> {
        if self.mode != Mode::DataStream {
            return None;
        }
        Some(match product {
            Product::Elasticsearch => {
                let rollover = json!({"max_age": "30d", "max_primary_shard_size": "50gb"});
                let hot = json!({"min_age": "0ms", "actions": {"rollover": rollover}});
                let mut policy = json!({"phases": {"hot": hot}});
                if let Some(days) = keep_days {
                    policy["phases"]["delete"] =
                        json!({"min_age": format!("{days}d"), "actions": {"delete": {}}});
                }
                let digest = digest_of(&policy);
                let body = json!({"policy": with_meta(policy, &digest)});
                Asset { kind: AssetKind::LifecyclePolicy, name: self.name.clone(), body, digest }
            }
            Product::OpenSearch => self.state_policy(keep_days),
        })
    }

    fn state_policy(&self, keep_days: Option<u32>) -> Asset {
        let rollover = json!({"min_index_age": "30d", "min_primary_shard_size": "50gb"});
        let mut hot =
            json!({"name": "hot", "actions": [{"rollover": rollover}], "transitions": []});
        let mut states = Vec::new();
        if let Some(days) = keep_days {
            // An index is as old as its roll-over, so that its last document has the whole time.
            let condition = json!({"min_rollover_age": format!("{days}d")});
            hot["transitions"] = json!([{"state_name": "delete", "conditions": condition}]);
            states.push(json!({"name": "delete", "actions": [{"delete": {}}], "transitions": []}));
        }
        states.insert(0, hot);
        let mut policy = json!({
            "default_state": "hot",
            "states": states,
            "ism_template": [{"index_patterns": [self.pattern], "priority": PRIORITY}],
        });
        let digest = digest_of(&policy);
        // Its policies have no `_meta`.
        policy["description"] = description_of(&digest).into();
        let body = json!({"policy": policy});
        Asset { kind: AssetKind::StatePolicy, name: self.name.clone(), body, digest }
    }

    /// The templates, in the order in which they have to be installed. With the name of the policy that new indices
    /// come under, if it is for them to name it.
    pub(super) fn templates(
        &self,
        fields: Fields,
        product: Product,
        policy: Option<&str>,
    ) -> Result<Vec<Asset>, PlanError> {
        let mut templates = Vec::new();
        for (number, Component { part, mut body }) in
            components(fields, product)?.into_iter().enumerate()
        {
            if number == 0
                && let Some(policy) = policy
            {
                body["template"]["settings"]["index.lifecycle.name"] = policy.into();
            }
            let name = format!("{}-{part}", self.name);
            templates.push(asset(AssetKind::ComponentTemplate, name, body));
        }
        let mut parts: Vec<String> = templates.iter().map(|asset| asset.name.clone()).collect();
        let mut index = json!({"index_patterns": [self.pattern], "priority": PRIORITY});
        // OpenSearch has no parts that may be missing.
        if fields == Fields::Ecs && product == Product::Elasticsearch {
            let custom = format!("{}@custom", self.name);
            index["ignore_missing_component_templates"] = json!([custom]);
            parts.push(custom);
        }
        index["composed_of"] = parts.into();
        if self.mode == Mode::DataStream {
            index["data_stream"] = json!({});
        }
        templates.push(asset(AssetKind::IndexTemplate, self.name.clone(), index));
        Ok(templates)
    }
}

impl AssetKind {
    /// Whether events are stored as they should be on a server that knows no such thing.
    pub(super) fn can_be_left_out(self) -> bool {
        matches!(self, AssetKind::LifecyclePolicy | AssetKind::StatePolicy)
    }

    pub(super) fn noun(self) -> &'static str {
        match self {
            AssetKind::LifecyclePolicy => "lifecycle policy",
            AssetKind::StatePolicy => "state management policy",
            AssetKind::ComponentTemplate => "component template",
            AssetKind::IndexTemplate => "index template",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            AssetKind::LifecyclePolicy => "/_ilm/policy",
            AssetKind::StatePolicy => "/_plugins/_ism/policies",
            AssetKind::ComponentTemplate => "/_component_template",
            AssetKind::IndexTemplate => "/_index_template",
        }
    }

    /// What a role needs for it.
    pub(super) fn privilege(self) -> &'static str {
        match self {
            AssetKind::LifecyclePolicy => "the cluster privilege `manage_ilm`",
            AssetKind::StatePolicy => "the permission `cluster:admin/opendistro/ism/policy/*`",
            AssetKind::ComponentTemplate | AssetKind::IndexTemplate => {
                "the cluster privilege `manage_index_templates`"
            }
        }
    }
}

/// What is there under an asset's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Ours { digest: String },
    SomebodyElses,
}

impl Asset {
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.kind.folder(), self.name)
    }

    /// Whose it is that the server gives as the answer to a question for it.
    pub(super) fn owner(&self, answer: &Value) -> Found {
        let meta = match self.kind {
            AssetKind::LifecyclePolicy => &answer[&self.name]["policy"]["_meta"],
            AssetKind::ComponentTemplate => {
                &answer["component_templates"][0]["component_template"]["_meta"]
            }
            AssetKind::IndexTemplate => &answer["index_templates"][0]["index_template"]["_meta"],
            AssetKind::StatePolicy => {
                let description = answer["policy"]["description"].as_str().unwrap_or_default();
                let digest = description.strip_prefix(&description_of(""));
                return digest.map_or(Found::SomebodyElses, |digest| Found::Ours {
                    digest: digest.to_owned(),
                });
            }
        };
        if meta["managed_by"] == OWNER {
            Found::Ours { digest: meta["digest"].as_str().unwrap_or_default().to_owned() }
        } else {
            Found::SomebodyElses
        }
    }
}

fn asset(kind: AssetKind, name: String, body: Value) -> Asset {
    let digest = digest_of(&body);
    Asset { kind, name, body: with_meta(body, &digest), digest }
}

fn with_meta(mut body: Value, digest: &str) -> Value {
    body["_meta"] =
        json!({"managed_by": OWNER, "version": env!("CARGO_PKG_VERSION"), "digest": digest});
    body
}

/// What the description of a policy says that is ours.
fn description_of(digest: &str) -> String {
    format!("managed by {OWNER}, version {digest}")
}

fn digest_of(body: &Value) -> String {
    let digest = digest(&SHA256, body.to_string().as_bytes());
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    hex.collect::<String>()[..DIGEST_CHARS].to_owned()
}

#[cfg(test)]
mod tests;
