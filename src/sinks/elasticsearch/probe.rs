//! Could events be delivered? Asked without writing: does each endpoint answer, does it take the credentials, may they
//! write, and is there a template for what is written?
//!
//! Nothing that a server says is shown but numbers and names: an answer may hold what was sent.

use std::fmt;

use http::{Method, StatusCode};
use pipeline_core::{Finding, Timestamp};
use serde_json::{Value, json};

use super::{
    ask::{AskError, Asker},
    auth::Auth,
    config::Config,
    error::chain,
    target::{Action, Mode},
};

/// The oldest server whose answers are understood.
const MAJOR_MIN: u64 = 7;

/// Looks whether what `config` says could work at `now`.
pub(super) async fn probe(config: &Config, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let client = match config.client() {
        Ok(client) => client,
        Err(error) => {
            let finding = Finding::fail("tls", chain(&error));
            return vec![
                finding.fix("name readable PEM files in the table `tls`, and check `proxy`"),
            ];
        }
    };
    let Ok(authorization) = config.auth.header() else {
        return vec![Finding::fail("auth", "the credentials do not fit into a header")];
    };
    let mut usable = None;
    for endpoint in &config.endpoints {
        let asker = Asker { transport: &client, authorization: authorization.clone(), endpoint };
        let (of_endpoint, is_usable) = look_at(&asker, &config.auth).await;
        findings.extend(of_endpoint);
        if is_usable && usable.is_none() {
            usable = Some(asker);
        }
    }
    if let Some(asker) = usable {
        let (destination, action) = config.destination();
        let target = Target { name: destination.pattern(Some(now)), action, mode: config.mode };
        let exists = target.exists(&asker).await;
        findings.extend(target.privileges(&asker, exists).await);
        findings.push(target.place(&asker, exists).await);
    }
    findings
}

/// Whether a server answers, which it is, and whether it takes the credentials.
async fn look_at(asker: &Asker<'_>, auth: &Auth) -> (Vec<Finding>, bool) {
    let url = asker.endpoint.url();
    let (status, answer) = match asker.ask(Method::GET, "/", &Value::Null).await {
        Ok(answer) => answer,
        Err(error) => return (vec![unreachable(url, &error)], false),
    };
    let mut findings = vec![Finding::ok("connect", format!("{url} answers"))];
    let identity = match auth {
        Auth::None => "without credentials".to_owned(),
        Auth::Basic { user, .. } => format!("as `{user}`"),
        Auth::ApiKey { .. } => "with the API key".to_owned(),
    };
    match status.as_u16() {
        200 => {
            findings.push(Finding::ok("auth", format!("{url} lets in, {identity}")));
            findings.push(version(&answer));
            (findings, true)
        }
        401 => {
            let finding = Finding::fail("auth", format!("{url} does not let in, {identity}"));
            let (cause, fix) = match auth {
                Auth::None => ("the server asks for credentials", "set `auth`"),
                Auth::Basic { .. } | Auth::ApiKey { .. } => (
                    "the credentials are wrong, or have ended",
                    "check `auth` and the variable behind it",
                ),
            };
            findings.push(finding.cause(cause).fix(fix));
            (findings, false)
        }
        // Whoever may write need not be allowed to ask which server it is.
        403 => {
            findings.push(Finding::ok("auth", format!("{url} lets in, {identity}")));
            let found = "the server does not tell these credentials which version it is";
            findings.push(Finding::ok("version", found));
            (findings, true)
        }
        status => {
            let found = format!("{url} answers {status} to the question what it is");
            let cause = "something that is not Elasticsearch answers, or it is not ready";
            findings.push(
                Finding::fail("version", found)
                    .cause(cause)
                    .fix("check `endpoints`, and the server's own log"),
            );
            (findings, false)
        }
    }
}

fn unreachable(url: impl fmt::Display, error: &AskError) -> Finding {
    let finding = Finding::fail("connect", format!("{url}: {}", chain(error)));
    match error {
        AskError::Send(error) => finding.cause(error.kind().cause()).fix(error.kind().fix()),
        AskError::Body(_) | AskError::Slow | AskError::Address(_) => finding,
    }
}

fn version(answer: &Value) -> Finding {
    let version = answer["version"]["number"].as_str().unwrap_or_default();
    let major: Option<u64> = version.split('.').next().and_then(|major| major.parse().ok());
    let is_opensearch = answer["version"]["distribution"] == "opensearch";
    let product = if is_opensearch { "OpenSearch" } else { "Elasticsearch" };
    match major {
        None => Finding::fail("version", "the answer is not that of Elasticsearch")
            .cause("something else answers at this address")
            .fix("check `endpoints`"),
        Some(major) if major < MAJOR_MIN && !is_opensearch => {
            Finding::fail("version", format!("{product} {version} is too old"))
                .fix(format!("use version {MAJOR_MIN} or newer"))
        }
        Some(_) => Finding::ok("version", format!("{product} {version}")),
    }
}

/// What is written to.
struct Target {
    name: String,
    action: Action,
    mode: Mode,
}

