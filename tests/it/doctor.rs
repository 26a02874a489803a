//! `doctor`: each thing that can be wrong is found, with its cause and what to do, and nothing is changed by looking.

use std::{fs, os::unix::fs::PermissionsExt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use chrono::TimeDelta;
use fake_tenant::{ContentType, Fault, Operation, Role};
use serde_json::{Value, json};

use crate::{
    clinic::{BLACKHOLE, CONTOSO, Clinic, FABRIKAM, SECRET, healthy},
    services,
};

/// What `doctor` has found, and how it ended.
struct Report {
    code: Option<i32>,
    json: Value,
}

async fn doctor(clinic: &Clinic) -> Report {
    let output = clinic.run(&["doctor", "--format", "json", "--log", "trace"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    for text in [&said, &shown] {
        assert!(!text.contains(SECRET) && !text.contains("eyJ"), "a secret is shown: {text}");
    }
    let json = serde_json::from_str(&shown).unwrap_or_else(|_| panic!("{shown}{said}"));
    Report { code: output.status.code(), json }
}

impl Report {
    fn findings(&self, name: &str) -> Vec<&Value> {
        let subjects = self.json["subjects"].as_array().expect("subjects");
        let subject = subjects.iter().find(|subject| subject["name"] == name);
        let subject = subject.unwrap_or_else(|| panic!("no `{name}` in {}", self.json));
        subject["findings"].as_array().expect("findings").iter().collect()
    }

    /// That this was found of `name`, and made the whole fail if it has to.
    fn assert(&self, name: &str, check: &str, health: &str, part: &str) {
        let findings = self.findings(name);
        let of_check = findings.iter().find(|finding| {
            finding["check"] == check
                && finding["health"] == health
                && finding.to_string().contains(part)
        });
        let Some(finding) = of_check else {
            panic!("no {check} {health} `{part}` in {findings:#?}")
        };
        if health == "fail" {
            assert!(finding["fix"].is_string(), "it says what to do: {finding}");
            assert_eq!(self.code, Some(1));
            assert_eq!(self.json["health"], "fail");
        }
    }

    /// That nothing is wrong with `name`.
    fn assert_well(&self, name: &str) {
        for finding in self.findings(name) {
            assert_eq!(finding["health"], "ok", "{finding}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_configuration_is_well_and_stays_as_it_is() {
    let clinic = Clinic::new().await;
    let report = doctor(&clinic).await;
    for name in ["contoso", "fabrikam", "out"] {
        report.assert_well(name);
    }
    assert_eq!((report.code, &report.json["health"]), (Some(0), &json!("ok")), "{}", report.json);
    let checks: Vec<&str> =
        report.findings("contoso").iter().filter_map(|found| found["check"].as_str()).collect();
    for check in [
        "config",
        "dns",
        "connect",
        "clock",
        "token",
        "audience",
        "tenant",
        "permission",
        "subscription",
        "listing",
        "blob",
    ] {
        assert!(checks.contains(&check), "{check} was not looked at: {checks:?}");
    }
    assert!(!clinic.data_dir().exists(), "it made the state folder");
    let requests = |operation| clinic.tenants.stats().requests_of(operation);
    assert_eq!(requests(Operation::StartSubscription), 0);
    // One of each type and tenant, one blob of each tenant.
    assert_eq!(requests(Operation::ListContent), 6);
    assert_eq!(requests(Operation::FetchBlob), 2);

    let text = clinic.run(&["doctor"]).await;
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("tenant contoso (source office365)\n  ok    config"), "{text}");
    assert!(text.ends_with("0 to look at, 0 failed\n"), "{text}");
    let one = clinic.run(&["doctor", "--tenant", "fabrikam"]).await;
    let one = String::from_utf8_lossy(&one.stdout).into_owned();
    assert!(one.contains("tenant fabrikam") && !one.contains("contoso"), "{one}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_found_and_the_other_tenant_is_looked_at() {
    let clinic = Clinic::new().await;
    clinic.configure("client_secret = \"the-id-of-it\"", BLACKHOLE);
    let report = doctor(&clinic).await;
    report.assert("contoso", "token", "fail", "AADSTS7000215");
    report.assert("contoso", "token", "fail", "the secret's ID was copied");
    assert!(!report.json.to_string().contains("the-id-of-it"));
    report.assert_well("fabrikam");
    report.assert_well("out");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_missing_permission_is_named() {
    let mut contoso = healthy(CONTOSO, "contoso.example");
    contoso.roles.remove(&Role::ReadDlp);
    let clinic = Clinic::of(contoso, TimeDelta::zero()).await;
    let report = doctor(&clinic).await;
    report.assert("contoso", "permission", "ok", "ActivityFeed.Read");
    report.assert(
        "contoso",
        "permission",
        "fail",
        "lacks ActivityFeed.ReadDlp, which DLP.All needs",
    );
    report.assert("contoso", "listing", "fail", "DLP.All: cannot list content");
    report.assert("contoso", "listing", "ok", "Audit.Exchange: ");
    report.assert("contoso", "blob", "ok", "fetched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_tenant_or_api_is_told() {
    let clinic = Clinic::new().await;
    let claims = json!({"aud": "https://graph.microsoft.com", "tid": FABRIKAM, "roles": []});
    let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let body = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": token});
    let body = Bytes::from(body.to_string());
    clinic.script(Operation::Token, Fault::Answer { status: 200, body });
    let report = doctor(&clinic).await;
    report.assert("contoso", "audience", "fail", "the token is for https://graph.microsoft.com");
    report.assert("contoso", "tenant", "fail", FABRIKAM);
    report.assert("contoso", "permission", "fail", "it has none at all");
    assert!(!report.json.to_string().contains(&token));
    report.assert_well("fabrikam");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_nowhere_is_told() {
    let clinic = Clinic::new().await;
    clinic.configure("resource_url = \"https://manage.office.invalid\"", BLACKHOLE);
    let report = doctor(&clinic).await;
    report.assert("contoso", "dns", "fail", "manage.office.invalid");
    // The sign-in is asked all the same: it may have its own trouble.
    report.assert("contoso", "connect", "ok", "127.0.0.1");
    report.assert_well("fabrikam");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_where_nobody_listens_and_one_without_tls_are_told() {
    let clinic = Clinic::new().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = free.local_addr().expect("an address");
    drop(free);
    clinic.configure(&format!("login_url = \"http://{closed}\""), BLACKHOLE);
    doctor(&clinic).await.assert("contoso", "connect", "fail", "refused");
    let https = clinic.server.resource_url().replace("http:", "https:");
    clinic.configure(&format!("resource_url = {https:?}"), BLACKHOLE);
    let report = doctor(&clinic).await;
    report.assert("contoso", "connect", "fail", "TLS handshake failed");
    report.assert_well("fabrikam");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_told() {
    for (minutes, health) in [(2, "warn"), (30, "fail")] {
        let clinic =
            Clinic::of(healthy(CONTOSO, "contoso.example"), TimeDelta::minutes(minutes)).await;
        let report = doctor(&clinic).await;
        report.assert("contoso", "clock", health, "s behind 127.0.0.1's");
        report.assert("contoso", "clock", health, "time synchronisation");
        report.assert("contoso", "blob", "ok", "fetched");
        assert_eq!(report.code, Some(i32::from(health == "fail")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_log_that_is_off_is_told() {
    let clinic = Clinic::new().await;
    let fault = Fault::AfError { status: 400, code: "AF20011".to_owned() };
    for operation in [Operation::ListSubscriptions, Operation::ListContent] {
        clinic.script(operation, fault.clone());
    }
    let report = doctor(&clinic).await;
    report.assert(
        "contoso",
        "subscription",
        "fail",
        "turn on auditing in the Microsoft Purview portal",
    );
    report.assert("contoso", "listing", "fail", "AF20011");
    report.assert_well("fabrikam");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_that_are_disabled_or_missing_are_told_and_left_alone() {
    let mut contoso = healthy(CONTOSO, "contoso.example");
    contoso.subscribed.remove(&ContentType::Dlp);
    let clinic = Clinic::of(contoso, TimeDelta::zero()).await;
    clinic.tenants.disable_subscription(CONTOSO, ContentType::Exchange);
    let report = doctor(&clinic).await;
    report.assert("contoso", "subscription", "fail", "Audit.Exchange: disabled");
    report.assert("contoso", "subscription", "ok", "Audit.General: enabled");
    report.assert("contoso", "subscription", "warn", "DLP.All: missing");
    assert_eq!(clinic.tenants.stats().requests_of(Operation::StartSubscription), 0);
    report.assert_well("fabrikam");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_not_what_it_should_be_is_told() {
    let clinic = Clinic::new().await;
    clinic.script(Operation::FetchBlob, Fault::NotJson);
    doctor(&clinic).await.assert(
        "contoso",
        "blob",
        "fail",
        "something that is not the API answered",
    );
    let clinic = Clinic::new().await;
    clinic.script(Operation::FetchBlob, Fault::AfError { status: 500, code: "AF50000".to_owned() });
    doctor(&clinic).await.assert("contoso", "blob", "fail", "AF50000");
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_others_can_read_and_dead_letters_are_told() {
    let clinic = Clinic::new().await;
    let letters = clinic.data_dir().join("dead-letters");
    fs::create_dir_all(&letters).expect("a folder");
    fs::write(letters.join("out.ndjson"), "{}\n{}\n").expect("a file");
    fs::set_permissions(clinic.data_dir(), fs::Permissions::from_mode(0o755)).expect("a mode");
    let report = doctor(&clinic).await;
    let name = clinic.data_dir().display().to_string();
    report.assert(&name, "permissions", "fail", "can be read by any user (its mode is 0755)");
    report.assert(&name, "dead-letters", "warn", "2 in");
    report.assert_well("contoso");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_sink_is_told_of_its_folder() {
    let clinic = Clinic::new().await;
    let file = clinic.folder.path().join("none/out.ndjson");
    let sink = format!("[sinks.out]\ntype = \"file\"\ninputs = [\"office365\"]\npath = {file:?}\n");
    clinic.configure("", &sink);
    doctor(&clinic).await.assert("out", "folder", "fail", "there is no folder");
    fs::create_dir(clinic.folder.path().join("none")).expect("a folder");
    let report = doctor(&clinic).await;
    report.assert_well("out");
    assert!(!file.exists(), "it made the file");
}

/// A mapping that sets what the sinks need, and a sink with these keys.
fn elasticsearch(keys: &str) -> String {
    format!(
        "[transforms.map]\ntype = \"remap\"\ninputs = [\"office365\"]\nfile = \"vrl/o365beat.vrl\"\n\
         [sinks.es]\ntype = \"elasticsearch\"\ninputs = [\"map\"]\nrequest.timeout = \"5s\"\n{keys}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_is_asked_and_nothing_is_written_to_it() {
    let server = services::plain();
    let clinic = Clinic::new().await;
    let keys = |name: &str| {
        elasticsearch(&format!(
            "endpoints = [{:?}]\nmode = \"bulk\"\nbulk.index = \"{name}\"\n",
            server.url
        ))
    };
    clinic.configure("", &keys("doctor-unknown"));
    let report = doctor(&clinic).await;
    report.assert("es", "version", "ok", "Elasticsearch");
    report.assert("es", "auth", "ok", "without credentials");
    report.assert("es", "index", "warn", "no template is for the index `doctor-unknown`");
    let (status, _) = server.call("HEAD", "/doctor-unknown", "").await;
    assert_eq!(status, 404, "it made the index");

    server.done("PUT", "/doctor-known", "").await;
    clinic.configure("", &keys("doctor-known"));
    doctor(&clinic).await.assert_well("es");

    // The server comes with a template for streams of logs.
    let stream = format!(
        "endpoints = [{:?}]\ndata_stream = {{ type = \"nolog\", dataset = \"o365\", namespace = \"x\" }}\n",
        server.url
    );
    clinic.configure("", &elasticsearch(&stream));
    let report = doctor(&clinic).await;
    report.assert("es", "index", "fail", "no template makes the data stream `nolog-o365-x`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_or_not_trusted_or_refuses_is_told() {
    let server = services::secure();
    let ca = server.ca_file.as_ref().expect("it has an authority").display().to_string();
    let (user, password) = server.credentials.clone().expect("it has a user");
    // Before anything else: a server that was never signed in to takes a wrong password for the end of the right one.
    let role = json!({"name": "doctor", "role_descriptors": {"writer": {"indices": [
        {"names": ["elsewhere-*"], "privileges": ["create_doc", "auto_configure"]}]}}});
    let key = server.done("POST", "/_security/api_key", &role.to_string()).await;
    let key = key["encoded"].as_str().expect("a key");
    let clinic = Clinic::new().await;
    let check = async |keys: &str| {
        clinic.configure("", &elasticsearch(keys));
        let report = doctor(&clinic).await;
        report.assert_well("contoso");
        assert!(!report.json.to_string().contains(&password), "a password is shown");
        report
    };
    let endpoint = format!("endpoints = [{:?}]\n", server.url);
    let trusted = format!("{endpoint}tls.ca_file = {ca:?}\n");
    let bulk = "mode = \"bulk\"\nbulk.index = \"doctor-secure\"\n";
    let basic = |user: &str, password: &str| {
        format!("auth = {{ strategy = \"basic\", user = {user:?}, password = {password:?} }}\n")
    };

    let report = check("endpoints = [\"https://127.0.0.1:1\"]\n").await;
    report.assert("es", "connect", "fail", "cannot connect");
    let report = check(&format!("{endpoint}{bulk}{}", basic(&user, &password))).await;
    report.assert("es", "connect", "fail", "UnknownIssuer");
    report.assert("es", "connect", "fail", "tls.ca_file");
    let report = check(&format!("{trusted}{bulk}")).await;
    report.assert("es", "auth", "fail", "the server asks for credentials");
    let report = check(&format!("{trusted}{bulk}{}", basic(&user, "not-the-password"))).await;
    report.assert("es", "auth", "fail", "the credentials are wrong");
    let report = check(&format!("{trusted}{bulk}{}", basic(&user, &password))).await;
    report.assert("es", "permission", "ok", "may write to the index `doctor-secure`");

    // A key that may write elsewhere only, and may not ask for more.
    let auth = format!("auth = {{ strategy = \"api_key\", api_key = {key:?} }}\n");
    let report = check(&format!("{trusted}{bulk}{auth}")).await;
    report.assert("es", "permission", "fail", "lack create_doc and auto_configure");
    assert!(!report.json.to_string().contains(key), "a key is shown");
    let elsewhere = bulk.replace("doctor-secure", "elsewhere-1");
    let report = check(&format!("{trusted}{elsewhere}{auth}")).await;
    report.assert("es", "permission", "ok", "may write to the index `elsewhere-1`");
    report.assert("es", "index", "warn", "may not ask");
}
