//! The predecessor's `o365beat.yml` as a topology of ours. Text in, text out: nothing is read or written here.
//!
//! Invariant: every setting is carried, or named in a note. No note shows a value that may be a secret. Whether the result
//! can be run, whoever calls this checks.

mod output;
mod processors;
mod source;
mod text;
mod yaml;

use self::{
    processors::{Mapping, statements, take_mapping},
    text::{add, add_line, has_variable, toml_program},
    yaml::Yaml,
};

/// What a conversion gives.
#[derive(Debug)]
pub struct Converted {
    /// The topology as TOML.
    pub toml: String,
    /// The same, for a check in which no variable is set and sinks of types that are not known are left to others.
    pub checkable: String,
    /// What could not be carried, or is carried differently.
    pub notes: Vec<String>,
}

/// The file is no YAML.
#[derive(Debug, thiserror::Error)]
#[error("it is not valid YAML")]
pub struct ConvertError(#[from] serde_yaml_ng::Error);

/// What the user has to know of the conversion.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    /// Adds a note, unless it was told before. It becomes a line of comment, which nothing in it may end.
    fn add(&mut self, note: &str) {
        let note = note.replace(char::is_control, " ");
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }
}

/// The settings of Beats that have no place here, and why.
const ELSEWHERE: [(&str, &str); 14] = [
    ("name", "Beats' own name is not set on events; add a field in VRL"),
    ("logging", "logs go to standard error; see `--log` and `--log-format`"),
    ("setup", "index templates and dashboards are loaded once, by hand; see the README"),
    ("monitoring", "metrics are served for Prometheus at `[metrics] address`"),
    ("xpack", "metrics are served for Prometheus at `[metrics] address`"),
    ("http", "metrics are served for Prometheus at `[metrics] address`"),
    (
        "queue",
        "there is no queue that loses what it holds; memory is bounded by `max_in_flight_bytes`",
    ),
    (
        "path",
        "state is kept in `data_dir`, and all other paths are relative to the working directory",
    ),
    ("max_procs", "all cores are used"),
    ("cloud", "set `endpoints` and `auth` of the sink"),
    ("keystore", "see `o365flow keystore`"),
    ("migration", "it concerns indices of Beats"),
    ("timestamp", "it concerns the inside of Beats"),
    ("seccomp", "use the service manager's own means"),
];

/// The sections that are carried.
const CARRIED: [&str; 6] =
    ["o365beat", "output", "processors", "tags", "fields", "fields_under_root"];

/// Converts the text of an `o365beat.yml`. `sinks` are the types of sinks that there are.
pub fn convert(text: &str, sinks: &[&str]) -> Result<Converted, ConvertError> {
    let mut notes = Notes::default();
    let root = yaml::read(text, &mut notes)?;
    let source = source::table(&root, &mut notes);
    let (transforms, last) = transforms(&root, &mut notes);
    let written = output::tables(&root, last, sinks, &mut notes);
    for (key, _) in root.map() {
        match ELSEWHERE.iter().find(|(name, _)| name == key) {
            Some((_, why)) => notes.add(&format!("`{key}` is not carried: {why}")),
            None if CARRIED.contains(&key.as_str()) => {}
            None => notes.add(&format!("`{key}` is not carried: there is nothing like it here")),
        }
    }
    note_keystore(&root, &mut notes);
    let mut head = "# Converted from o365beat.yml.\n".to_owned();
    if !notes.0.is_empty() {
        head.push_str("#\n# What is not as it was:\n");
        for note in &notes.0 {
            add_line(&mut head, format_args!("# - {note}"));
        }
    }
    let before = format!("data_dir = \"./o365flow-data\"\n\n{source}\n{transforms}");
    Ok(Converted {
        toml: format!("{head}\n{before}{}", written.toml),
        checkable: without_bare_variables(&format!("{before}{}", written.checkable)),
        notes: notes.0,
    })
}

/// The transforms, and the name of the last one.
fn transforms(root: &Yaml, notes: &mut Notes) -> (String, &'static str) {
    let processors = root.at("processors").map(Yaml::list).unwrap_or_default();
    let (mapping, rest) = take_mapping(processors, notes);
    let mut toml = String::new();
    let mut program = String::new();
    let mut input = "office365";
    match mapping {
        Mapping::Taken => {
            toml.push_str("# The mapping that o365beat came with.\n");
            toml.push_str(&remap("o365beat", input, "file = \"vrl/o365beat.vrl\""));
            input = "o365beat";
        }
        Mapping::Absent => {
            notes.add("o365beat's own mapping is not among the processors: `@timestamp` is set from `CreationTime` as it was, and `event.id` from `Id`, so that no event is stored twice");
            program.push_str(
                "# As o365beat did before any processor, and the id that sinks go by.\n.\"@timestamp\" = parse_utc(.CreationTime) || now()\n.event.id = .Id\n",
            );
        }
    }
    if let Some(tags) = root.at("tags") {
        program.push_str(&processors::append_tags("tags", tags));
    }
    if let Some(fields) = root.at("fields") {
        let target = if root.flag_at("fields_under_root", false) { "" } else { "fields" };
        program.push_str(&processors::set_fields(target, fields));
    }
    program.push_str(&statements(&rest, notes));
    if has_variable(&program.replace("$$", "")) {
        notes.add("variables in fields, tags and processors become text of the program: what they hold must have no quotation mark, backslash or line break");
    }
    if !program.is_empty() {
        let source = format!("source = {}", toml_program(&program));
        toml.push_str(&remap("processors", input, &source));
        input = "processors";
    }
    (toml, input)
}

fn remap(name: &str, input: &str, program: &str) -> String {
    format!("[transforms.{name}]\ntype = \"remap\"\ninputs = [\"{input}\"]\n{program}\n\n")
}

/// Beats looks for `${KEY}` in its keystore first, which can't be read from here.
fn note_keystore(root: &Yaml, notes: &mut Notes) {
    let mut names = Vec::new();
    collect_bare(root, &mut names);
    if !names.is_empty() {
        names.sort();
        names.dedup();
        notes.add(&format!(
            "{} may have come from a keystore of Beats, which only Beats can read: set variables of these names, or keep the values with `o365flow keystore add` and write `SECRET[backend.KEY]`",
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        ));
    }
}

fn collect_bare(value: &Yaml, names: &mut Vec<String>) {
    match value {
        Yaml::Text(text) => names.extend(text::bare_variables(text)),
        Yaml::List(items) => items.iter().for_each(|item| collect_bare(item, names)),
        Yaml::Map(map) => map.iter().for_each(|(_, value)| collect_bare(value, names)),
        Yaml::Null | Yaml::Boolean(_) | Yaml::Number(_) => {}
    }
}

/// Puts a GUID, which fits anywhere where text does, in the place of variables that have no default.
fn without_bare_variables(toml: &str) -> String {
    let mut written = String::new();
    let mut rest = toml;
    while let Some(at) = rest.find('$') {
        written.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            written.push_str("$$");
            rest = after;
        } else if let Some((inner, after)) =
            rest.strip_prefix("${").and_then(|inner| inner.split_once('}'))
        {
            if inner.contains(":-") {
                add(&mut written, format_args!("${{{inner}}}"));
            } else {
                written.push_str("00000000-0000-0000-0000-000000000000");
            }
            rest = after;
        } else {
            written.push('$');
            rest = &rest[1..];
        }
    }
    written + rest
}

#[cfg(test)]
mod tests;
