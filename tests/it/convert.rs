//! `o365flow convert`, from a file of the predecessor's to a topology that `validate` accepts.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

/// A configuration as users of o365beat have it.
const O365BEAT: &str = r#"
o365beat:
  period: 10m
  tenant_domain: ${O365BEAT_TENANT_DOMAIN:}
  directory_id: ${O365BEAT_DIRECTORY_ID:}
  client_id: ${O365BEAT_CLIENT_ID:}
  client_secret: hunter2-of-the-old-file
  content_types: [Audit.AzureActiveDirectory, Audit.General]
  registry_file_path: /var/lib/o365beat.state
processors:
  - drop_event:
      when:
        or:
          - equals: {Operation: FileAccessed}
          - regexp: {UserId: '^svc-[0-9]+$'}
  - rename:
      fields: [{from: ObjectId, to: file.path}]
      ignore_missing: true
  - add_tags: {tags: [o365]}
  - script: {lang: javascript, source: "function process(event) {}"}
output.elasticsearch:
  hosts: ["https://127.0.0.1:9200"]
  username: elastic
  password: hunter3-of-the-old-file
  index: "o365-%{+yyyy.MM.dd}"
  ssl.certificate_authorities: [ca.pem]
setup.kibana.host: localhost:5601
"#;

fn o365flow(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(arguments)
        .current_dir(folder)
        .env("O365BEAT_DIRECTORY_ID", "0f1e2d3c-4b5a-4697-8877-665544332211")
        .env("O365BEAT_CLIENT_ID", "8d7c6b5a-4f3e-4d2c-9b1a-00112233aabb")
        .output()
        .expect("the program starts")
}

fn stderr(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("hunter"), "a secret is shown: {text}");
    text
}

fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("o365beat.yml"), text).expect("written");
    folder
}

#[test]
fn the_result_is_private_valid_and_says_what_is_missing() {
    let folder = folder(O365BEAT);
    let convert = ["convert", "o365beat.yml", "-o", "o365flow.toml"];
    let output = o365flow(folder.path(), &convert);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    let path = folder.path().join("o365flow.toml");
    let mode = fs::metadata(&path).expect("it was written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(&path).expect("text");
    for note in
        ["processor `script` is not carried", "`setup` is not carried", "`o365flow state import`"]
    {
        assert!(said.contains(note) && text.contains(note), "no `{note}` in {said} and {text}");
    }
    let validated = o365flow(folder.path(), &["validate", "--deny-warnings", "o365flow.toml"]);
    assert!(validated.status.success(), "{}", stderr(&validated));
    assert!(text.contains("hunter2-of-the-old-file") && text.contains("poll_interval = \"10m\""));
    // What is there is not replaced by accident.
    let again = o365flow(folder.path(), &convert);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("there is a file `o365flow.toml` already"));
    let forced = o365flow(folder.path(), &[&convert[..], &["--force"]].concat());
    assert!(forced.status.success(), "{}", stderr(&forced));
}

#[test]
fn a_certificate_is_carried() {
    let folder = folder(&O365BEAT.replace(
        "client_secret: hunter2-of-the-old-file",
        "certificate_path: app.pfx\n  certificate_pwd: hunter2",
    ));
    let output = o365flow(folder.path(), &["convert", "o365beat.yml", "-o", "o365flow.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = fs::read_to_string(folder.path().join("o365flow.toml")).expect("text");
    let expected =
        "certificate = { path = \"app.pfx\", password = \"hunter2\", algorithm = \"RS256\" }";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn without_a_file_the_result_goes_to_standard_output() {
    let folder = folder(O365BEAT);
    let output = o365flow(folder.path(), &["convert", "o365beat.yml"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("[sources.office365]"), "{}", stderr(&output));
}

#[test]
fn a_result_that_cannot_be_run_as_it_is_says_why() {
    let folder = folder(
        "o365beat: {client_secret: x}\nprocessors: [{rename: {fields: [{from: a, to: Id.x}]}}]\n",
    );
    let output = o365flow(folder.path(), &["convert", "o365beat.yml", "-o", "o365flow.toml"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("before it can be run") && said.contains("E642"), "{said}");
    assert!(folder.path().join("o365flow.toml").exists());
}

#[test]
fn what_is_no_yaml_is_refused() {
    let folder = folder("o365beat: {client_secret: hunter2\n  x: [");
    let output = o365flow(folder.path(), &["convert", "o365beat.yml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot convert `o365beat.yml`: it is not valid YAML"));
    let output = o365flow(folder.path(), &["convert", "gone.yml"]);
    assert!(stderr(&output).contains("cannot read `gone.yml`"));
}
