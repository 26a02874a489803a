//! `o365flow keystore`, and a configuration that takes its secrets from it.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

const SECRET: &str = "hunter2-of-the-keystore";

/// Runs `o365flow keystore` in `folder`, with `input` on its standard input.
fn keystore(folder: &Path, arguments: &[&str], input: &str, password: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_o365flow"));
    command.arg("keystore").args(arguments).args(["--path", "state/o365flow.keystore"]);
    command.current_dir(folder).env_remove("O365FLOW_KEYSTORE_PASSWORD");
    if let Some(password) = password {
        command.env("O365FLOW_KEYSTORE_PASSWORD", password);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("its input is piped");
    // A command that fails early reads nothing.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

/// All that a command has written.
fn said(output: &Output) -> String {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains("hunter2"), "a secret is shown: {said}");
    said
}

fn done(output: &Output) -> String {
    let said = said(output);
    assert!(output.status.success(), "{said}");
    said
}

fn refused(output: &Output, why: &str) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(why), "no `{why}` in: {said}");
}

#[test]
fn secrets_go_in_are_listed_and_go_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str], input: &str| keystore(folder.path(), arguments, input, None);
    refused(&run(&["list"], ""), "there is no keystore");
    refused(&run(&["add", "a", "--stdin"], SECRET), "o365flow keystore create");
    done(&run(&["create"], ""));
    refused(&run(&["create"], ""), "there is a keystore `state/o365flow.keystore` already");
    done(&run(&["add", "contoso.secret", "--stdin"], &format!("{SECRET}\n")));
    done(&run(&["add", "a/b", "--stdin"], SECRET));
    refused(&run(&["add", "a/b", "--stdin"], SECRET), "`--force` replaces it");
    done(&run(&["add", "a/b", "--stdin", "--force"], SECRET));
    refused(&run(&["add", "a b", "--stdin"], SECRET), "can't be the name of a secret");
    refused(&run(&["add", "empty", "--stdin"], "\n"), "the value is empty");
    assert_eq!(done(&run(&["list"], "")), "a/b\ncontoso.secret\n");
    refused(&run(&["remove", "a/b", "nobody"], ""), "there is no secret `nobody`");
    assert_eq!(done(&run(&["list"], "")), "a/b\ncontoso.secret\n");
    done(&run(&["remove", "a/b"], ""));
    assert_eq!(done(&run(&["list"], "")), "contoso.secret\n");
    done(&run(&["create", "--force"], ""));
    assert_eq!(done(&run(&["list"], "")), "");
}

#[test]
fn a_password_is_needed_where_there_is_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str], input: &str, password: Option<&str>| {
        keystore(folder.path(), arguments, input, password)
    };
    done(&run(&["create"], "", Some("sesame")));
    done(&run(&["add", "key", "--stdin"], SECRET, Some("sesame")));
    assert_eq!(done(&run(&["list"], "", Some("sesame"))), "key\n");
    for wrong in [None, Some(""), Some("Sesame")] {
        refused(&run(&["list"], "", wrong), "the password of the keystore");
        refused(&run(&["add", "b", "--stdin"], SECRET, wrong), "O365FLOW_KEYSTORE_PASSWORD");
    }
    let path = folder.path().join("state/o365flow.keystore");
    fs::write(&path, &fs::read(&path).expect("bytes")[..200]).expect("written");
    refused(&run(&["list"], "", Some("sesame")), "is damaged, or no keystore");
}

const CONFIG: &str = r#"
data_dir = "state"
[secret.keys]
type = "keystore"
[sources.office365]
type = "office365"
[[sources.office365.tenants]]
name = "contoso"
tenant_id = "SECRET[keys.tenant]"
client_id = "8d7c6b5a-4f3e-4d2c-9b1a-00112233aabb"
client_secret = "SECRET[keys.secret]"
[sinks.out]
type = "blackhole"
inputs = ["office365"]
"#;

#[test]
fn a_configuration_takes_its_secrets_from_the_keystore() {
    let folder = tempfile::tempdir().expect("a folder");
    let validate = |text: &str, password: &str| {
        fs::write(folder.path().join("o365flow.toml"), text).expect("written");
        Command::new(env!("CARGO_BIN_EXE_o365flow"))
            .args(["validate", "o365flow.toml"])
            .current_dir(folder.path())
            .env("O365FLOW_KEYSTORE_PASSWORD", password)
            .output()
            .expect("the program starts")
    };
    let missing = said(&validate(CONFIG, "sesame"));
    assert!(
        missing.contains("o365flow.toml:8:13: secret backend `keys`: there is no keystore"),
        "{missing}"
    );
    let run = |arguments: &[&str], input: &str| {
        done(&keystore(folder.path(), arguments, input, Some("sesame")))
    };
    run(&["create"], "");
    run(&["add", "secret", "--stdin"], SECRET);
    run(&["add", "tenant", "--stdin"], "0f1e2d3c-4b5a-4697-8877-665544332211");
    done(&validate(CONFIG, "sesame"));
    let wrong = validate(CONFIG, "Sesame");
    assert_eq!(wrong.status.code(), Some(78));
    assert!(said(&wrong).contains("the password of the keystore"));
    // A secret in the wrong place is not shown either.
    let misplaced = validate(&CONFIG.replace("keys.tenant", "keys.secret"), "sesame");
    assert!(
        said(&misplaced).contains("o365flow.toml:8:1: source `office365`: it is not a GUID"),
        "{}",
        said(&misplaced)
    );
    let unknown = said(&validate(&CONFIG.replace("keys.secret", "keys.secrett"), "sesame"));
    assert!(unknown.contains("did you mean `SECRET[keys.secret]`?"), "{unknown}");
}
