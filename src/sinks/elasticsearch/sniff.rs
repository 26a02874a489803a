//! Looks up the nodes of the cluster every so often, and gives them to the pool.
//!
//! Invariant: what an answer says decides on host and port alone. The scheme is that of the configuration, and where
//! there are credentials it is https with verified certificates, so that they go to nobody who cannot prove that it
//! belongs to the cluster; `Config::problems` holds that.
//!
//! A look-up that fails changes nothing.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header::AUTHORIZATION};
use net::{BodyError, SendError, Transport, read_body};
use pipeline_core::ComponentId;
use serde::Deserialize;
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::{endpoint::Endpoint, error::chain, pool::Pool};

/// Bytes of an answer; a node takes some hundred of them.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Nodes that are used. A cluster with more has enough with these.
const NODES_MAX: usize = 256;

/// What the answer is asked to hold.
const PATH: &str = "/_nodes/http?filter_path=nodes.*.roles,nodes.*.http.publish_address";

/// How long one look-up may take.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(30);

/// Looks up nodes for as long as it runs.
pub(super) struct Sniffer {
    pub pool: Arc<Pool>,
    pub transport: Arc<dyn Transport>,
    pub authorization: Option<HeaderValue>,
    pub interval: Duration,
    pub component_id: ComponentId,
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
enum SniffError {
    #[error("there is no endpoint to ask")]
    NoEndpoint,
    #[error("`_nodes/http` got no answer")]
    Send(#[from] SendError),
    #[error("the answer to `_nodes/http` could not be read")]
    Body(#[from] BodyError),
    #[error("`_nodes/http` answered {0}")]
    Status(StatusCode),
    #[error("the answer to `_nodes/http` makes no sense")]
    Nonsense(#[from] serde_json::Error),
    #[error("the address cannot be used")]
    Address(#[from] http::Error),
    #[error("no answer within {} s", LOOK_UP_TIMEOUT.as_secs())]
    Slow,
}

impl Sniffer {
    /// Looks up at once and then after each interval. Does not end.
    pub(super) async fn run(&self) -> ! {
        loop {
            match timeout(LOOK_UP_TIMEOUT, self.look_up()).await.unwrap_or(Err(SniffError::Slow)) {
                Ok(nodes) => self.pool.found(nodes),
                Err(error) => {
                    let component_id = &self.component_id;
                    let error = chain(&error);
                    debug!(%component_id, %error, "the cluster's nodes were not found");
                }
            }
            sleep(self.interval).await;
        }
    }

    async fn look_up(&self) -> Result<Vec<Endpoint>, SniffError> {
        let asked = self.pool.pick(&[]).ok_or(SniffError::NoEndpoint)?;
        let base = asked.url().as_str().trim_end_matches('/');
        let mut request = Request::builder().uri(format!("{base}{PATH}"));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = self.transport.send(request.body(Bytes::new())?).await?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(SniffError::Status(status));
        }
        let body = read_body(response.into_body(), ANSWER_BYTES_MAX).await?;
        Ok(nodes(&body, asked.url().scheme())?)
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    nodes: std::collections::BTreeMap<String, Node>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    roles: Vec<String>,
    http: Option<Http>,
}

#[derive(Deserialize)]
struct Http {
    publish_address: String,
}

/// The nodes that take documents, as endpoints of this scheme.
fn nodes(answer: &[u8], scheme: &str) -> Result<Vec<Endpoint>, serde_json::Error> {
    let answer: Answer = serde_json::from_slice(answer)?;
    let endpoint = |node: &Node| {
        let address = &node.http.as_ref()?.publish_address;
        // `10.0.0.1:9200`, `[::1]:9200`, or `es1.example/10.0.0.1:9200`, whose certificate has the name.
        let address = match address.split_once('/') {
            Some((name, address)) => format!("{name}:{}", address.rsplit_once(':')?.1),
            None => address.clone(),
        };
        Endpoint::try_from(format!("{scheme}://{address}"))
            .ok()
            .filter(|endpoint| endpoint.url().path() == "/")
    };
    Ok(answer
        .nodes
        .values()
        .filter(|node| node.takes_documents())
        .filter_map(endpoint)
        .take(NODES_MAX)
        .collect())
}

impl Node {
    /// Whether it does more than to be elected.
    fn takes_documents(&self) -> bool {
        let is_electoral = |role: &String| {
            matches!(
                &**role,
                "master" | "cluster_manager" | "voting_only" | "remote_cluster_client"
            )
        };
        // A node without a role passes requests on.
        self.roles.is_empty() || !self.roles.iter().all(is_electoral)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_reached_by_the_scheme_of_the_configuration() {
        let answer = br#"{"nodes":{
            "a":{"roles":["data","ingest"],"http":{"publish_address":"10.0.0.1:9200"}},
            "b":{"roles":["data_hot"],"http":{"publish_address":"es.example/10.0.0.2:9201"}},
            "c":{"roles":["master"],"http":{"publish_address":"10.0.0.3:9200"}},
            "d":{"roles":[],"http":{"publish_address":"[::1]:9200"}},
            "e":{"roles":["data"]},
            "f":{"roles":["data"],"http":{"publish_address":"u:p@evil.example:9200"}},
            "g":{"roles":["data"],"http":{"publish_address":"http://evil.example:9200"}}}}"#;
        let found = nodes(answer, "https").expect("an answer");
        let found: Vec<String> = found.into_iter().map(String::from).collect();
        assert_eq!(
            found,
            ["https://10.0.0.1:9200/", "https://es.example:9201/", "https://[::1]:9200/"]
        );
        nodes(b"<html>", "https").expect_err("that is no answer");
    }
}
