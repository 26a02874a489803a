//! What the documents say is what the program does: options, defaults, examples, dependencies.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    sync::Arc,
};

use o365flow::{
    components::REGISTRY,
    config::{
        self, Config,
        fault::{Fault, SourceFile},
    },
};
use pipeline_core::ComponentKind;

use crate::reference::{ROOT, Reference, join, read};

/// The table that every sink can have, at the one that the reference shows it with.
const BUFFER: &str = "sinks.elasticsearch.buffer";

/// Stands for every variable: the examples use them for GUIDs and secrets.
const VARIABLE: &str = "0f1e2d3c-4b5a-4697-8877-665544332211";

/// Tables whose options depend on one of them, and what that can be.
const TAGGED: [(&str, &str, &[&str]); 1] = [("auth", "strategy", &["basic", "api_key"])];

/// What keeps secrets: the values of `type` in `[secret.NAME]`.
const SECRET_BACKENDS: [&str; 4] = ["file", "directory", "exec", "keystore"];

/// The values of `type` in `[enrichment_tables.NAME]`.
const ENRICHMENT_TABLES: [&str; 3] = ["file", "geoip", "mmdb"];

fn parse(text: &str) -> (Config, Vec<Fault>) {
    let file = Arc::new(SourceFile { path: "it.toml".into(), text: text.to_owned() });
    config::parse(&[file], REGISTRY, &|_| Some(VARIABLE.to_owned()))
}

/// A configuration as far as it can be compared: what is no option of a component, and the settings of each.
fn shown(text: &str) -> Result<String, String> {
    let (config, faults) = parse(text);
    let settings: Vec<_> =
        config.components.iter().map(|one| (&one.settings, &one.buffer)).collect();
    match faults.first() {
        Some(fault) => Err(fault.to_string()),
        None => Ok(format!("{:?} {settings:?}", config.global)),
    }
}

/// What the program answers to an option that cannot be: the names of those that can.
fn expected(text: &str) -> Option<Vec<String>> {
    let (_, faults) = parse(text);
    let fault = faults.into_iter().find(|fault| fault.message == "unknown option `?`")?;
    let names = fault.fix?;
    let names = names.strip_prefix("the options here are: ").unwrap_or_default();
    Some(names.split(", ").map(str::to_owned).collect())
}

/// All options at and below `table`, where `before` is what the configuration needs to get there.
fn options_below(before: &str, table: &str, found: &mut BTreeSet<String>) {
    let mut openings = vec![format!("[{table}]\n"), format!("[[{table}]]\n")];
    for (name, tag, values) in TAGGED {
        if table.ends_with(&format!(".{name}")) {
            found.insert(join(table, tag));
            openings = values.iter().map(|it| format!("[{table}]\n{tag} = {it:?}\n")).collect();
        }
    }
    for opening in openings {
        // What is below a table of an array stands in the last one of these.
        let inside = if opening.starts_with("[[") { &opening } else { "" };
        for name in expected(&format!("{before}{opening}\"?\" = 1\n")).unwrap_or_default() {
            let option = join(table, &name);
            options_below(&format!("{before}{inside}"), &option, found);
            found.insert(option);
        }
    }
}

/// All options of the configuration's types, as dotted names.
fn options_of_the_program() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for name in expected("\"?\" = 1\n").expect("an unknown option is refused") {
        options_below("", &name, &mut found);
        found.insert(name);
    }
    let backends = SECRET_BACKENDS.map(|of_type| ("secret", of_type));
    for (section, of_type) in
        backends.into_iter().chain(ENRICHMENT_TABLES.map(|it| ("enrichment_tables", it)))
    {
        let table = format!("{section}.{of_type}");
        let before = format!("[{table}]\ntype = {of_type:?}\n\"?\" = 1\n");
        let own = expected(&before).expect("an unknown option is refused");
        found.extend(own.iter().map(|name| join(&table, name)));
    }
    options_below("", BUFFER, &mut found);
    found.insert(BUFFER.to_owned());
    for entry in REGISTRY {
        let section = match entry.kind {
            ComponentKind::Source => "sources",
            ComponentKind::Transform => "transforms",
            ComponentKind::Sink => "sinks",
        };
        let table = format!("{section}.{}", entry.name);
        let before = format!("[{table}]\ntype = {:?}\ninputs = []\n", entry.name);
        let own = expected(&format!("{before}\"?\" = 1\n")).expect("an unknown option is refused");
        for name in own {
            let option = join(&table, &name);
            options_below(&before, &option, &mut found);
            found.insert(option);
        }
    }
    found
}

#[test]
fn the_reference_has_every_option_and_no_other() {
    let (written, known) = (Reference::read().options(), options_of_the_program());
    let missing: Vec<_> = known.difference(&written).collect();
    let unknown: Vec<_> = written.difference(&known).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:?}, unknown: {unknown:?}");
}

