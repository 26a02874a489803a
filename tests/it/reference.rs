//! `config/reference.toml` as its readers understand it: which options there are, their defaults, what is said of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The repository.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Options that are tables with keys of the user's own.
const MAPS: [&str; 6] = [
    "enrichment_tables.file.schema",
    "sinks.kafka.headers",
    "sinks.kafka.librdkafka_options",
    "sources.kafka.librdkafka_options",
    "transforms.remap.settings",
    "transforms.route.route",
];

/// The text of a file of the repository.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).expect("it is in the repository")
}

/// A line of `config/reference.toml` that sets an option.
pub(crate) struct Line {
    pub(crate) number: usize,
    /// The table it stands in.
    pub(crate) table: String,
    pub(crate) key: String,
    pub(crate) assignment: String,
    /// It is a comment, because the option is not set by default.
    pub(crate) is_comment: bool,
    /// It has no default.
    pub(crate) is_required: bool,
    /// What is said right above it.
    pub(crate) text: String,
}

/// The reference without its comments: what it sets, and what it says of each option.
pub(crate) struct Reference {
    pub(crate) lines: Vec<String>,
    pub(crate) settings: Vec<Line>,
    /// The tables that are options themselves, with what is said of them.
    pub(crate) tables: BTreeMap<String, String>,
    /// The tables of components and the like, as `sinks.file`, with what is said of each, in order.
    pub(crate) components: Vec<(String, String)>,
}

impl Reference {
    pub(crate) fn read() -> Reference {
        let text = read("config/reference.toml");
        let mut reference = Reference {
            lines: Vec::new(),
            settings: Vec::new(),
            tables: BTreeMap::new(),
            components: Vec::new(),
        };
        let (mut table, mut in_comment, mut said) = (String::new(), false, String::new());
        let mut paragraph = String::new();
        for (number, line) in text.lines().enumerate() {
            let bare = line.strip_prefix('#').unwrap_or(line);
            let (mut kept, mut text) = (line.to_owned(), String::new());
            if bare.starts_with('[') {
                bare.trim_matches(['[', ']']).clone_into(&mut table);
                in_comment = bare != line;
                bare.clone_into(&mut kept);
                if depth(&table) == 2 && bare.starts_with('[') && !bare.starts_with("[[") {
                    reference.components.push((table.clone(), std::mem::take(&mut paragraph)));
                }
                reference.tables.insert(table.clone(), std::mem::take(&mut said));
            } else if bare.starts_with(|first: char| first.is_ascii_lowercase()) {
                let (key, _) = bare.split_once(" = ").expect("an option has a value");
                kept = if in_comment { bare.to_owned() } else { kept };
                reference.settings.push(Line {
                    number,
                    table: table.clone(),
                    key: key.to_owned(),
                    assignment: bare.to_owned(),
                    is_comment: bare != line && !in_comment,
                    is_required: bare.ends_with("# required"),
                    text: std::mem::take(&mut said),
                });
            } else if let Some(comment) = line.strip_prefix("# ") {
                format!("{said} {comment}").trim().clone_into(&mut text);
            }
            if !text.is_empty() {
                text.clone_into(&mut paragraph);
            }
            said = text;
            reference.lines.push(kept);
        }
        reference.name_by_type();
        // Every component has these two, and no field of its settings.
        reference.settings.retain(|line| {
            depth(&line.table) != 2 || !matches!(line.key.as_str(), "type" | "inputs")
        });
        reference.tables.retain(|table, _| depth(table) != 2);
        reference
    }

    /// Calls each component by its type: a source and a sink of the same type must have other names in the file.
    fn name_by_type(&mut self) {
        let typed =
            self.settings.iter().filter(|line| line.key == "type" && depth(&line.table) == 2);
        let renamed: Vec<(String, String)> = typed
            .filter_map(|line| {
                let (section, _) = line.table.split_once('.')?;
                let (_, of_type) = line.assignment.split_once(" = ")?;
                Some((line.table.clone(), join(section, of_type.trim_matches('"'))))
            })
            .collect();
        let rename = |table: &mut String| {
            for (from, to) in &renamed {
                let below = table.strip_prefix(from.as_str());
                if let Some(below) = below.filter(|it| it.is_empty() || it.starts_with('.')) {
                    *table = format!("{to}{below}");
                    return;
                }
            }
        };
        self.settings.iter_mut().for_each(|line| rename(&mut line.table));
        self.components.iter_mut().for_each(|(table, _)| rename(table));
        let tables = std::mem::take(&mut self.tables).into_iter();
        self.tables = tables
            .map(|(mut table, said)| {
                rename(&mut table);
                (table, said)
            })
            .collect();
    }

    /// The reference with one line replaced. Where a comment becomes an option, the option's other line goes.
    pub(crate) fn with(&self, line: &Line, replacement: &str) -> String {
        let other = |other: &&Line| other.table == line.table && other.key == line.key;
        let mut lines = self.lines.clone();
        for same in self.settings.iter().filter(other).filter(|same| !same.is_comment) {
            lines[same.number] = String::new();
        }
        replacement.clone_into(&mut lines[line.number]);
        lines.join("\n")
    }

    /// The options, as dotted names.
    pub(crate) fn options(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.tables.keys().cloned().collect();
        for line in &self.settings {
            let name = join(&line.table, &line.key);
            let value: toml::Table = line.assignment.parse().expect("it is TOML");
            let is_map = MAPS.contains(&name.as_str());
            if let Some(toml::Value::Table(inner)) = value.get(&line.key).filter(|_| !is_map) {
                names.extend(inner.keys().map(|key| join(&name, key)));
            }
            names.insert(name);
        }
        names
    }
}

pub(crate) fn depth(table: &str) -> usize {
    table.split('.').filter(|part| !part.is_empty()).count()
}

pub(crate) fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}
