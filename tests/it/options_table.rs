//! README's tables of options are made from `config/reference.toml`, which `docs.rs` holds to the program's own types.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use crate::reference::{Line, ROOT, Reference, depth, read};

const START: &str =
    "<!-- Made from config/reference.toml by `make readme`; changes here are lost. -->\n";
const END: &str = "<!-- End of what is made. -->\n";

/// The tables: one of the program's own options, and one of each component, folded.
fn tables(reference: &Reference) -> String {
    let is_component = |table: &str| reference.components.iter().any(|(name, _)| name == table);
    let own: Vec<&Line> =
        reference.settings.iter().filter(|line| !is_component(&root(&line.table))).collect();
    let mut text = table(reference, "", &own);
    for (name, said) in &reference.components {
        let own: Vec<&Line> =
            reference.settings.iter().filter(|line| root(&line.table) == *name).collect();
        write!(text, "\n<details><summary><code>[{name}]</code> {}</summary>\n\n", html(said))
            .expect("a String takes all");
        text.push_str(&table(reference, name, &own));
        text.push_str("\n</details>\n");
    }
    text
}

/// The component whose options stand in `table`.
fn root(table: &str) -> String {
    table.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// The table of these options; their names are said without `root`.
fn table(reference: &Reference, root: &str, lines: &[&Line]) -> String {
    let mut text = "| option | default | what it is |\n|---|---|---|\n".to_owned();
    let (mut tables, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for line in lines {
        let below = line.table.strip_prefix(root).unwrap_or_default().trim_start_matches('.');
        if tables.insert(&line.table) && !below.is_empty() {
            let said = reference.tables.get(&line.table).map_or("", String::as_str);
            row(&mut text, &format!("[{below}]"), "", said);
        }
        let name =
            if below.is_empty() { line.key.clone() } else { format!("{below}.{}", line.key) };
        if !seen.insert(name.clone()) {
            continue;
        }
        let (_, value) = line.assignment.split_once(" = ").expect("an option has a value");
        let default = match line {
            Line { is_required: true, .. } => "required".to_owned(),
            Line { is_comment: true, .. } => "none".to_owned(),
            Line { .. } => format!("`{}`", value.trim()),
        };
        row(&mut text, &name, &default, &line.text);
    }
    text
}

fn row(text: &mut String, name: &str, default: &str, said: &str) {
    let cell = |text: &str| text.replace('|', "\\|");
    writeln!(text, "| `{}` | {} | {} |", cell(name), cell(default), cell(said))
        .expect("a String takes all");
}

/// Markdown is not read in a summary.
fn html(text: &str) -> String {
    let mut parts = text.split('`');
    let mut html = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        html.push_str(if index % 2 == 0 { "<code>" } else { "</code>" });
        html.push_str(part);
    }
    html
}

#[test]
fn the_readme_lists_each_option_with_its_default() {
    let readme = read("README.md");
    let (before, rest) = readme.split_once(START).expect("README has the start of the tables");
    let (_, after) = rest.split_once(END).expect("README has the end of the tables");
    let reference = Reference::read();
    assert!(reference.components.iter().all(|(name, _)| depth(name) == 2));
    let made = format!("{before}{START}\n{}\n{END}{after}", tables(&reference));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(Path::new(ROOT).join("README.md"), made).expect("README can be written");
        return;
    }
    assert!(readme == made, "README's tables of options are not as made: run `make readme`");
}
