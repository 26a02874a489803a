//! Imports point one way, as ARCHITECTURE.md says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// For each module of the program, the modules that it may use.
const MAY_USE: [(&str, &[&str]); 19] = [
    ("buffer", &["config", "storage"]),
    ("api", &["components", "config", "live", "program", "telemetry"]),
    (
        "cli",
        &[
            "api",
            "components",
            "config",
            "convert",
            "delivery",
            "keystore",
            "live",
            "program",
            "telemetry",
            "topology",
        ],
    ),
    ("components", &["config", "program", "sinks", "sources", "transforms"]),
    ("config", &["keystore"]),
    ("convert", &[]),
    ("delivery", &["config"]),
    ("fields", &[]),
    ("kafka", &["delivery"]),
    ("keystore", &[]),
    ("lib", &[]),
    ("live", &["config", "program"]),
    ("main", &[]),
    ("program", &["config", "fields"]),
    ("sinks", &["config", "delivery", "kafka"]),
    ("sources", &["config", "delivery", "kafka", "storage"]),
    ("storage", &[]),
    ("transforms", &["config", "program"]),
    ("topology", &["buffer", "config", "live"]),
];

/// `telemetry` serves what the configuration says where.
const TELEMETRY_MAY_USE: &[&str] = &["config"];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The first step of every `crate::…` path in a file, those of its tests aside.
fn used(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `pipeline_core::…` and `$crate::…` are other crates' paths.
        if code[..at]
            .ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$')
        {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            names.extend(group_heads(group));
        } else {
            names.insert(
                rest.chars()
                    .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                    .collect(),
            );
        }
    }
    names
}

/// The first steps of the paths in `{a::b, c::{d, e}}`, whose opening brace is gone.
fn group_heads(group: &str) -> BTreeSet<String> {
    let (mut depth, mut heads, mut word) = (1, BTreeSet::new(), String::new());
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && letter == ',') {
            let head: String = word
                .trim()
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            heads.insert(head);
            word.clear();
        } else {
            word.push(letter);
        }
        if depth == 0 {
            break;
        }
    }
    heads.remove("");
    heads
}

#[test]
fn imports_point_one_way() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut may_use: BTreeMap<&str, &[&str]> = MAY_USE.into();
    may_use.insert("telemetry", TELEMETRY_MAY_USE);
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    assert!(files.len() > 20, "the scan found only {} files", files.len());
    for file in files {
        let relative = file.strip_prefix(&source).expect("the file is below src");
        let is_test = relative.iter().any(|step| {
            ["tests", "tests.rs", "testing.rs"].iter().any(|of_tests| step == *of_tests)
        });
        let module =
            relative.components().next().expect("a file has a name").as_os_str().to_string_lossy();
        let module = module.trim_end_matches(".rs").to_owned();
        let allowed =
            may_use.get(module.as_str()).unwrap_or_else(|| panic!("say what `{module}` may use"));
        if is_test {
            continue;
        }
        for name in used(&fs::read_to_string(&file).expect("a file can be read")) {
            let fine = name == module || allowed.contains(&name.as_str());
            assert!(fine, "{} uses `crate::{name}`, which `{module}` may not", relative.display());
        }
    }
}

/// Where code may call OpenSSL: whatever reads hostile input is left to Rust.
const OPENSSL_FOLDER: &str = "lib/office365/src/sign_in";

#[test]
fn only_the_sign_in_uses_openssl() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "lib"] {
        rust_files(&root.join(folder), &mut files);
    }
    let users: Vec<PathBuf> = files
        .into_iter()
        .filter(|file| fs::read_to_string(file).expect("a file can be read").contains("openssl::"))
        .filter(|file| !file.starts_with(root.join(OPENSSL_FOLDER)))
        .collect();
    assert!(users.is_empty(), "{users:?}");
}

#[test]
fn the_scan_sees_grouped_imports() {
    let text = "use crate::{\n    config::{self, fault},\n    topology::run,\n};\nlet x = crate::sinks::y;";
    let names: Vec<String> = used(text).into_iter().collect();
    assert_eq!(names, ["config", "sinks", "topology"]);
}
