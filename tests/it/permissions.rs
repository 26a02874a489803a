//! Files that other users can read or change are refused before anything is done with them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

const CONFIG: &str = r#"
data_dir = "state"
[secret.json]
type = "file"
path = "secrets.json"
[sources.office365]
type = "office365"
[[sources.office365.tenants]]
name = "contoso"
tenant_id = "0f1e2d3c-4b5a-4697-8877-665544332211"
client_id = "8d7c6b5a-4f3e-4d2c-9b1a-00112233aabb"
client_secret = "SECRET[json.secret]"
# Nobody listens there, so that a run that begins ends soon.
login_url = "http://127.0.0.1:1"
resource_url = "http://127.0.0.1:1"
[sinks.out]
type = "elasticsearch"
inputs = ["office365"]
endpoints = ["https://127.0.0.1:1"]
mode = "bulk"
id_field = ""
bulk = { index = "x" }
tls = { crt_file = "client.pem", key_file = "client.key" }
"#;

/// The files that matter.
const PRIVATE: [&str; 4] = ["o365flow.toml", "secrets.json", "client.key", "state"];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("state")).expect("a folder");
    fs::write(folder.path().join("o365flow.toml"), CONFIG).expect("written");
    fs::write(folder.path().join("secrets.json"), r#"{"secret": "hunter2"}"#).expect("written");
    fs::write(folder.path().join("client.pem"), "").expect("written");
    fs::write(folder.path().join("client.key"), "").expect("written");
    for name in PRIVATE {
        chmod(folder.path(), name, if name == "state" { 0o700 } else { 0o600 });
    }
    folder
}

fn chmod(folder: &Path, name: &str, mode: u32) {
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(folder.join(name), permissions).expect("the mode is set");
}

fn o365flow(folder: &Path, arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("hunter2"), "a secret is shown: {text}");
    (output, text)
}

const RUN: [&str; 4] = ["run", "--once", "--config", "o365flow.toml"];

/// The client certificate is empty, which is found once permissions have passed.
const PASSED: &str = "client.pem";

#[test]
fn what_others_can_read_or_change_is_refused() {
    for (name, mode, why) in [
        (
            "o365flow.toml",
            0o644,
            "can be read by any user (its mode is 0644)\n  fix: `chmod 600 o365flow.toml`",
        ),
        ("o365flow.toml", 0o602, "can be changed by any user"),
        ("o365flow.toml", 0o660, "can be changed by its group"),
        ("secrets.json", 0o604, "can be read by any user"),
        ("client.key", 0o644, "can be read by any user"),
        ("state", 0o755, "can be read by any user (its mode is 0755)\n  fix: `chmod 700 state`"),
    ] {
        let folder = folder();
        chmod(folder.path(), name, mode);
        let (output, said) = o365flow(folder.path(), &RUN);
        assert_eq!(output.status.code(), Some(78), "{name} {mode:o}: {said}");
        assert!(said.contains(&format!("`{name}` {why}")), "{name} {mode:o}: {said}");
        assert!(said.contains("--no-strict-permissions") && !said.contains(PASSED), "{said}");
        assert_eq!(fs::read_dir(folder.path().join("state")).expect("a folder").count(), 0);
    }
}

#[test]
fn the_keys_of_every_sink_matter() {
    let tls = "tls = { enabled = true, crt_file = 'client.pem', key_file = 'client.key' }";
    let store = "librdkafka_options = { 'ssl.keystore.location' = 'client.key' }";
    let kafka = "type = 'kafka'\nbootstrap_servers = '127.0.0.1:1'\ntopic = 'x'\nkey_field = ''";
    let lumberjack = "type = 'lumberjack'\nhosts = ['127.0.0.1:1']";
    for (sink, option) in [(kafka, tls), (kafka, store), (lumberjack, tls)] {
        let folder = folder();
        let (before, _) = CONFIG.split_once("[sinks.out]").expect("it is there");
        let text = format!("{before}[sinks.out]\ninputs = ['office365']\n{sink}\n{option}\n");
        fs::write(folder.path().join("o365flow.toml"), text).expect("written");
        chmod(folder.path(), "client.key", 0o644);
        let (output, said) = o365flow(folder.path(), &RUN);
        assert!(said.contains("`client.key` can be read by any user"), "{sink} {option}: {said}");
        assert_eq!(output.status.code(), Some(78), "{said}");
    }
}

