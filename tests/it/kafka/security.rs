//! Who the sink is and whom it trusts; what `doctor` says where that is wrong.

use pipeline_core::{Finding, Health, Outcome, SinkConfig};

use super::rig::{Pipe, check, config, records, repeats, unique};
use crate::services::kafka::{Kafka, Listener, broker};

/// The table `sasl` of `user`.
fn sasl(mechanism: &str, user: &str, password: &str) -> String {
    format!(
        "sasl = {{ mechanism = {mechanism:?}, username = {user:?}, password = {password:?} }}\n"
    )
}

/// The table `tls` that trusts the cluster.
fn tls(kafka: &Kafka) -> String {
    format!("tls.enabled = true\ntls.ca_file = \"{}\"\n", kafka.file("ca.crt").display())
}

/// The client certificate that the cluster trusts.
fn certificate(kafka: &Kafka) -> String {
    let (certificate, key) = (kafka.file("client.crt"), kafka.file("client.key"));
    format!("tls.crt_file = \"{}\"\ntls.key_file = \"{}\"\n", certificate.display(), key.display())
}

/// The first finding about a sink that cannot deliver, as it is printed.
async fn failure(servers: &str, more: &str) -> String {
    let findings = config(servers, "any", more).probe(chrono::DateTime::UNIX_EPOCH).await;
    let Finding { check, health, found, cause, fix } =
        findings.into_iter().next().expect("something was found");
    assert_eq!(health, Health::Fail, "{check}: {found}");
    format!("{check}: {found} | {} | {}", cause.unwrap_or_default(), fix.unwrap_or_default())
}

#[tokio::test]
async fn events_go_by_tls_with_each_mechanism_and_with_a_client_certificate() {
    let kafka = broker();
    let password = kafka.password();
    let ways = [
        (Listener::SaslSsl, sasl("PLAIN", "alice", &password)),
        (Listener::SaslSsl, sasl("SCRAM-SHA-256", "alice", &password)),
        (Listener::SaslSsl, sasl("SCRAM-SHA-512", "alice", &password)),
        (Listener::Ssl, certificate(kafka)),
    ];
    for (listener, way) in ways {
        let topic = unique("secure");
        kafka.create_topic(&topic, 1, &[]).await;
        let servers = kafka.bootstrap(listener);
        let config = config(&servers, &topic, &(way + &tls(kafka)));
        assert!(!format!("{config:?}").contains(&password), "a password was printed");
        let findings = config.probe(chrono::DateTime::UNIX_EPOCH).await;
        let healths: Vec<Health> = findings.iter().map(|finding| finding.health).collect();
        assert_eq!(healths, [Health::Ok, Health::Ok], "{findings:?}");
        let pipe = Pipe::to(&config).await;
        check(&pipe.send(&records(0..100)).await.await, Outcome::Delivered, 100);
        assert_eq!(pipe.end().await, "");
        assert_eq!(repeats(&kafka.messages(&topic), 100), 0);
    }
}

#[tokio::test]
async fn doctor_says_why_a_broker_is_not_reached() {
    let kafka = broker();
    let (secure, password) = (kafka.bootstrap(Listener::SaslSsl), kafka.password());
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let more = sasl(mechanism, "alice", "wrong-password") + &tls(kafka);
        let said = failure(&secure, &more).await;
        assert!(said.starts_with("auth: the broker refuses: "), "{said}");
        assert!(said.contains("correct `sasl.username`"), "{said}");
        assert!(!said.contains("wrong-password"), "{said}");
    }
    let unknown_ca = sasl("PLAIN", "alice", &password) + "tls.enabled = true\n";
    let said = failure(&secure, &unknown_ca).await;
    assert!(said.contains("its authority is not trusted here"), "{said}");

    let no_certificate = failure(&kafka.bootstrap(Listener::Ssl), &tls(kafka)).await;
    assert!(no_certificate.contains("client certificate"), "{no_certificate}");

    let no_tls = failure(&secure, "").await;
    assert!(no_tls.contains("whether the port wants TLS"), "{no_tls}");
}

#[tokio::test]
async fn doctor_says_that_a_certificate_is_for_another_name() {
    let kafka = broker();
    // A way to the broker by another name: the address is not in its certificate.
    let secure = kafka.bootstrap(Listener::SaslSsl).replace("localhost", "127.0.0.1");
    let proxy = tokio::net::TcpListener::bind("127.0.0.2:0").await.expect("a port");
    let address = proxy.local_addr().expect("an address").to_string();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut client, _)) = proxy.accept().await {
            if let Ok(mut server) = tokio::net::TcpStream::connect(&secure).await {
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            }
        }
    });
    let more = sasl("PLAIN", "alice", &kafka.password()) + &tls(kafka);
    let said = failure(&address, &more).await;
    assert!(said.contains("the broker's certificate is for another name"), "{said}");
}

#[tokio::test]
async fn a_user_who_may_not_write_is_waited_for_and_named() {
    let kafka = broker();
    let topic = unique("forbidden");
    kafka.create_topic(&topic, 1, &[]).await;
    let more = sasl("SCRAM-SHA-512", "bob", &kafka.password()) + &tls(kafka);
    let config = config(&kafka.bootstrap(Listener::SaslSsl), &topic, &more);
    let findings = config.probe(chrono::DateTime::UNIX_EPOCH).await;
    assert!(findings.iter().any(|finding| finding.health == Health::Fail), "{findings:?}");
    let pipe = Pipe::to(&config).await;
    let mut receipt = pipe.send(&records(0..10)).await;
    let early = tokio::time::timeout(std::time::Duration::from_secs(3), &mut receipt).await;
    assert!(early.is_err(), "forbidden events were settled: {early:?}");
    pipe.shutdown.abandon();
    check(&receipt.await, Outcome::Errored, 10);
    assert_eq!(pipe.end().await, "", "a right that is missing makes no dead letters");
    assert_eq!(kafka.messages(&topic), []);
}
