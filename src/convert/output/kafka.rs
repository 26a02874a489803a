//! `output.kafka`.

use super::{
    super::{
        Notes,
        text::{
            add, add_line, duration, quoted, toml_duration, toml_string, toml_string_required,
            variables,
        },
        yaml::Yaml,
    },
    Sink,
    elasticsearch::date,
    note_unknown, tls,
};

const KNOWN: [&str; 26] = [
    "enabled",
    "hosts",
    "topic",
    "key",
    "headers",
    "partition",
    "compression",
    "compression_level",
    "bulk_max_size",
    "timeout",
    "backoff",
    "client_id",
    "max_message_bytes",
    "username",
    "password",
    "sasl",
    "ssl",
    "required_acks",
    // What we do anyway, or what has no meaning here.
    "version",
    "worker",
    "max_retries",
    "metadata",
    "keep_alive",
    "channel_buffer_size",
    "broker_timeout",
    "bulk_flush_frequency",
];

/// Events of a batch unless told otherwise.
const BATCH_EVENTS: usize = 2000;

pub(super) fn sink(settings: &Yaml, notes: &mut Notes) -> Sink {
    note_unknown("kafka", settings, &KNOWN, notes);
    let servers = settings.texts_at("hosts").join(",");
    let mut toml = format!("bootstrap_servers = {}\n", toml_string(&servers));
    let topic = settings.text_at("topic").unwrap_or_else(|| "o365beat".to_owned());
    add_line(&mut toml, format_args!("topic = {}", quoted(&template(&variables(&topic)))));
    key(settings, &mut toml, notes);
    headers(settings, &mut toml, notes);
    // Beats' own default: whoever reads the topic can read this.
    let compression = settings.text_at("compression").unwrap_or_else(|| "gzip".to_owned());
    add_line(&mut toml, format_args!("compression = {}", toml_string(&compression)));
    if let Some(level) = settings.text_at("compression_level").filter(|_| compression == "gzip") {
        add_line(&mut toml, format_args!("compression_level = {level}"));
    }
    let events = settings.text_at("bulk_max_size").and_then(|text| text.parse::<usize>().ok());
    if let Some(events) = events.filter(|events| *events > BATCH_EVENTS) {
        add_line(&mut toml, format_args!("batch = {{ max_events = {events} }}"));
    }
    if let Some(timeout) = settings.text_at("timeout").as_deref().and_then(duration) {
        add_line(&mut toml, format_args!("request = {{ timeout = {} }}", toml_duration(timeout)));
    }
    if settings.text_at("required_acks").is_some_and(|acks| acks != "-1") {
        notes.add("an event counts as delivered once all replicas in sync have it, whatever `output.kafka.required_acks` was");
    }
    passed_through(settings, &mut toml);
    sasl(settings, &mut toml, notes);
    if settings.at("ssl").is_some_and(|ssl| ssl.flag_at("enabled", true)) {
        let tls = tls("kafka", settings, notes);
        let rest = tls.strip_prefix("tls = {").unwrap_or(" }\n");
        let separator = if tls.is_empty() { "" } else { "," };
        add(&mut toml, format_args!("tls = {{ enabled = true{separator}{rest}"));
    }
    Sink { name: "kafka", component_type: "kafka", options: toml }
}

fn key(settings: &Yaml, toml: &mut String, notes: &mut Notes) {
    let key = settings.text_at("key").unwrap_or_default();
    let field = key.strip_prefix("%{[").and_then(|key| key.strip_suffix("]}"));
    match field {
        Some(field) if !field.contains(['%', ':']) => {
            add_line(toml, format_args!("key_field = {}", quoted(&field.replace("][", "."))));
        }
        _ => {
            if !key.is_empty() {
                notes.add(
                    "`output.kafka.key` is not carried: it is not one field; `event.id` is the key",
                );
            }
            toml.push_str("key_field = \"event.id\"\n");
        }
    }
    if settings.at("partition.random").is_some() {
        toml.push_str("partitioner = \"random\"\n");
    } else if !key.is_empty() || settings.at("partition").is_some() {
        notes.add("a key can get another partition than Beats gave it");
    }
}

fn headers(settings: &Yaml, toml: &mut String, notes: &mut Notes) {
    let mut entries = Vec::new();
    for header in settings.at("headers").map(Yaml::list).unwrap_or_default() {
        let (Some(name), Some(value)) = (header.text_at("key"), header.text_at("value")) else {
            continue;
        };
        if header.at("when").is_some() {
            notes.add(&format!("the header `{name}` of Kafka is always set, whatever its `when`"));
        }
        let value = quoted(&template(&variables(&value)));
        entries.push(format!("{} = {value}", quoted(&name)));
    }
    if !entries.is_empty() {
        add_line(toml, format_args!("headers = {{ {} }}", entries.join(", ")));
    }
}

/// What librdkafka has under another name.
fn passed_through(settings: &Yaml, toml: &mut String) {
    let options = [("client_id", "client.id"), ("max_message_bytes", "message.max.bytes")];
    let entries: Vec<String> = options
        .iter()
        .filter_map(|(theirs, ours)| {
            let value = settings.text_at(theirs)?;
            Some(format!("\"{ours}\" = {}", toml_string(&value)))
        })
        .collect();
    if !entries.is_empty() {
        add_line(toml, format_args!("librdkafka_options = {{ {} }}", entries.join(", ")));
    }
}

fn sasl(settings: &Yaml, toml: &mut String, notes: &mut Notes) {
    let Some(username) = settings.text_at("username") else { return };
    let mechanism = settings.text_at("sasl.mechanism").unwrap_or_else(|| "PLAIN".to_owned());
    let mechanism = mechanism.to_uppercase();
    if !["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&mechanism.as_str()) {
        notes.add(&format!(
            "`output.kafka.sasl.mechanism: {mechanism}` is not carried: there are PLAIN and SCRAM"
        ));
        return;
    }
    let password = settings.text_at("password").unwrap_or_else(|| {
        notes.add("`output.kafka.password` is not set: fill in `password`");
        String::new()
    });
    add_line(
        toml,
        format_args!(
            "sasl = {{ mechanism = {}, username = {}, password = {} }}",
            quoted(&mechanism),
            toml_string_required(&username),
            toml_string_required(&password)
        ),
    );
}

/// `%{[a.b]}` as `{{ a.b }}`, `%{+yyyy}` as `%Y`; any other percent sign as itself.
fn template(text: &str) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some((before, inner)) = rest.split_once("%{") {
        let Some((inner, after)) = inner.split_once('}') else { break };
        written.push_str(&before.replace('%', "%%"));
        let field = inner.strip_prefix('[').and_then(|field| field.strip_suffix(']'));
        match (field, inner.strip_prefix('+')) {
            (Some(field), _) => {
                add(&mut written, format_args!("{{{{ {} }}}}", field.replace("][", ".")));
            }
            (None, Some(layout)) => written.push_str(&date(layout)),
            (None, None) => add(&mut written, format_args!("%%{{{inner}}}")),
        }
        rest = after;
    }
    written + &rest.replace('%', "%%")
}
