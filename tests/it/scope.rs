//! `--source`, `--tenant` and `--content-type` look and behave alike in all commands that have them, and reach tenants
//! that have files of their own.

use std::{fs, process::Output};

use fake_tenant::Operation;

use crate::{
    clinic::{BLACKHOLE, CONTOSO, Clinic},
    rig::write_private,
};

/// The commands, as far as each wants to be told more. `FILE` is a state to import.
const COMMANDS: [&[&str]; 8] = [
    &["report"],
    &["backfill", "--since", "1d"],
    &["replay", "--lost"],
    &["subscriptions", "list"],
    &["subscriptions", "start"],
    &["subscriptions", "stop", "--content-type", "DLP.All", "--yes"],
    &["doctor"],
    &["state", "import", "FILE"],
];

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Contoso has a file of its own, fabrikam a table.
async fn clinic() -> Clinic {
    let clinic = Clinic::new().await;
    let whole = fs::read_to_string(clinic.path()).expect("it was written");
    let mark = "[[sources.office365.tenants]]\n";
    let [head, contoso, rest] = whole.split(mark).collect::<Vec<_>>()[..] else {
        panic!("two tenants were expected: {whole}")
    };
    let folder = clinic.folder.path().join("tenants.d");
    fs::create_dir(&folder).expect("it is made");
    write_private(&folder.join("contoso.toml"), contoso);
    let folder = folder.display();
    let head = format!("{head}tenants_dir = \"{folder}\"\n");
    write_private(&clinic.path(), &format!("{head}{mark}{rest}"));
    clinic
}

async fn run(clinic: &Clinic, command: &[&str], more: &[&str]) -> Output {
    let state = clinic.folder.path().join("o365beat.state");
    let state = state.to_str().expect("the path is text");
    let command = command.iter().map(|word| if *word == "FILE" { state } else { word });
    clinic.run(&command.chain(more.iter().copied()).collect::<Vec<_>>()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_is_an_error_that_says_which_there_are() {
    let clinic = clinic().await;
    assert!(clinic.run(&["run", "--once"]).await.status.success());
    let before = clinic.tenants.stats();
    for command in COMMANDS {
        for (name, value, part) in [
            ("--tenant", "nobody", "there is no tenant `nobody`; there are: contoso, fabrikam"),
            (
                "--source",
                "none",
                "there is no source `none` of type office365; there are: office365",
            ),
            ("--content-type", "Audit.Teams", "expected Audit.AzureActiveDirectory, Audit.Exch"),
        ] {
            let output = run(&clinic, command, &[name, value]).await;
            let (_, said) = text(&output);
            assert_eq!(output.status.code(), Some(2), "{command:?} {name}: {said}");
            assert!(said.contains(part), "{command:?} {name}: {said}");
        }
        if command[0] != "subscriptions" {
            let output = run(&clinic, command, &["--content-type", "Audit.SharePoint"]).await;
            let (_, said) = text(&output);
            assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
            let part =
                "no source collects `Audit.SharePoint`; they collect: Audit.Exchange, Audit.Gen";
            assert!(said.contains(part), "{command:?}: {said}");
        }
    }
    let after = clinic.tenants.stats();
    for operation in [Operation::Token, Operation::ListContent, Operation::StopSubscription] {
        assert_eq!(after.requests_of(operation), before.requests_of(operation), "{operation:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_a_file_of_its_own_is_found_by_name_and_by_guid() {
    let clinic = clinic().await;
    let time = chrono::Utc::now() - chrono::TimeDelta::hours(20);
    let state = clinic.folder.path().join("o365beat.state");
    fs::write(&state, time.format("%Y-%m-%dT%H:%M:%SZ").to_string()).expect("it is written");
    let import = run(&clinic, &["state", "import", "FILE"], &["--tenant", CONTOSO]).await;
    assert!(text(&import).0.starts_with("contoso: Audit.Exchange"), "{:?}", text(&import));
    assert!(clinic.run(&["run", "--once"]).await.status.success());
    for command in COMMANDS {
        if matches!(command, ["state" | "replay", ..]) {
            continue;
        }
        for name in ["Contoso", CONTOSO] {
            let fabrikam = clinic.tenants.stats().requests_of(Operation::Token);
            let more = ["--tenant", name, "--content-type", "DLP.All", "--source", "office365"];
            let output = run(&clinic, command, &more).await;
            let (shown, said) = text(&output);
            assert!(output.status.success(), "{command:?}: {shown} {said}");
            assert!(!shown.contains("fabrikam"), "{command:?}: {shown}");
            assert!(!shown.contains("Audit.Exchange"), "{command:?}: {shown}");
            let sign_ins = clinic.tenants.stats().requests_of(Operation::Token) - fabrikam;
            assert!(sign_ins <= 1, "{command:?} signed in {sign_ins} times");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_tenants_file_is_told_by_every_command() {
    let clinic = clinic().await;
    write_private(&clinic.folder.path().join("tenants.d/broken.toml"), "tenant_id = 7\n");
    // What is to be shipped of all tenants is not complete without one; what is of others is.
    let cases: [(&[&str], i32); 3] = [
        (&["subscriptions", "list"], 0),
        (&["backfill", "--since", "1h"], 1),
        (&["backfill", "--since", "1h", "--tenant", "contoso"], 0),
    ];
    for (command, code) in cases {
        let output = run(&clinic, command, &[]).await;
        let (_, said) = text(&output);
        assert_eq!(output.status.code(), Some(code), "{command:?}: {said}");
        assert!(said.contains("warning: ") && said.contains("broken.toml:1:"), "{said}");
    }
    let doctor = run(&clinic, &["doctor"], &[]).await;
    let (shown, said) = text(&doctor);
    assert_eq!(doctor.status.code(), Some(1), "{shown} {said}");
    assert!(shown.contains("fail  tenant-file"), "{shown}");
    let one = run(&clinic, &["doctor"], &["--tenant", "contoso"]).await;
    assert!(one.status.success(), "{:?}", text(&one));

    clinic.configure("", BLACKHOLE);
    let import = run(&clinic, &["state", "import", "FILE"], &[]).await;
    let (_, said) = text(&import);
    assert_eq!(import.status.code(), Some(2));
    assert!(said.contains("choose it with --tenant; there are: contoso, fabrikam"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_sources_those_that_are_meant_are_shown() {
    let clinic = Clinic::new().await;
    let whole = fs::read_to_string(clinic.path()).expect("it was written");
    let mark = "[[sources.office365.tenants]]\nname = \"fabrikam\"";
    let second =
        "[sources.second]\ntype = \"office365\"\n[[sources.second.tenants]]\nname = \"fabrikam\"";
    let whole =
        whole.replace(mark, second).replace("[\"office365\"]", "[\"office365\", \"second\"]");
    write_private(&clinic.path(), &whole);
    let once = clinic.run(&["run", "--once"]).await;
    assert!(once.status.success(), "{:?}", text(&once));
    for more in [["--source", "second"], ["--tenant", "fabrikam"]] {
        for command in [["report"], ["doctor"]] {
            let output = run(&clinic, &command, &more).await;
            let (shown, said) = text(&output);
            assert!(output.status.success(), "{command:?}: {shown} {said}");
            assert!(
                shown.contains("source second") && !shown.contains("source office365"),
                "{shown}"
            );
        }
    }
    let import = run(&clinic, &["state", "import", "FILE"], &[]).await;
    let part = "choose a source with --source; there are: office365, second";
    assert!(text(&import).1.contains(part), "{:?}", text(&import));
}