#[test]
fn the_reference_has_the_defaults_of_the_program() {
    let reference = Reference::read();
    let whole = shown(&reference.lines.join("\n")).expect("it can be read");
    for line in &reference.settings {
        let name = join(&line.table, &line.key);
        if line.is_comment {
            let set = shown(&reference.with(line, &line.assignment)).expect(&name);
            assert_ne!(set, whole, "`{name}` is a comment, and what it says is the default");
            continue;
        }
        let left_out = shown(&reference.with(line, ""));
        if line.is_required {
            assert_ne!(left_out.as_ref(), Ok(&whole), "`{name}` is not required");
        } else {
            assert_eq!(left_out.as_ref(), Ok(&whole), "`{name}` has another default");
        }
    }
}

/// The doc comments of all fields, by their names in TOML.
fn field_docs(folder: &Path, docs: &mut BTreeMap<String, BTreeSet<String>>) {
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            field_docs(&path, docs);
            continue;
        }
        let (mut doc, mut renamed) = (String::new(), None);
        for line in fs::read_to_string(&path).expect("a file can be read").lines().map(str::trim) {
            if let Some(text) = line.strip_prefix("///") {
                format!("{doc} {}", text.trim()).trim().clone_into(&mut doc);
            } else if line.starts_with('#') {
                let name =
                    line.split_once("rename = \"").and_then(|(_, rest)| rest.split_once('"'));
                renamed = name.map(|(name, _)| name.to_owned()).or(renamed);
            } else {
                let field = line.strip_prefix("pub ").and_then(|field| field.split_once(": "));
                if let Some((name, _)) = field {
                    let name = renamed.unwrap_or_else(|| name.to_owned());
                    docs.entry(name).or_default().insert(doc);
                }
                (doc, renamed) = (String::new(), None);
            }
        }
    }
}

#[test]
fn the_reference_says_of_each_option_what_its_type_says() {
    let mut docs = BTreeMap::new();
    field_docs(&Path::new(ROOT).join("src"), &mut docs);
    let reference = Reference::read();
    let tables = reference.tables.iter().map(|(table, text)| (table.as_str(), text));
    let settings = reference.settings.iter().map(|line| (line.key.as_str(), &line.text));
    let mut last = "";
    for (name, text) in tables.chain(settings) {
        let key = name.rsplit('.').next().unwrap_or_default();
        // The text above an option's first line is for those below it as well.
        if !text.is_empty() || key != last {
            let own = docs.get(key).is_some_and(|docs| docs.contains(text));
            assert!(own, "of `{key}` the reference says: {text}\nits type: {:#?}", docs.get(key));
        }
        last = key;
    }
}

/// Runs `o365flow validate` on these files, each by itself.
fn validate(files: &[String]) -> Result<(), String> {
    let output = Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(["validate", "--deny-warnings", "--no-strict-permissions"])
        .args(files)
        .envs(
            ["O365_TENANT_ID", "O365_CLIENT_ID", "O365_CLIENT_SECRET"].map(|name| (name, VARIABLE)),
        )
        .env("O365_CERTIFICATE_PASSWORD", VARIABLE)
        .env("FABRIKAM_TENANT_ID", "1a2b3c4d-4b5a-4697-8877-665544332211")
        .envs(["FABRIKAM_CLIENT_ID", "FABRIKAM_CLIENT_SECRET"].map(|name| (name, VARIABLE)))
        .envs(
            ["ES_PASSWORD", "ES_API_KEY", "KAFKA_PASSWORD", "REDACTION_KEY"]
                .map(|name| (name, VARIABLE)),
        )
        .current_dir(ROOT)
        .output()
        .expect("the program starts");
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(complaints) }
}

fn examples() -> Vec<String> {
    let examples = fs::read_dir(Path::new(ROOT).join("config/examples")).expect("there are some");
    let paths = examples.map(|entry| entry.expect("an entry can be read").path());
    let files: Vec<String> =
        paths.filter(|path| path.is_file()).map(|path| path.display().to_string()).collect();
    assert!(files.len() >= 5, "{files:?}");
    files
}

#[test]
fn examples_are_valid_before_their_variables_are_set() {
    let validate = |more: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_o365flow"));
        program.env_clear().current_dir(ROOT).arg("validate").args(more).args(examples());
        let output = program.output().expect("the program starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let unset = "the variable `O365_CLIENT_SECRET` is not set";
    let (code, said) = validate(&[]);
    assert!(code == Some(0) && said.contains(unset), "{code:?} {said}");
    let (code, said) = validate(&["--deny-warnings"]);
    assert!(code == Some(78) && said.contains(unset), "{code:?} {said}");
}

#[test]
fn the_configurations_that_are_shown_are_valid() {
    let mut files = examples();
    files.push("config/reference.toml".to_owned());
    let readme = read("README.md");
    let folder = tempfile::tempdir().expect("a folder");
    for (index, block) in readme.split("```toml\n").skip(1).enumerate() {
        let path = folder.path().join(format!("readme-{index}.toml"));
        fs::write(&path, block.split("```").next().unwrap_or_default()).expect("it is written");
        files.push(path.display().to_string());
    }
    assert_eq!(validate(&files), Ok(()));
}

#[test]
fn the_architecture_names_each_dependency_and_no_other() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("it is TOML");
    let declared: BTreeSet<String> = manifest["workspace"]["dependencies"]
        .as_table()
        .expect("a table")
        .iter()
        .filter(|(_, dependency)| dependency.get("path").is_none())
        .map(|(name, _)| name.clone())
        .collect();
    let architecture = read("ARCHITECTURE.md");
    let (_, dependencies) = architecture.split_once("## Dependencies").expect("it has a list");
    let named: BTreeSet<String> = dependencies
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned))
        .collect();
    let unnamed: Vec<_> = declared.difference(&named).collect();
    let gone: Vec<_> = named.difference(&declared).collect();
    assert!(unnamed.is_empty() && gone.is_empty(), "unnamed: {unnamed:?}, gone: {gone:?}");
}

