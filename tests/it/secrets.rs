//! No secret and no token in anything that the program writes, at the most talkative level, however sign-ins and requests
//! fail and whatever servers send back.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use fake_tenant::{
    BadRecord, FakeTenants, Fault, FaultRates, FaultTarget, History, ManagedIdentity, Operation,
    Server, Settings, TenantSpec, TokioClock,
};
use serde_json::Value;

use crate::rig::write_private;

const TENANT: &str = "2d6f1f0c-9c4e-4f0b-8a58-0d4b1c3c7a11";
const CLIENT: &str = "7f1c9c58-55cb-4a3c-9a3e-5a1c1f5b2d22";
pub(crate) const SECRET: &str = "hush~Q8/+se=cret_of.the-app&x";
pub(crate) const WRONG_SECRET: &str = "hush~W7/+wr=ong_one.of-them&x";

/// The beginning of every token that the fake tenant gives, `{"alg":"RS25` in Base64.
const TOKEN_START: &str = "eyJhbGciOiJSUzI1";

/// A run that ends by itself gives up after some faults; the next one goes on.
const RUNS_MAX: usize = 5;

pub(crate) fn tenants() -> Arc<FakeTenants> {
    let now = Utc::now();
    let mut history = History::new(7, now - TimeDelta::days(2), now - TimeDelta::hours(1))
        .with_blobs_per_hour(0.2);
    history.records_per_blob = 1..=20;
    let spec = TenantSpec::new(TENANT, "contoso.example", CLIENT, SECRET)
        .subscribed_to_all()
        .with_history(history);
    let settings = Settings {
        retry_after: Some(Duration::from_secs(1)),
        fault_rates: FaultRates {
            error_5xx: 0.02,
            unauthorized: 0.05,
            reset: 0.05,
            truncate: 0.02,
            not_json: 0.02,
            ..FaultRates::default()
        },
        ..Settings::default()
    };
    Arc::new(FakeTenants::new(Arc::new(TokioClock::new(now)), settings, vec![spec]))
}