impl Target {
    fn noun(&self) -> &'static str {
        match self.mode {
            Mode::DataStream => "data stream",
            Mode::Bulk => "index",
        }
    }

    /// What is to be said of one that is not known to be there.
    fn state(&self) -> &'static str {
        if self.name.contains('*') { "is named by fields of events" } else { "is not there yet" }
    }

    /// Whether it is there; nothing when that may not be asked, or has many names.
    async fn exists(&self, asker: &Asker<'_>) -> Option<bool> {
        if self.name.contains('*') {
            return None;
        }
        let answer = asker.ask(Method::HEAD, &format!("/{}", self.name), &Value::Null).await;
        match answer.ok()?.0.as_u16() {
            200 => Some(true),
            404 => Some(false),
            _ => None,
        }
    }

    /// Whether the credentials may write. Nothing where the server has no users.
    async fn privileges(&self, asker: &Asker<'_>, exists: Option<bool>) -> Option<Finding> {
        let write = match self.action {
            Action::Create => "create_doc",
            Action::Index => "index",
        };
        let mut needed = vec![write];
        if exists != Some(true) {
            needed.push("auto_configure");
        }
        let question = json!({"index": [{"names": [self.name], "privileges": needed}]});
        let path = "/_security/user/_has_privileges";
        let (status, answer) = asker.ask(Method::POST, path, &question).await.ok()?;
        let held = answer["index"][&self.name].as_object()?;
        if status != StatusCode::OK {
            return None;
        }
        let lacking: Vec<&str> =
            needed.into_iter().filter(|name| held.get(*name) != Some(&json!(true))).collect();
        let (noun, name) = (self.noun(), &self.name);
        Some(if lacking.is_empty() {
            Finding::ok("permission", format!("these credentials may write to the {noun} `{name}`"))
        } else {
            let lacking = lacking.join(" and ");
            let found = format!("for the {noun} `{name}` these credentials lack {lacking}");
            let fix = format!("give their role {lacking} for indices of this name");
            Finding::fail("permission", found).fix(fix)
        })
    }

    /// Whether it is there or would be made as it should be.
    async fn place(&self, asker: &Asker<'_>, exists: Option<bool>) -> Finding {
        let (noun, name, state) = (self.noun(), &self.name, self.state());
        if exists == Some(true) {
            return Finding::ok("index", format!("the {noun} `{name}` is there"));
        }
        let path = "/_index_template?filter_path=index_templates.name,\
                    index_templates.index_template.index_patterns,\
                    index_templates.index_template.priority,\
                    index_templates.index_template.data_stream";
        let what = match self.mode {
            Mode::DataStream => "it would not become a data stream",
            Mode::Bulk => "each field takes the type that its first value seems to have",
        };
        let fix =
            "install a template: `o365flow setup elasticsearch` does, for what o365beat.vrl makes";
        let answer = asker.ask(Method::GET, path, &Value::Null).await;
        let Ok((StatusCode::OK, templates)) = answer else {
            let found = format!(
                "the {noun} `{name}` {state}, and these credentials may not ask whether a template is there"
            );
            return Finding::warn("index", found).fix(fix);
        };
        let template = matching(&templates, name);
        let is_stream = template.is_some_and(|(_, template)| template.get("data_stream").is_some());
        match (template, self.mode) {
            (Some((template, _)), Mode::DataStream) if is_stream => Finding::ok(
                "index",
                format!("the {noun} `{name}` {state}; the template `{template}` makes it"),
            ),
            (Some((template, _)), Mode::Bulk) if !is_stream => Finding::ok(
                "index",
                format!("the {noun} `{name}` {state}; the template `{template}` is for it"),
            ),
            (Some((template, _)), Mode::Bulk) => {
                let found = format!("the template `{template}` makes `{name}` a data stream");
                Finding::warn("index", found).fix("use mode = \"data_stream\", or another name")
            }
            (_, Mode::DataStream) => {
                let found = format!("no template makes the {noun} `{name}`, which {state}");
                Finding::fail("index", found).cause(what).fix(fix)
            }
            (None, Mode::Bulk) => {
                let found = format!("no template is for the {noun} `{name}`, which {state}");
                Finding::warn("index", found).cause(what).fix(fix)
            }
        }
    }
}

/// The template of the highest priority for `name`, with its own name.
fn matching<'a>(templates: &'a Value, name: &str) -> Option<(&'a str, &'a Value)> {
    let rows = templates["index_templates"].as_array()?;
    let fits = |row: &&Value| {
        let patterns = row["index_template"]["index_patterns"].as_array();
        patterns.is_some_and(|all| {
            all.iter().filter_map(Value::as_str).any(|pattern| is_like(name, pattern))
        })
    };
    let best =
        rows.iter().filter(fits).max_by_key(|row| row["index_template"]["priority"].as_u64())?;
    Some((best["name"].as_str().unwrap_or_default(), &best["index_template"]))
}

/// Whether `name` fits `pattern`, in which `*` stands for any text.
fn is_like(name: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(name) = name.strip_prefix(start) else { return false };
    let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
    ends.into_iter().any(|at| is_like(&name[at..], rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_names() {
        for (name, pattern, fits) in [
            ("logs-o365-default", "logs-*-*", true),
            ("logs-o365", "logs-*-*", false),
            ("o365-2026.03.01", "o365-*", true),
            ("o365-2026.03.01", "o365-*.02.*", false),
            ("o365", "o365", true),
            ("o365x", "o365", false),
            ("anything", "*", true),
            ("", "*", true),
        ] {
            assert_eq!(is_like(name, pattern), fits, "{name} {pattern}");
        }
    }

    #[test]
    fn the_template_of_the_highest_priority_counts() {
        let template = |name: &str, pattern: &str, priority: Option<u64>| json!({"name": name, "index_template": {"index_patterns": [pattern], "priority": priority}});
        let templates = json!({"index_templates": [
            template("low", "o365-*", None), template("high", "o365*", Some(200)),
            template("middle", "*", Some(100)), template("other", "x*", Some(900)),
        ]});
        assert_eq!(matching(&templates, "o365-1").map(|found| found.0), Some("high"));
        assert_eq!(matching(&json!({}), "o365-1").map(|found| found.0), None);
    }
}
