//! The API over TLS, with a certificate that changes.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use net::{ClientSettings, HttpClient, TlsSettings, Transport, read_body};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use super::rig::{Rig, TOKEN, request, served};
use crate::live::{Changes, Reloaded};

/// Writes a new certificate and its key.
fn write_certificate(folder: &Path) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    fs::write(folder.join("api.pem"), cert.pem()).unwrap();
    fs::write(folder.join("api.key"), signing_key.serialize_pem()).unwrap();
}

fn config(folder: &TempDir) -> String {
    let folder = folder.path().display();
    format!(
        "token = '{TOKEN}'\ntls = {{ crt_file = '{folder}/api.pem', key_file = '{folder}/api.key' }}"
    )
}

/// Asks for the topology, trusting `authority`.
async fn ask(rig: &Rig, authority: &Path) -> Option<(u16, Bytes)> {
    let tls = TlsSettings { ca_file: Some(authority.to_owned()), ..TlsSettings::default() };
    let client = HttpClient::new(&ClientSettings { tls, ..ClientSettings::default() }).unwrap();
    let request =
        http::Request::get(format!("https://localhost:{}/api/topology", rig.address.port()))
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(Bytes::new())
            .unwrap();
    let response = client.send(request).await.ok()?;
    Some((response.status().as_u16(), read_body(response.into_body(), 10_000).await.unwrap()))
}

#[test]
fn a_certificate_is_read_again_with_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("api.pem");
    write_certificate(folder.path());
    served(&config(&folder), async |rig| {
        let (status, body) = ask(&rig, &certificate).await.unwrap();
        assert_eq!(status, 200, "{body:?}");
        let before = folder.path().join("before.pem");
        fs::copy(&certificate, &before).unwrap();
        write_certificate(folder.path());
        assert!(ask(&rig, &before).await.is_some(), "nothing was reloaded yet");
        let reloaded = || Ok(Reloaded { generation: 1, changed: Changes::default() });
        rig.live.reload_ended(reloaded());
        while ask(&rig, &certificate).await.is_none() {}
        assert!(ask(&rig, &before).await.is_none());
        fs::write(folder.path().join("api.key"), "no key").unwrap();
        rig.live.reload_ended(reloaded());
        for _ in 0..5 {
            assert!(ask(&rig, &certificate).await.is_some(), "what cannot be read changes nothing");
        }
    });
}

#[test]
fn clear_text_is_refused_where_tls_is_spoken() {
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path());
    served(&config(&folder), async |rig| {
        let answer = rig.send(request("GET /api/topology", &[], "")).await;
        assert!(!answer.0.contains("HTTP/1.1"), "{}", answer.0);
        assert_eq!(rig.refused("handshake"), 1);
    });
}

#[test]
fn a_cookie_of_a_page_over_tls_never_leaves_it() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("api.pem");
    write_certificate(folder.path());
    served(&config(&folder), async |rig| {
        let tls = TlsSettings { ca_file: Some(certificate.clone()), ..TlsSettings::default() };
        let client = HttpClient::new(&ClientSettings { tls, ..ClientSettings::default() }).unwrap();
        let request =
            http::Request::post(format!("https://localhost:{}/session", rig.address.port()))
                .header("content-type", "application/json")
                .body(Bytes::from(format!(r#"{{"token":"{TOKEN}"}}"#)))
                .unwrap();
        let response = client.send(request).await.unwrap();
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("; Secure"), "{cookie}");
    });
}

#[test]
fn a_certificate_that_cannot_be_read_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[api]\naddress = '127.0.0.1:0'\n{}", config(&folder));
    let global: crate::config::Global = toml::from_str(&text).unwrap();
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let (live, _reloads) = crate::live::Live::new();
    let clock: Arc<dyn pipeline_core::Clock> =
        pipeline_core::testing::ManualClock::new(pipeline_core::Timestamp::default());
    let watched = super::super::Watched {
        metrics: crate::telemetry::Metrics::of(&recorder),
        readiness: super::super::Readiness::default(),
        live,
        problems: crate::telemetry::Problems::new(Arc::clone(&clock)),
        feeds: super::super::FeedSources::default(),
        clock,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(super::super::Listeners::bind(&global, watched)).err().unwrap();
    assert_eq!(error.to_string(), "cannot speak TLS as `[api]` says");
}
