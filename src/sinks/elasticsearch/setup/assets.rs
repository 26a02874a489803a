//! What is installed for a sink, made of its configuration. Pure.
//!
//! The fields are those of `vrl/o365beat.vrl`, from `config/elasticsearch`. Nothing here ever deletes a document: how
//! long an audit trail is kept is not for a default to decide.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::super::{
    config::Config,
    target::{DataStream, Mode},
};

/// Who owns what is installed: the value of `_meta.managed_by`.
pub(super) const OWNER: &str = "o365flow";

/// Higher than the templates that Elasticsearch brings along.
const PRIORITY: u32 = 200;

/// Characters of a digest that are kept: it tells versions apart, and guards nothing.
const DIGEST_CHARS: usize = 16;

const STREAM_TEMPLATE: &str =
    include_str!("../../../../config/elasticsearch/o365beat-data-stream.json");
const INDEX_TEMPLATE: &str = include_str!("../../../../config/elasticsearch/o365beat.json");

/// Which server it is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Elasticsearch,
    OpenSearch,
}

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

    /// The policy by which backing indices are rolled over, where there are any.
    pub(super) fn policy(&self, product: Product) -> Option<Asset> {
        if self.mode != Mode::DataStream {
            return None;
        }
        Some(match product {
            Product::Elasticsearch => {
                let rollover = json!({"max_age": "30d", "max_primary_shard_size": "50gb"});
                let hot = json!({"min_age": "0ms", "actions": {"rollover": rollover}});
                let policy = json!({"phases": {"hot": hot}});
                let digest = digest_of(&policy);
                let body = json!({"policy": with_meta(policy, &digest)});
                Asset { kind: AssetKind::LifecyclePolicy, name: self.name.clone(), body, digest }
            }
            Product::OpenSearch => {
                let rollover = json!({"min_index_age": "30d", "min_primary_shard_size": "50gb"});
                let hot =
                    json!({"name": "hot", "actions": [{"rollover": rollover}], "transitions": []});
                let mut policy = json!({
                    "default_state": "hot",
                    "states": [hot],
                    "ism_template": [{"index_patterns": [self.pattern], "priority": PRIORITY}],
                });
                let digest = digest_of(&policy);
                // Its policies have no `_meta`.
                policy["description"] = description_of(&digest).into();
                let body = json!({"policy": policy});
                Asset { kind: AssetKind::StatePolicy, name: self.name.clone(), body, digest }
            }
        })
    }

    /// The templates, in the order in which they have to be installed. With the name of the policy that new indices
    /// come under, if it is for them to name it.
    pub(super) fn templates(&self, policy: Option<&str>) -> Result<[Asset; 2], PlanError> {
        let built_in: Value = serde_json::from_str(match self.mode {
            Mode::DataStream => STREAM_TEMPLATE,
            Mode::Bulk => INDEX_TEMPLATE,
        })?;
        let mut template = built_in["template"].clone();
        if let Some(policy) = policy {
            template["settings"]["index.lifecycle.name"] = policy.into();
        }
        let fields = format!("{}-fields", self.name);
        let component =
            asset(AssetKind::ComponentTemplate, fields.clone(), json!({"template": template}));
        let mut index = json!({
            "index_patterns": [self.pattern],
            "priority": PRIORITY,
            "composed_of": [fields],
        });
        if self.mode == Mode::DataStream {
            index["data_stream"] = json!({});
        }
        Ok([component, asset(AssetKind::IndexTemplate, self.name.clone(), index)])
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
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        toml::from_str(&format!("endpoints = [\"https://es:9200\"]\n{more}")).expect("it parses")
    }

    #[test]
    fn names_and_patterns_are_those_of_the_sink() {
        let check = |more: &str, expected: (&str, &str)| {
            let place = Place::of(&config(more)).expect("it has a place");
            assert_eq!((&*place.pattern, &*place.name), expected);
        };
        check("", ("logs-o365.audit-*", "o365flow-logs-o365.audit"));
        check("data_stream.dataset = \"o365.{{ kind }}\"", ("logs-o365.*-*", "o365flow-logs-o365"));
        check("mode = \"bulk\"", ("o365-*", "o365flow-o365"));
        check("mode = \"bulk\"\nbulk.index = \"a-%Y-{{ x }}.b\"", ("a-*-*.b", "o365flow-a-b"));
        for more in [
            "data_stream.dataset = \"{{ kind }}\"",
            "mode = \"bulk\"\nbulk.index = \"{{ kind }}-o365\"",
        ] {
            Place::of(&config(more)).expect_err("that is not ours alone");
        }
    }

    #[test]
    fn what_is_installed_is_marked_and_known_again() {
        let place = Place::of(&config("")).expect("it has a place");
        let policy = place.policy(Product::Elasticsearch).expect("streams roll over");
        assert_eq!(policy.path(), "/_ilm/policy/o365flow-logs-o365.audit");
        let hot = &policy.body["policy"]["phases"]["hot"];
        assert_eq!(hot["actions"]["rollover"]["max_age"], "30d");
        assert!(policy.body["policy"]["phases"].get("delete").is_none(), "nothing is deleted");
        let ours = Found::Ours { digest: policy.digest.clone() };
        assert_eq!(policy.owner(&json!({&policy.name: policy.body})), ours);
        assert_eq!(
            policy.owner(&json!({&policy.name: {"policy": {"phases": {}}}})),
            Found::SomebodyElses
        );

        let state = place.policy(Product::OpenSearch).expect("streams roll over");
        assert_eq!(state.path(), "/_plugins/_ism/policies/o365flow-logs-o365.audit");
        assert_eq!(state.owner(&state.body), Found::Ours { digest: state.digest.clone() });
        assert_eq!(state.owner(&json!({"policy": {"description": "mine"}})), Found::SomebodyElses);

        let [component, index] = place.templates(Some("p")).expect("built in");
        assert_eq!(component.body["template"]["settings"]["index.lifecycle.name"], "p");
        assert_eq!(component.body["template"]["mappings"]["dynamic"], false);
        assert_eq!(index.body["composed_of"][0], *component.name);
        assert_eq!(index.body["data_stream"], json!({}));
        assert_eq!(index.body["_meta"]["managed_by"], "o365flow");
        let [other, _] = place.templates(None).expect("built in");
        assert_ne!(component.digest, other.digest);
        assert_eq!(other.body["template"].get("settings"), None);
    }
}
