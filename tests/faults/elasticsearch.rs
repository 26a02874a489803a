//! The sink `elasticsearch`: whatever happens, each event is stored once.

use std::{
    fs, os::unix::fs::PermissionsExt, path::Path, process::Command, sync::OnceLock, time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep},
};

use crate::{
    fault::{self, Fault},
    services::{self, Elasticsearch},
    target::{Index, Resent, Settings, Target},
    toxiproxy::toxiproxy,
    trial::Trial,
};

/// How long a server is in trouble.
const LASTS: Duration = Duration::from_millis(3500);

/// Longest wait until the server has read a certificate that has changed; it looks every five seconds.
const RELOAD_MAX: Duration = Duration::from_mins(1);

async fn check(fault: Fault) {
    fault::check(Index::on(services::plain()).await, fault).await;
}

#[tokio::test]
async fn connections_refused() {
    check(Fault::Refused).await;
}

#[tokio::test]
async fn connections_reset() {
    check(Fault::Reset).await;
}

#[tokio::test]
async fn connections_cut_off_amid_a_batch() {
    check(Fault::CutOff).await;
}

#[tokio::test]
async fn a_black_hole() {
    check(Fault::BlackHole).await;
}

#[tokio::test]
async fn a_byte_a_second() {
    check(Fault::Drip).await;
}

#[tokio::test]
async fn answers_lost() {
    check(Fault::AnswersLost).await;
}

#[tokio::test]
async fn answers_late() {
    check(Fault::AnswersLate).await;
}

/// A server of this program's own, which takes little at once. One test at a time has it.
async fn own() -> MutexGuard<'static, Elasticsearch> {
    static SERVER: OnceLock<Mutex<Elasticsearch>> = OnceLock::new();
    let start = || {
        let settings = "indexing_pressure.memory.limit: 1200kb";
        Mutex::new(Elasticsearch::start("faults", false, settings))
    };
    tokio::task::block_in_place(|| SERVER.get_or_init(start)).lock().await
}

