//! What is made of the program's own types for other programs: manual pages, completions.

use std::{
    collections::BTreeSet,
    fs,
    process::{Command, Output, Stdio},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_o365flow");

fn o365flow(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().expect("the program starts")
}

fn said(arguments: &[&str]) -> String {
    let output = o365flow(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

/// The commands that `--help` lists.
fn commands() -> BTreeSet<String> {
    let help = said(&["--help"]);
    let (_, list) = help.split_once("Commands:\n").expect("there are commands");
    let named = list.lines().take_while(|line| line.starts_with("  "));
    let first = named
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    first.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("the path is text");
    said(&["man", path]);
    let page = |name: &str| {
        let page = fs::read_to_string(folder.path().join(name));
        page.unwrap_or_else(|error| panic!("no {name}: {error}"))
    };
    assert!(commands().len() > 15);
    for command in commands() {
        let page = page(&format!("o365flow-{command}.1"));
        assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH OPTIONS"), "{command}: {page}");
    }
    // A reader of manuals finds the others from the first.
    let first = page("o365flow.1");
    for command in commands() {
        let name = format!("o365flow\\-{}(1)", command.replace('-', "\\-"));
        assert!(first.contains(&name), "{name} is not in {first}");
    }
}

#[test]
fn each_shell_gets_completions_that_it_can_read() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = said(&["completions", shell]);
        for command in commands() {
            assert!(script.contains(&command), "{shell}: no {command}");
        }
        assert!(script.contains("no-strict-permissions"), "{shell}");
    }
    assert_eq!(o365flow(&["completions", "cmd"]).status.code(), Some(2));
    // Bash is there wherever the tests are.
    let script = format!(
        "{}\nCOMP_WORDS=(o365flow dead); COMP_CWORD=1\n_o365flow o365flow dead o365flow\necho \"${{COMPREPLY[@]}}\"",
        said(&["completions", "bash"])
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &script])
        .stdin(Stdio::null())
        .output()
        .expect("bash starts");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "dead-letter\n", "{output:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for command in ["o365flow schema", "o365flow completions zsh"] {
        let script =
            format!("set -o pipefail; {} | head -c 10", command.replace("o365flow", PROGRAM));
        let output = Command::new("bash").args(["-c", &script]).output().expect("bash starts");
        assert!(output.status.success(), "{command}: {output:?}");
        assert!(output.stderr.is_empty(), "{command}: {output:?}");
    }
}
