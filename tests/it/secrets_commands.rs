//! Nothing that the other commands write holds a secret or a token either, whatever they meet.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
};

use fake_tenant::Server;
use tokio::task::JoinSet;

use crate::{
    rig::write_private,
    secrets::{SECRET, WRONG_SECRET, assert_silent, configure, spoil, tenants, token, written},
};

/// The commands that speak with the API, or with the ledger about what it said.
const COMMANDS: [&[&str]; 9] = [
    &["doctor"],
    &["doctor", "--format", "json"],
    &["subscriptions", "list"],
    &["subscriptions", "start"],
    &["subscriptions", "stop", "--content-type", "DLP.All", "--yes"],
    &["backfill", "--since", "1d"],
    &["replay", "--lost"],
    &["report", "--verify"],
    &["report", "--verify", "--format", "json"],
];

/// A command gives up at a fault; the next time it gets further.
const TIMES: usize = 3;

fn run(folder: &Path, arguments: &[&str], secret: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_o365flow"));
    command.args(arguments).args(["--log", "trace"]).env("APP_SECRET", secret);
    command.current_dir(folder).stdin(Stdio::null()).output().expect("the program starts")
}

/// Runs a command with the configuration, searches all that it wrote, and gives it.
fn searched(folder: &Path, arguments: &[&str], secret: &str) -> String {
    let output = run(folder, &[arguments, &["--config", "o365flow.toml"]].concat(), secret);
    let said = [output.stdout, output.stderr].concat();
    assert_silent(&format!("{arguments:?}"), &said);
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_shows_a_secret_or_a_token() {
    // Side by side, as most of the time is waiting between attempts.
    let mut searches: JoinSet<()> = COMMANDS.into_iter().map(search).collect();
    while let Some(ended) = searches.join_next().await {
        ended.expect("a search ends");
    }
}

async fn search(command: &'static [&'static str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let tenants = tenants();
    let token = token(&tenants).await;
    let server = Server::start(Arc::clone(&tenants)).await.expect("the fake tenant starts");
    configure(&server, folder.path(), "client_secret = \"${APP_SECRET}\"");
    let root = folder.path().to_owned();
    let run = async |arguments: &'static [&'static str], secret: &'static str| {
        let root = root.clone();
        let said = tokio::task::spawn_blocking(move || searched(&root, arguments, secret)).await;
        said.expect("it runs")
    };
    if command[0] == "report" {
        run(&["run", "--once"], SECRET).await;
    }
    let refused = run(command, WRONG_SECRET).await;
    let asks_nothing = command == ["replay", "--lost"];
    assert!(asks_nothing || refused.contains("AADSTS7000215"), "{command:?}: {refused}");

    spoil(&tenants, &token);
    let before = tenants.scripted_faults_left();
    for _ in 0..TIMES {
        let said = run(command, SECRET).await;
        assert!(said.contains("TRACE"), "{command:?} is not as talkative as it can be: {said}");
    }
    assert!(asks_nothing || tenants.scripted_faults_left() < before, "{command:?} met no fault");
    for (path, content) in written(folder.path()) {
        if !path.ends_with("o365flow.toml") {
            assert_silent(&path, &content);
        }
    }
    server.stop().await;
}

#[test]
fn what_is_converted_or_kept_is_not_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let yaml = format!(
        "o365beat:\n  client_secret: \"{SECRET}\"\n  certificate_pwd: \"{SECRET}\"\n  unknown_secret: \"{SECRET}\"\n\
         output.elasticsearch:\n  hosts: [\"http://elastic:{SECRET}@127.0.0.1:1\"]\n  password: \"{SECRET}\"\n  \
         api_key: \"id:{SECRET}\"\n  headers: {{authorization: \"{SECRET}\"}}\n"
    );
    write_private(&root.join("o365beat.yml"), &yaml);
    let output = run(root, &["convert", "o365beat.yml", "-o", "converted.toml"], SECRET);
    let said = [output.stdout, output.stderr].concat();
    assert_silent("convert", &said);
    assert!(String::from_utf8_lossy(&said).contains("note: "));
    let carried = fs::read_to_string(root.join("converted.toml")).expect("it is written");
    assert!(carried.contains(SECRET), "the owner's file has what the owner's file had");
    for arguments in [&["validate", "converted.toml"][..], &["graph", "--config", "converted.toml"]]
    {
        let output = run(root, arguments, SECRET);
        assert_silent(&format!("{arguments:?}"), &[output.stdout, output.stderr].concat());
    }

    let keystore = |arguments: &[&str]| {
        let arguments = [&["keystore", "--path", "keys", "--log", "trace"], arguments].concat();
        let mut command = Command::new(env!("CARGO_BIN_EXE_o365flow"));
        let command = command.args(arguments).current_dir(root);
        let input = fs::File::open(root.join("value")).expect("it is there");
        let command = command.stdin(input).env("O365FLOW_KEYSTORE_PASSWORD", WRONG_SECRET);
        let output = command.output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_silent("keystore", &[output.stdout, output.stderr].concat());
    };
    write_private(&root.join("value"), SECRET);
    for arguments in [&["create"][..], &["add", "app", "--stdin"], &["list"], &["remove", "app"]] {
        keystore(arguments);
    }
    assert_silent("the keystore", &fs::read(root.join("keys")).expect("it is there"));
}