/// The secure server, for one test at a time: its certificate and its users change.
async fn secure() -> MutexGuard<'static, &'static Elasticsearch> {
    static SERVER: OnceLock<Mutex<&'static Elasticsearch>> = OnceLock::new();
    SERVER.get_or_init(|| Mutex::new(services::secure())).lock().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_and_comes_back() {
    let server = own().await;
    let mut trial = Trial::begin(Index::on(&server).await).await;
    server.kill();
    trial.endure(LASTS).await;
    trial.proxy.heal().await;
    let url = tokio::task::block_in_place(|| server.launch());
    assert_eq!(url, server.url, "it comes back where it was");
    trial.finish(Resent::InFlight(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_more_requests_than_it_takes() {
    let server = own().await;
    // Twice as much as it takes; it counts bytes before compression.
    let settings = Settings { concurrency: 12, ..Settings::default() };
    let index = Index::on(&server).await.with_settings(settings);
    let mut trial = Trial::begin_wide(index).await;
    trial.await_complaint("es_rejected_execution_exception").await;
    trial.finish(Resent::InFlight(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_runs_out_of_memory() {
    let server = own().await;
    let limit =
        |value: Value| json!({"transient": {"network.breaker.inflight_requests.limit": value}});
    let mut trial = Trial::begin(Index::on(&server).await).await;
    server.done("PUT", "/_cluster/settings", &limit(json!("2kb")).to_string()).await;
    trial.proxy.heal().await;
    trial.await_complaint("circuit_breaking_exception").await;
    trial.endure(LASTS).await;
    server.done("PUT", "/_cluster/settings", &limit(Value::Null).to_string()).await;
    trial.finish(Resent::InFlight(1)).await;
}

#[tokio::test]
async fn an_index_that_takes_no_more() {
    let blocks = [
        // What a server with a full disk does.
        "index.blocks.read_only_allow_delete",
        "index.blocks.write",
    ];
    for block in blocks {
        let server = services::plain();
        let mut trial = Trial::begin(Index::on(server).await).await;
        let settings = format!("/{}/_settings", trial.target.name);
        server.done("PUT", &settings, &json!({block: true}).to_string()).await;
        trial.proxy.heal().await;
        trial.await_complaint("cluster_block_exception").await;
        trial.endure(LASTS).await;
        server.done("PUT", &settings, &json!({block: null}).to_string()).await;
        trial.finish(Resent::InFlight(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_wrong_until_the_server_knows_them() {
    let server = secure().await;
    let password = "not-known-to-the-server-yet";
    let ca = server.ca_file.as_deref().expect("it has one").display();
    let more = format!(
        "tls.ca_file = \"{ca}\"\nauth = {{ strategy = \"basic\", user = \"late\", password = \"{password}\" }}\n"
    );
    let index = Index::on(&server).await.with(&more).with_secret(password);
    let proxy = toxiproxy().proxy(&index.upstream()).await;
    let mut trial = Trial::begin_through(index, proxy).await;
    trial.await_complaint("401").await;
    trial.endure(LASTS).await;
    assert_eq!(trial.arrived().await, 0);
    let user = json!({"password": password, "roles": ["superuser"]});
    server.done("PUT", "/_security/user/late", &user.to_string()).await;
    trial.proxy.heal().await;
    trial.finish(Resent::InFlight(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_host() {
    let server = secure().await;
    let index = Index::on(&server).await.with(&secure_tables(&server));
    let proxy = toxiproxy().proxy_on("127.0.0.2", &index.upstream()).await;
    let mut trial = Trial::begin_through(index, proxy).await;
    trial.await_complaint("certificate").await;
    trial.endure(LASTS).await;
    assert_eq!(trial.arrived().await, 0);
    trial.give_up();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_expired_until_it_is_renewed() {
    let server = secure().await;
    let ca = server.ca_file.clone().expect("it has one");
    let folder = ca.parent().expect("it is in a folder").join("server/config/certificates");
    let renewed = fs::read(folder.join("server.crt")).expect("it has a certificate");
    let expired = fs::read(folder.join("expired.crt")).expect("there is an old one");
    replace(&folder.join("server.crt"), &expired);
    let index = Index::on(&server).await.with(&secure_tables(&server));
    await_certificate(&server, &ca, false).await;
    let proxy = toxiproxy().proxy(&index.upstream()).await;
    let mut trial = Trial::begin_through(index, proxy).await;
    trial.await_complaint("expired").await;
    trial.endure(LASTS).await;
    replace(&folder.join("server.crt"), &renewed);
    await_certificate(&server, &ca, true).await;
    assert_eq!(trial.arrived().await, 0);
    trial.proxy.heal().await;
    trial.finish(Resent::InFlight(1)).await;
}

#[tokio::test]
async fn the_program_is_killed_amid_its_work() {
    fault::check_kills(Index::on(services::plain()).await).await;
}

/// What a sink needs to write to a secure server.
fn secure_tables(server: &Elasticsearch) -> String {
    let ca = server.ca_file.as_deref().expect("it has one").display();
    let (user, password) = server.credentials.as_ref().expect("it has a user");
    format!(
        "tls.ca_file = \"{ca}\"\nauth = {{ strategy = \"basic\", user = \"{user}\", password = \"{password}\" }}\n"
    )
}

/// Puts other content into a file, at once, where every user can read it.
fn replace(path: &Path, content: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, content).expect("it is written");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).expect("its mode is set");
    fs::rename(&new, path).expect("it is put in place");
}

/// Waits until the server shows a certificate that is valid, or one that is not.
async fn await_certificate(server: &Elasticsearch, ca: &Path, is_valid: bool) {
    let start = Instant::now();
    loop {
        let mut curl = Command::new("curl");
        let status = curl
            .args(["--silent", "--noproxy", "*", "--max-time", "10", "--output", "/dev/null"])
            .arg("--cacert")
            .arg(ca)
            .arg(&server.url)
            .status();
        if status.expect("curl starts").success() == is_valid {
            return;
        }
        assert!(start.elapsed() < RELOAD_MAX, "the server does not read its certificate");
        sleep(Duration::from_millis(500)).await;
    }
}
