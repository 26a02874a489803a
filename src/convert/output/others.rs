//! `output.kafka`, `output.file` and `output.console`.

use super::{
    super::{
        Notes,
        text::{add, add_line, quoted, toml_string, variables},
        yaml::Yaml,
    },
    Sink, note_unknown, tls,
};

pub(super) fn kafka(settings: &Yaml, notes: &mut Notes) -> Sink {
    let known = ["enabled", "hosts", "topic", "key", "compression", "ssl"];
    note_unknown("kafka", settings, &known, notes);
    let servers = settings.texts_at("hosts").join(",");
    let mut toml = format!("bootstrap_servers = {}\n", toml_string(&servers));
    let topic = settings.text_at("topic").unwrap_or_else(|| "o365beat".to_owned());
    add_line(&mut toml, format_args!("topic = {}", quoted(&template(&variables(&topic)))));
    let key = settings.text_at("key").unwrap_or_default();
    let field = key.strip_prefix("%{[").and_then(|key| key.strip_suffix("]}"));
    match field {
        Some(field) if !field.contains(['%', ':']) => {
            add_line(&mut toml, format_args!("key_field = {}", quoted(&field.replace("][", "."))));
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
    if let Some(compression) = settings.text_at("compression") {
        add_line(&mut toml, format_args!("compression = {}", toml_string(&compression)));
    }
    toml.push_str(&tls("kafka", settings, notes));
    Sink { name: "kafka", component_type: "kafka", options: toml }
}

/// `%{[a.b]}` as `{{ a.b }}`.
fn template(text: &str) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some((before, inner)) = rest.split_once("%{[") {
        let Some((field, after)) = inner.split_once("]}") else { break };
        add(&mut written, format_args!("{before}{{{{ {} }}}}", field.replace("][", ".")));
        rest = after;
    }
    written + rest
}

pub(super) fn file(settings: &Yaml, notes: &mut Notes) -> Sink {
    let known =
        ["enabled", "path", "filename", "rotate_every_kb", "number_of_files", "permissions"];
    note_unknown("file", settings, &known, notes);
    let folder = settings.text_at("path").unwrap_or_else(|| ".".to_owned());
    let name = settings.text_at("filename").unwrap_or_else(|| "o365beat".to_owned());
    let path = format!("{}/{name}", folder.trim_end_matches('/'));
    let kilobytes = settings.text_at("rotate_every_kb").and_then(|text| text.parse().ok());
    let files = settings.text_at("number_of_files").and_then(|text| text.parse().ok());
    let (kilobytes, files): (u64, u64) = (kilobytes.unwrap_or(10_240), files.unwrap_or(7));
    let toml = format!(
        "path = {}\nmax_bytes = \"{kilobytes}KiB\"\nmax_files = {files}\n",
        toml_string(&path)
    );
    notes.add(
        "the file's oldest parts are removed, as Beats did; with `max_files = 0` they are kept",
    );
    Sink { name: "file", component_type: "file", options: toml }
}

pub(super) fn console(settings: &Yaml) -> Sink {
    let is_pretty = settings.flag_at("pretty", false)
        || settings.at("codec.json").is_some_and(|json| json.flag_at("pretty", false));
    let options = if is_pretty { "encoding = \"pretty\"\n".to_owned() } else { String::new() };
    Sink { name: "console", component_type: "console", options }
}
