//! Prepares a cluster for a sink: lifecycle policy, component template, index template.
//!
//! Invariants: what is not marked as ours is never overwritten unless that was asked for; what is as it should be is
//! left alone, so that it can be done again at any time. A policy without which documents are stored just as well never
//! stands in the way of the templates.

mod assets;
mod built_in;

use std::fmt;

use http::{HeaderValue, Method, StatusCode};
use net::Transport;
use pipeline_core::BuildError;
use serde_json::Value;

pub use assets::PlanError;
use assets::{Asset, Found, Place};
pub use built_in::Fields;
use built_in::Product;

use super::{
    ask::{AskError, Asker},
    cause::Refusal,
    config::Config,
};

/// What is to be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupPlan {
    /// What may be done.
    pub mode: SetupMode,
    /// Whose fields the templates are for.
    pub fields: Fields,
    /// For how many days documents are kept; without it for ever.
    pub keep_days: Option<u32>,
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupMode {
    /// Only look, and say what would be done.
    DryRun,
    /// Install what is missing or ours.
    Install,
    /// Install, over what is somebody else's too.
    Overwrite,
}

/// What became of one thing to install.
#[derive(Clone, Debug, PartialEq)]
pub struct SetupStep {
    /// What it is, with its name.
    pub what: String,
    /// What became of it.
    pub result: StepResult,
    /// What is sent.
    pub body: Value,
}

/// What was done about one thing to install, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// It was not there.
    Installed,
    /// It was ours, of another version, or was to be overwritten.
    Replaced,
    /// It is as it should be.
    Unchanged,
    /// Not there, in a dry run.
    WouldInstall,
    /// Ours, of another version, in a dry run.
    WouldReplace,
    /// The server knows no such thing.
    NotKnown,
    /// It is there and not ours.
    NotOurs,
    /// The server refused, for this reason.
    Refused(String),
}

impl StepResult {
    /// Whether events would be stored as they should.
    pub fn is_good(&self) -> bool {
        !matches!(self, StepResult::NotOurs | StepResult::Refused(_))
    }
}