/// Signs in as the program does.
pub(crate) async fn token(tenants: &FakeTenants) -> String {
    let scope = "https%3A%2F%2Fmanage.office.com%2F.default";
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_id", CLIENT)
        .append_pair("client_secret", SECRET)
        .finish()
        + "&scope="
        + scope;
    let request = http::Request::post(format!("/{TENANT}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form))
        .expect("a request");
    let answer = tenants.handle(request).await;
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.expect("a body");
    let body: Value = serde_json::from_slice(&body.to_bytes()).expect("it is JSON");
    body["access_token"].as_str().unwrap_or_else(|| panic!("no token in {body}")).to_owned()
}

/// Queues answers that say what a server should not, and others that go wrong in their own ways.
pub(crate) fn spoil(tenants: &FakeTenants, token: &str) {
    let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let sign_in = |status, body: String| {
        tenants.script(
            FaultTarget::operation(Operation::Token),
            Fault::Answer { status, body: body.into() },
            1,
        );
    };
    sign_in(400, format!("<html>you sent client_secret={encoded}&scope=x and {SECRET}</html>"));
    sign_in(
        503,
        format!(
            r#"{{"error":"temporarily_unavailable","error_description":"AADSTS90033: {SECRET} {encoded}"}}"#
        ),
    );
    let bearer = format!("GET /\r\nauthorization: Bearer {token}\r\n");
    for operation in [Operation::ListSubscriptions, Operation::ListContent, Operation::FetchBlob] {
        let call = || FaultTarget::operation(operation);
        let answer = |status, body: String| Fault::Answer { status, body: body.into() };
        tenants.script(call(), answer(502, bearer.clone()), 1);
        tenants.script(
            call(),
            answer(500, format!(r#"{{"error":{{"code":"AF50000","message":"{token}"}}}}"#)),
            1,
        );
        tenants.script(call(), answer(401, format!(r#"{{"Message":"{token} is no good"}}"#)), 1);
        tenants.script(call(), Fault::ResetAfter(20), 1);
        tenants.script(call(), Fault::Throttle, 1);
    }
    let bad = Fault::BadRecord(BadRecord::NoId);
    tenants.script(FaultTarget::operation(Operation::FetchBlob), bad, 1);
}

/// Writes the configuration of a tenant with this credential.
pub(crate) fn configure(server: &Server, folder: &Path, credential: &str) {
    let text = format!(
        r#"
data_dir = "{folder}/state"
[metrics]
address = "127.0.0.1:0"
[sources.office365]
type = "office365"
[[sources.office365.tenants]]
name = "contoso"
tenant_id = "{TENANT}"
client_id = "{CLIENT}"
{credential}
login_url = "{}"
resource_url = "{}"
[sinks.file]
type = "file"
inputs = ["office365"]
path = "{folder}/out.ndjson"
"#,
        server.login_url(),
        server.resource_url(),
        folder = folder.display(),
    );
    write_private(&folder.join("o365flow.toml"), &text);
}

/// Runs the program once, and gives all that it said: its log, its output, and its metrics while it ran.
fn run(folder: &Path, variables: &[(&str, &str)]) -> (bool, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(["run", "--once", "--log", "trace", "--log-format", "json", "--config"])
        .arg(folder.join("o365flow.toml"))
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut log = BufReader::new(child.stderr.take().expect("its log is piped")).lines();
    let mut said = String::new();
    let mut address = None;
    for line in log.by_ref() {
        let line = line.expect("the log is text");
        said.push_str(&line);
        said.push('\n');
        let value: Value = serde_json::from_str(&line).unwrap_or_default();
        address = value["address"].as_str().map(str::to_owned);
        if address.is_some() {
            break;
        }
    }
    let address = address.expect("it says where it listens");
    let rest = std::thread::spawn(move || {
        log.map(|line| line.expect("the log is text") + "\n").collect::<String>()
    });
    let mut metrics = String::new();
    while child.try_wait().expect("it is our child").is_none() {
        metrics = scrape(&address).unwrap_or(metrics);
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = child.wait_with_output().expect("it ended");
    said += &rest.join().expect("the log was read");
    said += &metrics;
    said += &String::from_utf8_lossy(&output.stdout);
    (output.status.success(), said)
}

fn scrape(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.contains("o365_api_requests_total").then_some(answer)
}

/// The content of every file below `folder` but for the configuration, with its name.
pub(crate) fn written(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(written(&path));
        } else {
            files.push((path.display().to_string(), fs::read(&path).expect("a file")));
        }
    }
    files
}

pub(crate) fn assert_silent(place: &str, content: &[u8]) {
    for secret in [SECRET, WRONG_SECRET] {
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for form in [secret, &encoded, &STANDARD.encode(secret), &secret[4..16], TOKEN_START] {
            assert_lacks(place, content, form);
        }
    }
}

fn assert_lacks(place: &str, content: &[u8], form: &str) {
    let around = memchr::memmem::find(content, form.as_bytes()).map(|at| {
        let start = at.saturating_sub(300);
        String::from_utf8_lossy(&content[start..(at + 60).min(content.len())]).into_owned()
    });
    assert_eq!(around, None, "{place} shows {form}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_the_program_writes_holds_a_secret_or_a_token() {
    let tenants = tenants();
    let token = token(&tenants).await;
    assert!(token.starts_with(TOKEN_START), "the test knows how tokens begin: {token}");
    let server = Server::start(Arc::clone(&tenants)).await.expect("the fake tenant starts");
    let folder = tempfile::tempdir().expect("a folder");
    configure(&server, folder.path(), "client_secret = \"${APP_SECRET}\"");

    let (succeeded, said) = run(folder.path(), &[("APP_SECRET", WRONG_SECRET)]);
    assert!(!succeeded && said.contains("AADSTS7000215"), "the wrong secret was not refused");
    assert_silent("the run with a wrong secret", said.as_bytes());

    spoil(&tenants, &token);
    let mut said = String::new();
    for _ in 0..RUNS_MAX {
        let (succeeded, more) = run(folder.path(), &[("APP_SECRET", SECRET)]);
        said += &more;
        if succeeded && tenants.scripted_faults_left() == 0 {
            break;
        }
    }
    assert_eq!(tenants.scripted_faults_left(), 0, "not every fault was met");
    assert_silent("the runs through faults", said.as_bytes());
    // It was as talkative as it can be, and met what it should.
    for shown in ["\"TRACE\"", "o365_throttled_total", "dead letters", "status=\"401\""] {
        assert!(said.contains(shown), "no {shown}");
    }
    let files = written(&folder.path().join("state"));
    for name in ["ledger.db", ".ndjson"] {
        assert!(files.iter().any(|(path, _)| path.contains(name)), "there is no {name}");
    }
    for (path, content) in files {
        assert_silent(&path, &content);
    }
    server.stop().await;
}

/// The beginning of every assertion, `{"alg":"PS256` in Base64.
const ASSERTION_START: &str = "eyJhbGciOiJQUzI1";

fn openssl(folder: &Path, arguments: &str) -> String {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    let output = output.expect("openssl is installed; `make test` does that");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The thumbprint of `app.crt`, as the log writes it.
fn thumbprint(folder: &Path, digest: &str) -> String {
    let said = openssl(folder, &format!("x509 -in app.crt -noout -fingerprint -{digest}"));
    let (_, bytes) = said.trim().split_once('=').expect("it is told");
    bytes.replace(':', "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_told_of_and_its_key_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    openssl(
        root,
        "req -x509 -newkey rsa:2048 -nodes -days 5 -subj /CN=app -keyout app.key -out app.crt",
    );
    openssl(root, "x509 -in app.crt -outform DER -out app.der");
    openssl(
        root,
        &format!("pkcs12 -export -in app.crt -inkey app.key -out app.pfx -passout pass:{SECRET}"),
    );
    let tenants = tenants();
    tenants.set_fault_rates(FaultRates::default());
    let server = Server::start(Arc::clone(&tenants)).await.expect("the fake tenant starts");
    let certificate = format!(
        "certificate = {{ path = \"{}/app.pfx\", password = \"${{APP_SECRET}}\" }}",
        root.display()
    );
    configure(&server, root, &certificate);
    let key = fs::read_to_string(root.join("app.key")).expect("it was made");
    let key_lines: Vec<&str> = key.lines().filter(|line| line.len() > 40).collect();
    assert!(key_lines.len() > 20);
    let assert_silent = |said: &str| {
        assert_silent("a run with a certificate", said.as_bytes());
        for secret in key_lines.iter().chain(&[ASSERTION_START]) {
            assert_lacks("a run with a certificate", said.as_bytes(), secret);
        }
    };

    let (succeeded, said) = run(root, &[("APP_SECRET", WRONG_SECRET)]);
    assert!(!succeeded && said.contains("the password does not open"), "{said}");
    assert_eq!(tenants.stats().requests_of(Operation::Token), 0);
    assert_silent(&said);

    let (succeeded, said) = run(root, &[("APP_SECRET", SECRET)]);
    assert!(!succeeded && said.contains("AADSTS700027"), "it is not registered yet: {said}");
    assert_silent(&said);

    let der = fs::read(root.join("app.der")).expect("it was made");
    tenants.change_tenant(TENANT, |spec| spec.certificates = vec![der]);
    let (succeeded, said) = run(root, &[("APP_SECRET", SECRET)]);
    assert!(succeeded, "{said}");
    assert_silent(&said);
    for told in [
        &thumbprint(root, "sha1"),
        &thumbprint(root, "sha256"),
        "the certificate expires soon",
        "\"within_days\":7",
    ] {
        assert!(said.contains(told), "no {told} in {said}");
    }
    let warnings = said.matches("the certificate expires soon").count();
    assert_eq!(warnings, 1, "each warning is given once");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_platforms_give_is_not_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let tenants = tenants();
    tenants.set_fault_rates(FaultRates::default());
    let server = Server::start(Arc::clone(&tenants)).await.expect("the fake tenant starts");

    let federated = format!("eyJhbGciOiJub25lIn0.e30.{}", "hush-federated".repeat(20));
    fs::write(root.join("token"), &federated).expect("it is written");
    let credential = format!("federated_token_file = \"{}/token\"", root.display());
    configure(&server, root, &credential);
    let (succeeded, refused) = run(root, &[]);
    assert!(!succeeded && refused.contains("AADSTS70021"), "{refused}");
    tenants.change_tenant(TENANT, |spec| spec.federated_tokens = vec![federated]);
    let (succeeded, accepted) = run(root, &[]);
    assert!(succeeded, "{accepted}");

    configure(&server, root, "managed_identity = {}");
    let endpoint = format!("{}/msi/token", server.login_url());
    let variables = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", "hush-header")];
    let (succeeded, unknown) = run(root, &variables);
    assert!(!succeeded && unknown.contains("Identity not found"), "{unknown}");
    let identity = ManagedIdentity { client_id: None, header: "hush-header".to_owned() };
    tenants.change_tenant(TENANT, |spec| spec.managed_identity = Some(identity));
    let (succeeded, known) = run(root, &variables);
    assert!(succeeded, "{known}");

    for said in [refused, accepted, unknown, known] {
        for secret in ["hush-federated", "hush-header", "eyJhbGci"] {
            assert_lacks("a run", said.as_bytes(), secret);
        }
    }
    server.stop().await;
}
