//! The outputs of Beats as sinks.

mod elasticsearch;
mod kafka;
mod logstash;
mod others;

use super::{
    Notes,
    text::{duration, toml_duration, toml_string},
    yaml::Yaml,
};

/// The tables of all sinks.
#[derive(Default)]
pub(super) struct Written {
    pub(super) toml: String,
    /// The same, with sinks of types that are not known as ones that take anything.
    pub(super) checkable: String,
}

/// What is written for one output.
struct Sink {
    name: &'static str,
    component_type: &'static str,
    options: String,
}

/// The sinks for all outputs of `root`, fed by `input`.
pub(super) fn tables(root: &Yaml, input: &str, known: &[&str], notes: &mut Notes) -> Written {
    let mut written = Written::default();
    for (name, settings) in root.at("output").map(Yaml::map).unwrap_or_default() {
        if !settings.flag_at("enabled", true) {
            continue;
        }
        let sink = match name.as_str() {
            "elasticsearch" => elasticsearch::sink(settings, notes),
            "logstash" => logstash::sink(settings, notes),
            "kafka" => kafka::sink(settings, notes),
            "file" => others::file(settings, notes),
            "console" => others::console(settings),
            other => {
                notes.add(&format!("`output.{other}` is not carried: there is no sink like it"));
                continue;
            }
        };
        let head = format!(
            "[sinks.{}]\ntype = \"{}\"\ninputs = [\"{input}\"]\n",
            sink.name, sink.component_type
        );
        let table = format!("{head}{}\n", sink.options);
        written.toml.push_str(&table);
        if known.contains(&sink.component_type) {
            written.checkable.push_str(&table);
        } else {
            notes.add(&format!(
                "this version has no sink of type `{}` yet, and says so when the result is checked",
                sink.component_type
            ));
            let stand_in =
                format!("[sinks.{}]\ntype = \"blackhole\"\ninputs = [\"{input}\"]\n\n", sink.name);
            written.checkable.push_str(&stand_in);
        }
    }
    if written.toml.is_empty() {
        notes.add("there is no output: the result writes to the console");
        written.toml = format!("[sinks.console]\ntype = \"console\"\ninputs = [\"{input}\"]\n");
        written.checkable.clone_from(&written.toml);
    }
    written
}

/// Names the options of an output that are neither carried nor without meaning here.
fn note_unknown(output: &str, settings: &Yaml, known: &[&str], notes: &mut Notes) {
    for (key, _) in settings.map() {
        if !known.contains(&key.as_str()) {
            notes.add(&format!("`output.{output}.{key}` is not carried"));
        }
    }
}

/// The table `request`, with so many requests at a time where that is not the default.
fn request(settings: &Yaml, concurrency: Option<u64>) -> String {
    let mut entries = Vec::new();
    if let Some(requests) = concurrency {
        entries.push(format!("concurrency = {requests}"));
    }
    for (theirs, ours) in [
        ("timeout", "timeout"),
        ("backoff.init", "retry_initial_backoff"),
        ("backoff.max", "retry_max_backoff"),
    ] {
        if let Some(value) = settings.text_at(theirs).as_deref().and_then(duration) {
            entries.push(format!("{ours} = {}", toml_duration(value)));
        }
    }
    if entries.is_empty() {
        String::new()
    } else {
        format!("request = {{ {} }}\n", entries.join(", "))
    }
}

/// `ssl` as the table `tls`.
fn tls(output: &str, settings: &Yaml, notes: &mut Notes) -> String {
    let Some(ssl) = settings.at("ssl").filter(|ssl| ssl.flag_at("enabled", true)) else {
        return String::new();
    };
    let mut entries = Vec::new();
    let authorities = ssl.texts_at("certificate_authorities");
    if authorities.len() > 1 {
        notes.add(&format!("of several `output.{output}.ssl.certificate_authorities` the first is taken: put the others into the same file"));
    }
    if let Some(first) = authorities.first() {
        entries.push(format!("ca_file = {}", toml_string(first)));
    }
    for (theirs, ours) in [("certificate", "crt_file"), ("key", "key_file")] {
        if let Some(path) = ssl.text_at(theirs) {
            entries.push(format!("{ours} = {}", toml_string(&path)));
        }
    }
    match ssl.text_at("verification_mode").as_deref() {
        None | Some("full" | "strict") => {}
        Some("certificate") => entries.push("verify_hostname = false".to_owned()),
        Some("none") => entries.push("verify_certificate = false".to_owned()),
        Some(_) => notes.add(&format!("`output.{output}.ssl.verification_mode` is not carried")),
    }
    for (key, _) in ssl.map() {
        let known =
            ["enabled", "certificate_authorities", "certificate", "key", "verification_mode"];
        if !known.contains(&key.as_str()) {
            notes.add(&format!("`output.{output}.ssl.{key}` is not carried"));
        }
    }
    if entries.is_empty() { String::new() } else { format!("tls = {{ {} }}\n", entries.join(", ")) }
}
