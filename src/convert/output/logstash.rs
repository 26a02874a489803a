//! `output.logstash`.

use super::{
    super::{
        Notes,
        text::{add, add_line, duration, toml_duration, toml_string, toml_strings},
        yaml::Yaml,
    },
    Sink, note_unknown, request, tls,
};

const KNOWN: [&str; 14] = [
    "enabled",
    "hosts",
    "compression_level",
    "bulk_max_size",
    "ssl",
    "loadbalance",
    "worker",
    "pipelining",
    "ttl",
    "timeout",
    "backoff",
    "index",
    // What we do anyway.
    "slow_start",
    "max_retries",
];

/// Events of a batch unless told otherwise.
const BATCH_EVENTS: usize = 2000;

/// Batches under way unless told otherwise.
const CONCURRENCY: usize = 4;

/// More workers than anybody has.
const WORKERS_MAX: usize = 64;

/// Windows under way on a connection, as Beats have it.
const PIPELINING: usize = 2;

pub(super) fn sink(settings: &Yaml, notes: &mut Notes) -> Sink {
    note_unknown("logstash", settings, &KNOWN, notes);
    let number = |key| settings.text_at(key).and_then(|text| text.parse::<usize>().ok());
    let mut hosts = settings.texts_at("hosts");
    if hosts.is_empty() {
        notes.add("`output.logstash.hosts` is not set: fill in `hosts`");
        hosts.push("localhost:5044".to_owned());
    }
    // Each of Beats' workers has a connection of its own, and so has each mention of a host here.
    let workers = number("worker").unwrap_or(1).clamp(1, WORKERS_MAX);
    let hosts = vec![hosts; workers].concat();
    let mut toml = format!("hosts = {}\n", toml_strings(&hosts));
    let is_balanced = settings.flag_at("loadbalance", false);
    if is_balanced {
        toml.push_str("loadbalance = true\n");
    } else if hosts.len() > 1 {
        notes.add("of several Logstash hosts the first one that works is used, where Beats chose one at random");
    }
    if let Some(level) = number("compression_level") {
        add_line(&mut toml, format_args!("compression_level = {level}"));
    }
    if let Some(events) = number("bulk_max_size").filter(|events| *events > 0) {
        add_line(&mut toml, format_args!("window_size = {events}"));
        if events > BATCH_EVENTS {
            add_line(&mut toml, format_args!("batch = {{ max_events = {events} }}"));
        }
    }
    // Beats' zero means that each window waits for the one before.
    let pipelining = number("pipelining").map(|windows| windows.max(1));
    if let Some(windows) = pipelining {
        add_line(&mut toml, format_args!("pipelining = {windows}"));
    }
    let ttl = settings.text_at("ttl").as_deref().and_then(duration);
    if let Some(ttl) = ttl.filter(|ttl| !ttl.is_zero()) {
        add_line(&mut toml, format_args!("ttl = {}", toml_duration(ttl)));
    }
    if let Some(index) = settings.text_at("index") {
        add_line(&mut toml, format_args!("metadata = {{ beat = {} }}", toml_string(&index)));
    }
    let connections = if is_balanced { hosts.len() } else { 1 };
    let windows = connections * pipelining.unwrap_or(PIPELINING);
    let concurrency = (windows > CONCURRENCY).then_some(windows as u64);
    toml.push_str(&request(settings, concurrency));
    let tls = tls("logstash", settings, notes);
    if settings.at("ssl").is_some_and(|ssl| ssl.flag_at("enabled", true)) {
        let rest = tls.strip_prefix("tls = {").unwrap_or(" }\n");
        let separator = if tls.is_empty() { "" } else { "," };
        add(&mut toml, format_args!("tls = {{ enabled = true{separator}{rest}"));
    }
    Sink { name: "logstash", component_type: "lumberjack", options: toml }
}
