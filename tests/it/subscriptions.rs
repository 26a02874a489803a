//! `subscriptions`: shown, started once, stopped only on purpose.

use std::process::Output;

use chrono::TimeDelta;
use fake_tenant::{ContentType, Operation};
use serde_json::Value;

use crate::clinic::{CONTOSO, Clinic, healthy};

/// Contoso has an enabled, a disabled and a missing one; fabrikam has all.
async fn clinic() -> Clinic {
    let mut contoso = healthy(CONTOSO, "contoso.example");
    contoso.subscribed.remove(&ContentType::Dlp);
    let clinic = Clinic::of(contoso, TimeDelta::zero()).await;
    clinic.tenants.disable_subscription(CONTOSO, ContentType::General);
    clinic
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// State and last start of each of contoso's subscriptions.
async fn listed(clinic: &Clinic) -> Vec<(String, String, bool)> {
    let arguments = ["subscriptions", "list", "--format", "json", "--tenant", "contoso"];
    let output = clinic.run(&arguments).await;
    assert!(output.status.success(), "{:?}", text(&output));
    let rows: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let row = |row: &Value| {
        let text = |key: &str| row[key].as_str().expect("text").to_owned();
        (text("content_type"), text("state"), row["start_attempted"].is_string())
    };
    // The one that no configuration names is the tenant's own.
    let rows = rows.as_array().expect("rows").iter();
    rows.filter(|row| row["collected"] == true).map(row).collect()
}

fn states(of: [(&str, bool); 3]) -> Vec<(String, String, bool)> {
    let types = ["Audit.Exchange", "Audit.General", "DLP.All"];
    let rows = types.into_iter().zip(of);
    rows.map(|(name, (state, started))| (name.to_owned(), state.to_owned(), started)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_has_is_shown_and_what_it_lacks_is_started_once() {
    let clinic = clinic().await;
    let before = [("enabled", false), ("disabled", false), ("missing", false)];
    assert_eq!(listed(&clinic).await, states(before));
    assert!(!clinic.data_dir().exists(), "looking made the state folder");
    let (table, _) = text(&clinic.run(&["subscriptions", "list"]).await);
    let row = table.lines().find(|line| line.contains("DLP.All")).expect("a row");
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words, ["contoso", "DLP.All", "missing", "-", "-"]);
    assert!(table.starts_with("TENANT"), "{table}");

    let output = clinic.run(&["subscriptions", "start", "--tenant", "contoso"]).await;
    let (said, _) = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("contoso Audit.Exchange: enabled already"), "{said}");
    assert!(said.contains("contoso DLP.All: started"), "{said}");
    assert_eq!(clinic.tenants.stats().requests_of(Operation::StartSubscription), 2);
    assert_eq!(
        listed(&clinic).await,
        states([("enabled", false), ("enabled", true), ("enabled", true)])
    );

    // Disabled again within 15 minutes, it is not asked for again: the ledger knows.
    clinic.tenants.disable_subscription(CONTOSO, ContentType::General);
    let again = ["subscriptions", "start", "--content-type", "Audit.General"];
    let output = clinic.run(&again).await;
    let (_, complaint) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint.contains("Microsoft wants 15 minutes"), "{complaint}");
    assert_eq!(clinic.tenants.stats().requests_of(Operation::StartSubscription), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stopped_without_a_word_for_it() {
    let clinic = clinic().await;
    let stop = async |more: &[&str]| {
        let arguments = [&["subscriptions", "stop", "--tenant", "contoso"], more].concat();
        clinic.run(&arguments).await
    };
    let output = stop(&["--content-type", "Audit.Exchange"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).1.contains("can never be had; add --yes"), "{:?}", text(&output));
    let output = stop(&["--yes"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).1.contains("--content-type"), "{:?}", text(&output));
    assert_eq!(clinic.tenants.stats().requests_of(Operation::StopSubscription), 0);
    let output = stop(&["--yes", "--content-type", "Audit.Exchange"]).await;
    assert!(output.status.success(), "{:?}", text(&output));
    assert_ne!(listed(&clinic).await[0].1, "enabled");
    let output = stop(&["--yes", "--content-type", "Audit.Exchange"]).await;
    assert!(output.status.success(), "{:?}", text(&output));
    assert!(text(&output).0.contains("Audit.Exchange: there is no subscription"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_at_work_is_left_to_start_by_itself_unless_forced() {
    let clinic = clinic().await;
    let mut main = clinic.start(&["run"]);
    let said = std::io::BufReader::new(main.stderr.take().expect("it is piped"));
    let mut lines = std::io::BufRead::lines(said);
    assert!(lines.any(|line| line.expect("text").contains("running")));
    let output = clinic.run(&["subscriptions", "start", "--tenant", "contoso"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).1.contains("--force starts all the same"), "{:?}", text(&output));
    let list = clinic.run(&["subscriptions", "list"]).await;
    assert!(list.status.success(), "{:?}", text(&list));
    let arguments =
        ["subscriptions", "start", "--force", "--content-type", "Audit.AzureActiveDirectory"];
    let output = clinic.run(&arguments).await;
    assert!(output.status.success(), "{:?}", text(&output));
    main.kill().expect("it still runs");
    main.wait().expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_cannot_be_asked_is_told_and_the_other_is_shown() {
    let clinic = clinic().await;
    clinic.configure("client_secret = \"wrong\"", crate::clinic::BLACKHOLE);
    let output = clinic.run(&["subscriptions", "list"]).await;
    let (table, complaint) = text(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint.contains("AADSTS7000215") && complaint.contains("fix: copy the Value"),
        "{complaint}"
    );
    assert!(table.contains("fabrikam") && !table.contains("contoso"), "{table}");
}
