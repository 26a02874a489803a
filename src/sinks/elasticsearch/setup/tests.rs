//! Setting up a server that has policies, which the servers of the integration tests lack.

use std::{collections::BTreeMap, sync::Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use net::{Body, SendError, full_body};
use serde_json::json;

use super::*;

/// Keeps what is put, and answers as the product does.
struct Server {
    is_opensearch: bool,
    /// By path.
    kept: Mutex<BTreeMap<String, Value>>,
    /// The puts, with their queries.
    puts: Mutex<Vec<String>>,
    /// Paths that are not allowed.
    forbidden: &'static str,
    /// Answers that there is no such page, as something else than Elasticsearch does.
    is_other: bool,
}

impl Server {
    fn new(is_opensearch: bool) -> Server {
        Server {
            is_opensearch,
            kept: Mutex::default(),
            puts: Mutex::default(),
            forbidden: "nothing",
            is_other: false,
        }
    }

    fn answer(&self, method: &Method, path: &str, query: &str, body: &[u8]) -> (u16, Value) {
        if self.is_other {
            return (404, json!({"statusCode": 404, "error": "Not Found"}));
        }
        if path == "/" {
            let distribution = if self.is_opensearch { json!("opensearch") } else { Value::Null };
            return (200, json!({"version": {"number": "3.8.0", "distribution": distribution}}));
        }
        if path.contains(self.forbidden) {
            return (403, json!({"error": {"type": "security_exception", "reason": "no"}}));
        }
        let name = path.rsplit('/').next().expect("a name");
        let mut kept = self.kept.lock().expect("nobody panics");
        if method == Method::PUT {
            self.puts.lock().expect("nobody panics").push(format!("{path}{query}"));
            let body = serde_json::from_slice(body).expect("JSON is put");
            kept.insert(path.to_owned(), body);
            return (200, json!({"acknowledged": true}));
        }
        let Some(body) = kept.get(path) else {
            return (404, json!({"error": {"type": "resource_not_found_exception"}}));
        };
        let answer = match path.split('/').nth(1) {
            Some("_ilm") => json!({name: {"version": 1, "policy": body["policy"]}}),
            Some("_plugins") => {
                json!({"_id": name, "_seq_no": 7, "_primary_term": 2, "policy": body["policy"]})
            }
            Some("_component_template") => {
                json!({"component_templates": [{"name": name, "component_template": body}]})
            }
            _ => json!({"index_templates": [{"name": name, "index_template": body}]}),
        };
        (200, answer)
    }
}

impl Transport for Server {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        let uri = request.uri();
        let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
        let (status, answer) = self.answer(request.method(), uri.path(), &query, request.body());
        let body = full_body(answer.to_string());
        let response = Response::builder().status(status).body(body).expect("a response");
        Box::pin(std::future::ready(Ok(response)))
    }
}

async fn set_up(server: &Server, sink: &str, mode: SetupMode) -> Vec<StepResult> {
    let config = format!("endpoints = [\"https://es:9200\"]\n{sink}");
    let config: Config = toml::from_str(&config).expect("it parses");
    let plan = SetupPlan { mode, fields: Fields::O365beat, keep_days: None };
    let steps = config.set_up_over(server, plan).await.expect("it answers");
    steps.into_iter().map(|step| step.result).collect()
}

fn paths(server: &Server) -> Vec<String> {
    std::mem::take(&mut *server.puts.lock().expect("nobody panics"))
}

use SetupMode::{DryRun, Install, Overwrite};
use StepResult::{Installed, NotOurs, Replaced, Unchanged, WouldInstall};

#[tokio::test]
async fn a_policy_comes_first_and_the_templates_name_it() {
    let server = Server::new(false);
    let would = [WouldInstall, WouldInstall, WouldInstall];
    assert_eq!(set_up(&server, "", DryRun).await, would);
    assert_eq!(paths(&server), [""; 0]);
    assert_eq!(set_up(&server, "", Install).await, [Installed, Installed, Installed]);
    assert_eq!(
        paths(&server),
        [
            "/_ilm/policy/o365flow-logs-o365.audit",
            "/_component_template/o365flow-logs-o365.audit-fields",
            "/_index_template/o365flow-logs-o365.audit",
        ]
    );
    let kept = server.kept.lock().expect("nobody panics").clone();
    let component = &kept["/_component_template/o365flow-logs-o365.audit-fields"];
    let policy = &component["template"]["settings"]["index.lifecycle.name"];
    assert_eq!(policy, "o365flow-logs-o365.audit");
    assert_eq!(set_up(&server, "", Install).await, [Unchanged, Unchanged, Unchanged]);
    assert_eq!(paths(&server), [""; 0]);
}

#[tokio::test]
async fn a_state_policy_is_replaced_only_in_the_version_that_was_read() {
    let server = Server::new(true);
    set_up(&server, "", Install).await;
    let policy = "/_plugins/_ism/policies/o365flow-logs-o365.audit";
    assert_eq!(paths(&server)[0], policy);
    {
        let mut kept = server.kept.lock().expect("nobody panics");
        let component = &kept["/_component_template/o365flow-logs-o365.audit-fields"];
        assert_eq!(component["template"].get("settings"), None, "it finds its indices itself");
        let policy = kept.get_mut(policy).expect("it is there");
        assert_eq!(policy["policy"]["ism_template"][0]["index_patterns"][0], "logs-o365.audit-*");
        policy["policy"]["description"] = "managed by o365flow, version 0".into();
    }
    assert_eq!(set_up(&server, "", Install).await, [Replaced, Unchanged, Unchanged]);
    assert_eq!(paths(&server), [format!("{policy}?if_seq_no=7&if_primary_term=2")]);
}

#[tokio::test]
async fn what_is_somebody_elses_stays_unless_it_is_forced() {
    let server = Server::new(false);
    let path = "/_index_template/o365flow-o365";
    let theirs = json!({"index_patterns": ["o365-*"], "priority": 1});
    server.kept.lock().expect("nobody panics").insert(path.to_owned(), theirs);
    let bulk = "mode = \"bulk\"";
    assert_eq!(set_up(&server, bulk, DryRun).await, [WouldInstall, NotOurs]);
    assert_eq!(set_up(&server, bulk, Install).await, [Installed, NotOurs]);
    assert_eq!(paths(&server), ["/_component_template/o365flow-o365-fields"]);
    assert_eq!(set_up(&server, bulk, Overwrite).await, [Unchanged, Replaced]);
    assert_eq!(set_up(&server, bulk, Install).await, [Unchanged, Unchanged]);
}

#[tokio::test]
async fn without_the_right_to_policies_the_templates_do_without() {
    let server = Server { forbidden: "_ilm", ..Server::new(false) };
    let results = set_up(&server, "", Install).await;
    assert!(results[0].to_string().contains("manage_ilm"), "{}", results[0]);
    assert!(!results[0].is_good());
    assert_eq!(results[1..], [Installed, Installed]);
    let kept = server.kept.lock().expect("nobody panics").clone();
    let component = &kept["/_component_template/o365flow-logs-o365.audit-fields"];
    assert_eq!(component["template"].get("settings"), None);
}

#[tokio::test]
async fn a_server_without_templates_is_no_success() {
    let server = Server { is_other: true, ..Server::new(false) };
    let results = set_up(&server, "", Install).await;
    assert_eq!(results[0], StepResult::NotKnown);
    assert!(!results[1].is_good() && !results[2].is_good(), "{results:?}");
    assert!(results[1].to_string().contains("check `endpoints`"), "{}", results[1]);
}
