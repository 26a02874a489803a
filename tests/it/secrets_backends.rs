//! `SECRET[backend.key]` in a configuration, as a user meets it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const CONFIG: &str = r#"
data_dir = "state"
[secret.json]
type = "file"
path = "${SECRETS_FOLDER:-.}/secrets.json"
[secret.folder]
type = "directory"
path = "credentials"
[secret.vault]
type = "exec"
command = ["/bin/sh", "./vault.sh"]
[sources.office365]
type = "office365"
[[sources.office365.tenants]]
name = "contoso"
tenant_id = "SECRET[json.tenant]"
client_id = "SECRET[folder.client_id]"
client_secret = "SECRET[vault.client_secret]"
[sinks.out]
type = "blackhole"
inputs = ["office365"]
"#;

const VAULT: &str = r#"
echo called >>calls
read request
case $request in *'"secrets":["client_secret"]'*) ;; *) echo "asked for $request" >&2; exit 1 ;; esac
echo '{"client_secret": {"value": "hunter2-of-the-vault", "error": null}}'
"#;

/// A folder with the configuration and all that it refers to.
fn folder(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    fs::create_dir(folder.path().join("credentials")).expect("a folder");
    write("secrets.json", r#"{"tenant": "0f1e2d3c-4b5a-4697-8877-665544332211"}"#);
    write("credentials/client_id", "8d7c6b5a-4f3e-4d2c-9b1a-00112233aabb\n");
    write("vault.sh", VAULT);
    write("o365flow.toml", config);
    folder
}

fn o365flow(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program starts")
}

fn stderr(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("hunter2"), "a secret is shown: {text}");
    text
}

#[test]
fn validate_reads_files_and_runs_commands_only_when_told() {
    let folder = folder(CONFIG);
    let output = o365flow(folder.path(), &["validate", "o365flow.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!folder.path().join("calls").exists(), "a command was run");
    let output = o365flow(folder.path(), &["validate", "--resolve-secrets", "o365flow.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let calls = fs::read_to_string(folder.path().join("calls")).expect("the command was run");
    assert_eq!(calls, "called\n");
    fs::write(folder.path().join("vault.sh"), "echo 'the vault is sealed' >&2; exit 2")
        .expect("written");
    let output = o365flow(folder.path(), &["validate", "--resolve-secrets", "o365flow.toml"]);
    // The configuration may be right: see docs/exit-codes.md.
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("o365flow.toml:18:17: secret backend `vault`: `/bin/sh` failed"),
        "{said}"
    );
    assert!(said.contains("the vault is sealed"), "{said}");
}

/// What `validate` complains of once `from` stands as `to`.
fn check_mistake(from: &str, to: &str, expected: &str) {
    assert!(CONFIG.contains(from), "{from}");
    let folder = folder(&CONFIG.replacen(from, to, 1));
    let output = o365flow(folder.path(), &["validate", "o365flow.toml"]);
    assert_eq!(output.status.code(), Some(78), "`{to}` passes");
    let said = stderr(&output);
    assert!(said.contains(expected), "`{to}` gives:\n{said}");
}

#[test]
fn mistakes_are_shown_at_their_line_with_their_remedy() {
    check_mistake(
        "[json.tenant]",
        "[jso.tenant]",
        "o365flow.toml:16:13: secret backend `jso`: it is not declared\n  fix: did you mean `json`?",
    );
    check_mistake("[json.tenant]", "[json.tenan]", "did you mean `SECRET[json.tenant]`?");
    check_mistake(
        "[json.tenant]",
        "[json]",
        "o365flow.toml:16:13: this is no reference to a secret",
    );
    check_mistake("/secrets.json", "/none.json", "cannot read `./none.json`");
    check_mistake(
        "\"credentials\"",
        "\"SECRET[json.tenant]\"",
        "o365flow.toml:8:8: SECRET[json.tenant] can't stand here",
    );
    check_mistake(
        "\"state\"",
        "\"SECRET[json.tenant]\"",
        "o365flow.toml:2:12: SECRET[json.tenant] can't stand here",
    );
    check_mistake(
        "type = \"file\"",
        "type = \"vault\"",
        "`vault` is not one of: file, directory, exec, keystore",
    );
    check_mistake(
        "path = \"credentials\"",
        "folder = \"credentials\"",
        "o365flow.toml:8:1: unknown option `folder`",
    );
    check_mistake(
        "SECRETS_FOLDER:-.",
        "O365FLOW_TEST_UNSET",
        "the variable `O365FLOW_TEST_UNSET` is not set",
    );
}

#[test]
fn a_backend_that_is_wrong_is_reported_once() {
    let folder = folder(&CONFIG.replace("path = \"credentials\"", "path = 7"));
    let output = o365flow(folder.path(), &["validate", "o365flow.toml"]);
    let said = stderr(&output);
    assert!(said.contains("1 error in the configuration"), "{said}");
}

#[test]
fn a_graph_is_drawn_without_any_secret() {
    let folder = folder(CONFIG);
    for file in ["secrets.json", "credentials/client_id", "vault.sh"] {
        fs::remove_file(folder.path().join(file)).expect("it was there");
    }
    let output = o365flow(folder.path(), &["graph", "--config", "o365flow.toml"]);
    assert!(output.status.success() && stderr(&output).is_empty(), "{}", stderr(&output));
}
