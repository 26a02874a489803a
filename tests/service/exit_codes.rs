//! Each code of `docs/exit-codes.md` is what the program ends with, and no other is.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};

use crate::{reference::read, rig::write_private};

const PROGRAM: &str = env!("CARGO_BIN_EXE_o365flow");

/// A source that ends by itself, and a sink.
const RIGHT: &str = r#"
data_dir = "state"
[sources.files]
type = "file"
include = ["*.ndjson"]
schema = "any"
mode = "once"
[sinks.out]
type = "console"
inputs = ["files"]
"#;

/// Arguments, what the configuration has besides, and the code.
const CASES: [(&[&str], &str, i32); 17] = [
    (&["--version"], "", 0),
    (&["--help"], "", 0),
    (&["validate", "it.toml"], "", 0),
    (&["run", "-c", "it.toml"], "", 0),
    (&["run", "-c", "it.toml", "--once"], "", 0),
    // The state cannot be opened: it is a file.
    (&["run", "-c", "blocked.toml"], "", 1),
    (&["run", "-c", "absent.toml"], "", 1),
    // What keeps the secrets may answer at the next start; but not if there is a mistake besides.
    (&["run", "-c", "secret.toml"], "", 1),
    (&["run", "-c", "secret.toml"], "date_dir = 1\n", 78),
    (&["test", "no-such-folder"], "", 1),
    (&["run"], "", 2),
    (&["run", "-c", "it.toml", "--twice"], "", 2),
    (&["march"], "", 2),
    (&["report", "-c", "it.toml", "--source", "office366"], "", 2),
    (&["validate", "it.toml"], "date_dir = 1\n", 78),
    (&["run", "-c", "it.toml"], "date_dir = 1\n", 78),
    (&["report", "-c", "it.toml"], "metrics = { address = 1 }\n", 78),
];

/// What the program ends with, and what it says.
fn ended(arguments: &[&str], more: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| write_private(&folder.path().join(name), text);
    put("a.ndjson", "{\"a\":1}\n");
    put("file", "");
    put("it.toml", &format!("{more}{RIGHT}"));
    let vault = "secret.vault = { type = \"exec\", command = [\"false\"] }";
    let asking = RIGHT.replace("[\"*.ndjson\"]", "[\"SECRET[vault.files]\"]");
    put("secret.toml", &format!("{more}{vault}{asking}"));
    put("blocked.toml", &RIGHT.replace("\"state\"", "\"file\""));
    let output = Command::new(PROGRAM)
        .args(arguments)
        .current_dir(folder.path())
        .env_remove("O365FLOW_CONFIG")
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The codes in the first column of the table.
fn documented() -> BTreeSet<i32> {
    let text = read("docs/exit-codes.md");
    let first = |line: &str| line.strip_prefix("| ")?.split(' ').next()?.parse().ok();
    text.lines().filter_map(first).collect()
}

#[test]
fn the_program_ends_with_the_codes_that_are_documented() {
    for (arguments, more, code) in CASES {
        let (ended, said) = ended(arguments, more);
        assert_eq!(ended, Some(code), "{arguments:?}: {said}");
    }
    let produced: BTreeSet<i32> = CASES.iter().map(|(_, _, code)| *code).collect();
    assert_eq!(documented(), produced);
}
