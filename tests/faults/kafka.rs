//! The sink `kafka`: whatever happens, each event is in the topic, and once as long as the program lives.

use std::{net::TcpStream, sync::OnceLock, time::Duration};

use tokio::sync::{Mutex, MutexGuard};

use crate::{
    fault::{self, Fault},
    services::{
        kafka::{Kafka, Listener, broker},
        lumberjack::Security,
    },
    target::{Receiver, Resent, Target, Topic},
    toxiproxy::{Proxy, toxiproxy},
    trial::Trial,
};

/// How long a server is in trouble.
const LASTS: Duration = Duration::from_millis(3500);

/// The broker, for one test at a time: it has one proxy, and is killed.
async fn own() -> MutexGuard<'static, &'static Kafka> {
    static BROKER: OnceLock<Mutex<&'static Kafka>> = OnceLock::new();
    let turn = BROKER.get_or_init(|| Mutex::new(broker())).lock().await;
    // A test that failed may have left it dead.
    if TcpStream::connect(turn.bootstrap(Listener::Plaintext)).is_err() {
        tokio::task::block_in_place(|| turn.start_again(&[1]));
    }
    turn
}

async fn check(fault: Fault) {
    let broker = own().await;
    fault::check(Topic::on(&broker).await, fault).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_refused() {
    check(Fault::Refused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_reset() {
    check(Fault::Reset).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_cut_off_amid_a_batch() {
    check(Fault::CutOff).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole() {
    check(Fault::BlackHole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_a_second() {
    check(Fault::Drip).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_lost() {
    check(Fault::AnswersLost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_late() {
    check(Fault::AnswersLate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_crashes_and_comes_back() {
    let broker = own().await;
    let mut trial = Trial::begin(Topic::on(&broker).await).await;
    broker.kill(1);
    trial.endure(LASTS).await;
    trial.proxy.heal().await;
    tokio::task::block_in_place(|| broker.start_again(&[1]));
    trial.finish(Resent::InFlight(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password() {
    let broker = own().await;
    let password = "not-the-password-of-alice";
    let more = format!(
        "sasl = {{ mechanism = \"SCRAM-SHA-512\", username = \"alice\", password = \"{password}\" }}\n\
         tls = {{ enabled = true, ca_file = \"{}\" }}\n",
        broker.file("ca.crt").display()
    );
    let topic = Topic::on(&broker).await.by(Listener::SaslSsl).with(&more).with_secret(password);
    let proxy = toxiproxy().proxy(&topic.upstream()).await;
    check_refused(topic, proxy, "uthentication").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_host() {
    let broker = own().await;
    let topic = Topic::on(&broker).await.by(Listener::Ssl).with(&tls(&broker));
    let proxy = toxiproxy().proxy_on("127.0.0.2", &topic.upstream()).await;
    check_refused(topic, proxy, "certificate").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_expired() {
    let broker = own().await;
    // Nothing of Kafka is said before the certificate is seen, so that it need not be a broker's.
    let valid = Receiver::secure(Security::Tls);
    let (certificate, key) = (valid.certificate("expired.crt"), valid.certificate("server.key"));
    let expired = Receiver::secure(Security::Own { certificate, key });
    let ca = valid.certificate("ca.crt");
    let tls = format!("tls = {{ enabled = true, ca_file = \"{}\" }}\n", ca.display());
    let topic = Topic::on(&broker).await.by(Listener::Ssl).with(&tls);
    let proxy = toxiproxy().proxy(&expired.upstream()).await;
    // Librdkafka does not say what is wrong with it.
    check_refused(topic, proxy, "certificate verify failed").await;
}

fn tls(broker: &Kafka) -> String {
    format!(
        "tls = {{ enabled = true, ca_file = \"{}\", crt_file = \"{}\", key_file = \"{}\" }}\n",
        broker.file("ca.crt").display(),
        broker.file("client.crt").display(),
        broker.file("client.key").display()
    )
}

/// What a broker refuses, or the sink: it waits, says why, and gives nothing up.
async fn check_refused(topic: Topic, proxy: Proxy, complaint: &str) {
    let mut trial = Trial::begin_through(topic, proxy).await;
    trial.await_complaint(complaint).await;
    trial.endure(LASTS).await;
    assert_eq!(trial.arrived().await, 0);
    trial.give_up();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_is_killed_amid_its_work() {
    let broker = own().await;
    fault::check_kills(Topic::on(&broker).await).await;
}