/// The names in the calls of these macros, in all the program's sources.
fn names_given_to(macros: &[&str], folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.ends_with("tests") || path.ends_with("tests.rs") {
            continue;
        }
        if path.is_dir() {
            names_given_to(macros, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a file can be read");
            // What a test counts is no metric of the program.
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for start in macros {
                let call = format!("{start}!(");
                let names = text.split(&call).skip(1);
                let names = names.filter_map(|rest| rest.trim_start().strip_prefix('"'));
                found.extend(names.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            }
        }
    }
}

#[test]
fn the_table_of_metrics_has_each_that_the_program_makes_and_the_readme_names_no_other() {
    let mut made = BTreeSet::new();
    let macros = [" counter", " gauge", " histogram"];
    for folder in ["src", "lib/pipeline-core/src"] {
        names_given_to(&macros, &Path::new(ROOT).join(folder), &mut made);
    }
    assert!(made.contains("kafka_requests_total") && made.contains("utilization"), "{made:?}");
    let names = |table: &str| -> BTreeSet<String> {
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
        let names = rows.flat_map(|names| names.split(['`', ',', ' ']));
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let documented = names(&read("docs/metrics.md"));
    made.retain(|name| !documented.contains(name.as_str()));
    assert!(made.is_empty(), "not in the table of docs/metrics.md: {made:?}");
    let readme = read("README.md");
    let (_, chapter) = readme.split_once("## Metrics").expect("it has a chapter on metrics");
    let chapter = chapter.split("\n## ").next().unwrap_or_default();
    let unknown: Vec<String> = names(chapter).difference(&documented).cloned().collect();
    assert!(unknown.is_empty(), "README names what is no metric: {unknown:?}");
}

#[test]
fn the_pages_name_files_that_exist() {
    let architecture = read("ARCHITECTURE.md");
    let is_path = |text: &&str| {
        ["src/", "lib/", "tests/", "vrl/", "config/"].iter().any(|start| text.starts_with(start))
    };
    let named = architecture.split('`').skip(1).step_by(2).filter(is_path);
    let readme = read("README.md");
    let targets = readme.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let linked = targets.filter(|target| !target.is_empty() && !target.starts_with("http"));
    for path in named.chain(linked) {
        assert!(Path::new(ROOT).join(path).exists(), "`{path}` does not exist");
    }
    for page in fs::read_dir(Path::new(ROOT).join("docs")).expect("there are pages") {
        let page = page.expect("an entry can be read").path();
        if page.is_dir() {
            continue;
        }
        let text = fs::read_to_string(&page).expect("a page can be read");
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.starts_with("http")) {
            let path = page.parent().expect("a folder").join(target);
            assert!(path.exists(), "{} links to `{target}`, which does not exist", page.display());
        }
    }
}

#[test]
fn the_page_on_sign_in_has_each_refusal_and_no_other() {
    let page = read("docs/sign-in.md");
    let (_, table) = page.split_once("| AADSTS |").expect("it has a table");
    let written: Vec<&str> = table.lines().skip(2).filter(|line| line.starts_with('|')).collect();
    let row = |row: &office365::Aadsts| {
        let codes: Vec<String> = row.codes.iter().map(u32::to_string).collect();
        format!("| {} | {} | {} |", codes.join(", "), row.hint.cause, row.hint.fix)
    };
    let known: Vec<String> = office365::AADSTS.iter().map(row).collect();
    assert_eq!(written, known);
}

#[test]
fn the_page_on_sign_in_has_each_cloud() {
    let page = read("docs/sign-in.md");
    for cloud in office365::Cloud::ALL {
        let (login, resource) = (cloud.login_host(), cloud.resource_host());
        let row = format!("| `{}` | {login} | {resource} |", cloud.name());
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn both_index_templates_have_the_same_fields() {
    let template = |name: &str| -> serde_json::Value {
        let text = read(&format!("config/elasticsearch/{name}.json"));
        serde_json::from_str(&text).expect("it is JSON")
    };
    let (index, data_stream) = (template("o365beat"), template("o365beat-data-stream"));
    assert_eq!(index["template"], data_stream["template"]);
    assert!(index.get("data_stream").is_none() && data_stream.get("data_stream").is_some());
}