#[test]
fn a_private_key_matters_wherever_it_is_declared_and_a_certificate_alone_does_not() {
    let certificate = |options: &str| format!("certificate = {{ {options} }}");
    for (options, file, is_refused) in [
        ("path = 'client.key'", "client.key", true),
        ("path = 'client.pem', key_path = 'client.key'", "client.key", true),
        ("path = 'app.crt', key_path = 'client.key'", "app.crt", false),
    ] {
        for is_in_folder in [false, true] {
            let folder = folder();
            fs::write(folder.path().join("app.crt"), "").expect("written");
            let inline =
                CONFIG.replace(r#"client_secret = "SECRET[json.secret]""#, &certificate(options));
            let text = if is_in_folder {
                let (before, rest) =
                    inline.split_once("[[sources.office365.tenants]]").expect("it is there");
                let (tenant, sinks) = rest.split_once("[sinks.out]").expect("it is there");
                fs::create_dir(folder.path().join("tenants")).expect("a folder");
                fs::write(folder.path().join("tenants/contoso.toml"), tenant).expect("written");
                chmod(folder.path(), "tenants/contoso.toml", 0o600);
                format!("{before}tenants_dir = 'tenants'\n[sinks.out]{sinks}")
            } else {
                inline
            };
            let text = text.replace("key_file = \"client.key\"", "key_file = \"other.key\"");
            fs::write(folder.path().join("o365flow.toml"), text).expect("written");
            chmod(folder.path(), file, 0o644);
            // One of a tenant in the folder is the fault of that tenant's file alone.
            let command: &[&str] =
                if is_in_folder { &["report", "--config", "o365flow.toml"] } else { &RUN };
            let (output, said) = o365flow(folder.path(), command);
            let refusal = format!("`{file}` can be read by any user");
            assert_eq!(said.contains(&refusal), is_refused, "{options} {is_in_folder}: {said}");
            assert_eq!(
                output.status.code() == Some(78),
                is_refused && !is_in_folder,
                "{options} {is_in_folder}: {said}"
            );
            assert!(!is_refused || said.contains("defaultMode: 0440"), "{said}");
        }
    }
}

#[test]
fn what_the_owner_and_the_group_can_read_is_fine() {
    let folder = folder();
    for name in PRIVATE {
        chmod(folder.path(), name, if name == "state" { 0o750 } else { 0o640 });
    }
    let (output, said) = o365flow(folder.path(), &RUN);
    assert!(output.status.code() == Some(1) && said.contains(PASSED), "{said}");
}

#[test]
fn a_tenants_file_that_others_can_read_stops_no_other_tenant() {
    let folder = folder();
    let config = CONFIG.replace("[[sources", "tenants_dir = \"tenants.d\"\n[[sources");
    fs::write(folder.path().join("o365flow.toml"), config).expect("written");
    fs::create_dir(folder.path().join("tenants.d")).expect("a folder");
    let table = "tenant_id = \"5e0a9b7e-0f4d-4a8e-b7f1-3f0c8d1e2b22\"\n\
                 client_id = \"8d7c6b5a-4f3e-4d2c-9b1a-00112233aabb\"\nclient_secret = \"hunter2\"\n";
    fs::write(folder.path().join("tenants.d/other.toml"), table).expect("written");
    chmod(folder.path(), "tenants.d/other.toml", 0o644);
    let (output, said) = o365flow(folder.path(), &RUN);
    assert!(output.status.code() == Some(1) && said.contains(PASSED), "{said}");
    let report = ["report", "--config", "o365flow.toml"];
    let (output, said) = o365flow(folder.path(), &report);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("`tenants.d/other.toml` can be read by any user"), "{said}");
    let (output, said) = o365flow(folder.path(), &["validate", "o365flow.toml"]);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("warning: `tenants.d/other.toml` can be read by any user"), "{said}");
}

#[test]
fn it_can_be_turned_off() {
    let folder = folder();
    for name in PRIVATE {
        chmod(folder.path(), name, if name == "state" { 0o777 } else { 0o666 });
    }
    let arguments = [&RUN[..], &["--no-strict-permissions"]].concat();
    let (output, said) = o365flow(folder.path(), &arguments);
    assert!(output.status.code() == Some(1) && said.contains(PASSED), "{said}");
    let (output, said) = o365flow(
        folder.path(),
        &["validate", "--deny-warnings", "--no-strict-permissions", "o365flow.toml"],
    );
    assert!(output.status.success(), "{said}");
}

#[test]
fn validate_warns() {
    let folder = folder();
    chmod(folder.path(), "secrets.json", 0o644);
    let (output, said) = o365flow(folder.path(), &["validate", "o365flow.toml"]);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("warning: `secrets.json` can be read by any user"), "{said}");
    let (output, _) = o365flow(folder.path(), &["validate", "--deny-warnings", "o365flow.toml"]);
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn another_users_file_is_refused() {
    let folder = folder();
    if !nix::unistd::geteuid().is_root() {
        // Only root can give a file away; and what belongs to root is fine for all.
        return;
    }
    let path = folder.path().join("o365flow.toml");
    std::os::unix::fs::chown(&path, Some(12_345), None).expect("root may");
    let (output, said) = o365flow(folder.path(), &RUN);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.contains("belongs to user 12345, who is neither this one (0) nor root"), "{said}");
}
