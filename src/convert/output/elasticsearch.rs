//! `output.elasticsearch`.

use super::{
    super::{
        Notes,
        text::{add_line, has_variable, quoted, toml_string, variables},
        yaml::Yaml,
    },
    Sink, note_unknown, request, tls,
};

const KNOWN: [&str; 18] = [
    "enabled",
    "hosts",
    "protocol",
    "path",
    "username",
    "password",
    "api_key",
    "index",
    "pipeline",
    "ssl",
    "bulk_max_size",
    "worker",
    "compression_level",
    "loadbalance",
    "timeout",
    "backoff",
    "max_retries",
    "escape_html",
];

/// The date that Beats puts behind an index of its own.
const DATE: &str = "%Y.%m.%d";

pub(super) fn sink(settings: &Yaml, notes: &mut Notes) -> Sink {
    note_unknown("elasticsearch", settings, &KNOWN, notes);
    let mut toml = String::new();
    let hosts = settings.texts_at("hosts");
    let endpoints: Vec<String> = hosts.iter().map(|host| endpoint(host, settings)).collect();
    if hosts.iter().any(|host| has_variable(host) && !host.contains("://") && !host.contains(':')) {
        notes.add("an Elasticsearch host that is a variable has to be a whole URL, as `https://host:9200`");
    }
    if endpoints.is_empty() {
        notes.add("`output.elasticsearch.hosts` is not set: fill in `endpoints`");
    }
    if endpoints.len() > 1 && settings.flag_at("loadbalance", true) {
        notes.add("of several Elasticsearch hosts one is used at a time, and the next one when it does not answer");
    }
    let endpoints =
        if endpoints.is_empty() { vec![quoted("http://localhost:9200")] } else { endpoints };
    add_line(&mut toml, format_args!("endpoints = [{}]", endpoints.join(", ")));
    add_line(
        &mut toml,
        format_args!(
            "mode = \"bulk\"\nbulk = {{ index = {}, action = \"create\" }}",
            quoted(&index(settings, notes))
        ),
    );
    toml.push_str("id_field = \"event.id\"\n");
    if let Some(pipeline) = settings.text_at("pipeline") {
        if pipeline.contains("%{") {
            notes.add("`output.elasticsearch.pipeline` is not carried: it depends on the event");
        } else {
            add_line(&mut toml, format_args!("pipeline = {}", toml_string(&pipeline)));
        }
    }
    toml.push_str(&auth(settings, notes));
    match settings.text_at("compression_level").and_then(|level| level.parse::<u8>().ok()) {
        Some(level @ 1..=9) => add_line(&mut toml, format_args!("compression_level = {level}")),
        Some(0) => toml.push_str("compression = \"none\"\n"),
        Some(_) | None => {}
    }
    if let Some(events) = number(settings, "bulk_max_size") {
        add_line(&mut toml, format_args!("batch = {{ max_events = {events} }}"));
    }
    toml.push_str(&request(settings, number(settings, "worker")));
    toml.push_str(&tls("elasticsearch", settings, notes));
    Sink { name: "elasticsearch", component_type: "elasticsearch", options: toml }
}

fn number(settings: &Yaml, key: &str) -> Option<u64> {
    settings.text_at(key).and_then(|text| text.parse().ok()).filter(|number| *number > 0)
}

/// A host as Beats completes it: with scheme, port and path.
fn endpoint(host: &str, settings: &Yaml) -> String {
    if has_variable(host) && !host.contains("://") && !host.contains(':') {
        return toml_string(host);
    }
    let protocol = settings.text_at("protocol").unwrap_or_else(|| "http".to_owned());
    let (scheme, rest) = match host.split_once("://") {
        Some((scheme, rest)) => (scheme.to_owned(), rest),
        None => (protocol, host),
    };
    let (authority, own_path) = match rest.split_once('/') {
        Some((authority, path)) => (authority, Some(path)),
        None => (rest, None),
    };
    let after_address = authority.rsplit_once(']').map_or(authority, |(_, after)| after);
    let port = if after_address.contains(':') || has_variable(authority) { "" } else { ":9200" };
    let path = own_path.map(str::to_owned).or_else(|| settings.text_at("path")).unwrap_or_default();
    let path = path.trim_matches('/');
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    toml_string(&format!("{scheme}://{authority}{port}{path}"))
}

fn auth(settings: &Yaml, notes: &mut Notes) -> String {
    let password = settings.text_at("password").unwrap_or_default();
    match (settings.text_at("api_key"), settings.text_at("username")) {
        (Some(key), user) => {
            if user.is_some() {
                notes.add("of user and API key of Elasticsearch the key is taken");
            }
            format!("auth = {{ strategy = \"api_key\", api_key = {} }}\n", toml_string(&key))
        }
        (None, Some(user)) => format!(
            "auth = {{ strategy = \"basic\", user = {}, password = {} }}\n",
            toml_string(&user),
            toml_string(&password)
        ),
        (None, None) => String::new(),
    }
}

/// The name of the index: its date as we write it, without what only a Beat knows.
fn index(settings: &Yaml, notes: &mut Notes) -> String {
    let Some(index) = settings.text_at("index") else {
        notes.add("`output.elasticsearch.index` is not set: the default of o365beat was an index of its own version; the result writes to `o365beat-%Y.%m.%d`");
        return format!("o365beat-{DATE}");
    };
    let mut name = String::new();
    let mut rest = index.as_str();
    while let Some((before, inner)) = rest.split_once("%{") {
        name.push_str(before);
        let Some((inner, after)) = inner.split_once('}') else { break };
        rest = after;
        if let Some(layout) = inner.strip_prefix('+') {
            name.push_str(&date(layout));
        } else {
            notes.add(&format!("`%{{{inner}}}` in the name of the index is left out"));
            // With the hyphen that kept it apart.
            name = name.trim_end_matches('-').to_owned();
            rest = if name.is_empty() { rest.trim_start_matches('-') } else { rest };
        }
    }
    name.push_str(rest);
    variables(&name)
}

/// A date of Joda's as one of ours.
pub(super) fn date(layout: &str) -> String {
    let mut date = layout.to_owned();
    for (theirs, ours) in [
        ("yyyy", "%Y"),
        ("xxxx", "%G"),
        ("yy", "%y"),
        ("MM", "%m"),
        ("dd", "%d"),
        ("HH", "%H"),
        ("ww", "%V"),
    ] {
        date = date.replace(theirs, ours);
    }
    date
}
