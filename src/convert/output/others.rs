//! `output.file` and `output.console`.

use super::{
    super::{Notes, text::toml_string, yaml::Yaml},
    Sink, note_unknown,
};

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