impl fmt::Display for StepResult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StepResult::Installed => formatter.write_str("installed"),
            StepResult::Replaced => formatter.write_str("replaced"),
            StepResult::Unchanged => formatter.write_str("unchanged"),
            StepResult::WouldInstall => formatter.write_str("would be installed"),
            StepResult::WouldReplace => formatter.write_str("would be replaced"),
            StepResult::NotKnown => {
                formatter.write_str("left out: this server has none, or does not show it")
            }
            StepResult::NotOurs => formatter
                .write_str("left as it is: somebody else has made it (--force replaces it)"),
            StepResult::Refused(reason) => write!(formatter, "refused: {reason}"),
        }
    }
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There is nothing to install.
    #[error("nothing can be installed for this sink")]
    Plan(#[from] PlanError),
    /// The way to the server.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// The credentials.
    #[error("the credentials do not fit into a header")]
    Credentials(#[from] http::header::InvalidHeaderValue),
    /// No endpoint answered. This is what the last said.
    #[error("no endpoint answers")]
    Ask(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An answer that says that nothing will work.
    #[error("`{endpoint}` answered {status}: check `auth`")]
    NotLetIn {
        /// Who answered.
        endpoint: String,
        /// What.
        status: StatusCode,
    },
}

impl From<AskError> for SetupError {
    fn from(error: AskError) -> SetupError {
        SetupError::Ask(Box::new(error))
    }
}

impl Config {
    /// Prepares the cluster for what this sink writes.
    pub async fn set_up(&self, plan: SetupPlan) -> Result<Vec<SetupStep>, SetupError> {
        self.set_up_over(&self.client()?, plan).await
    }

    /// The same over any network.
    async fn set_up_over(
        &self,
        transport: &dyn Transport,
        plan: SetupPlan,
    ) -> Result<Vec<SetupStep>, SetupError> {
        let place = Place::of(self)?;
        let (asker, product) = self.first_that_answers(transport).await?;
        let installer = Installer { asker, mode: plan.mode };
        let mut steps = Vec::new();
        let mut policy_name = None;
        if let Some(policy) = place.policy(product, plan.keep_days) {
            let step = installer.install(&policy).await?;
            // A template that names a policy is refused by a server without policies. OpenSearch finds its own.
            let is_there = !matches!(step.result, StepResult::NotKnown | StepResult::Refused(_));
            if product == Product::Elasticsearch && is_there {
                policy_name = Some(policy.name.clone());
            }
            steps.push(step);
        }
        for template in place.templates(plan.fields, product, policy_name.as_deref())? {
            steps.push(installer.install(&template).await?);
        }
        Ok(steps)
    }

    async fn first_that_answers<'a>(
        &'a self,
        transport: &'a dyn Transport,
    ) -> Result<(Asker<'a>, Product), SetupError> {
        let authorization: Option<HeaderValue> = self.auth.header()?;
        let mut last = SetupError::Ask("no endpoint is given".into());
        for endpoint in &self.endpoints {
            let asker = Asker { transport, authorization: authorization.clone(), endpoint };
            match asker.ask(Method::GET, "/", &Value::Null).await {
                Ok((status @ StatusCode::UNAUTHORIZED, _)) => {
                    last = SetupError::NotLetIn { endpoint: endpoint.to_string(), status };
                }
                // Whoever may install need not be allowed to ask which server it is.
                Ok((_, answer)) => {
                    let is_opensearch = answer["version"]["distribution"] == "opensearch";
                    let product =
                        if is_opensearch { Product::OpenSearch } else { Product::Elasticsearch };
                    return Ok((asker, product));
                }
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }
}

struct Installer<'a> {
    asker: Asker<'a>,
    mode: SetupMode,
}

impl Installer<'_> {
    /// Does with one asset what is to be done.
    async fn install(&self, asset: &Asset) -> Result<SetupStep, AskError> {
        let (status, answer) = self.asker.ask(Method::GET, &asset.path(), &Value::Null).await?;
        // An error that is no object comes from a server that has no such interface.
        let has_interface = status == StatusCode::OK || answer["error"].is_object();
        let result = match status.as_u16() {
            200 => self.replace(asset, &answer).await?,
            404 if has_interface && self.mode == SetupMode::DryRun => StepResult::WouldInstall,
            404 if has_interface => self.put(asset, "", StepResult::Installed).await?,
            400 | 404 | 405 | 410 if !has_interface && asset.kind.can_be_left_out() => {
                StepResult::NotKnown
            }
            // Events without their templates would go into fields of guessed types.
            400 | 404 | 405 | 410 if !has_interface => {
                let reason = "not the answer of an Elasticsearch of version 7.8 or later";
                StepResult::Refused(format!("{status}: {reason}; check `endpoints`"))
            }
            _ => refused(asset, status, &answer),
        };
        let what = format!("{} `{}`", asset.kind.noun(), asset.name);
        Ok(SetupStep { what, result, body: asset.body.clone() })
    }

    async fn replace(&self, asset: &Asset, there: &Value) -> Result<StepResult, AskError> {
        match (asset.owner(there), self.mode) {
            (Found::Ours { digest }, _) if digest == asset.digest => {
                return Ok(StepResult::Unchanged);
            }
            (Found::SomebodyElses, SetupMode::DryRun | SetupMode::Install) => {
                return Ok(StepResult::NotOurs);
            }
            (Found::Ours { .. }, SetupMode::DryRun) => return Ok(StepResult::WouldReplace),
            (Found::Ours { .. }, SetupMode::Install | SetupMode::Overwrite)
            | (Found::SomebodyElses, SetupMode::Overwrite) => {}
        }
        // OpenSearch replaces a policy only for whoever says which version it replaces.
        let condition = match (there["_seq_no"].as_u64(), there["_primary_term"].as_u64()) {
            (Some(number), Some(term)) => format!("?if_seq_no={number}&if_primary_term={term}"),
            _ => String::new(),
        };
        self.put(asset, &condition, StepResult::Replaced).await
    }

    async fn put(
        &self,
        asset: &Asset,
        condition: &str,
        done: StepResult,
    ) -> Result<StepResult, AskError> {
        let path = format!("{}{condition}", asset.path());
        let (status, answer) = self.asker.ask(Method::PUT, &path, &asset.body).await?;
        Ok(if status.is_success() { done } else { refused(asset, status, &answer) })
    }
}

/// A refusal in the server's own words, which here can quote nothing but what was installed.
fn refused(asset: &Asset, status: StatusCode, answer: &Value) -> StepResult {
    let reason = Refusal::read(answer.to_string().as_bytes()).reason();
    StepResult::Refused(match status {
        StatusCode::FORBIDDEN => format!("{status}: it takes {}", asset.kind.privilege()),
        _ => format!("{status}: {reason}"),
    })
}

#[cfg(test)]
mod tests;
