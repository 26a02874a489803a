//! The sink `lumberjack`: whatever happens, each event has arrived, and again only what was in flight.

use std::time::Duration;

use crate::{
    fault::{self, Fault},
    services::lumberjack::Security,
    target::{Receiver, Resent, Target},
    toxiproxy::{Proxy, toxiproxy},
    trial::Trial,
};

/// How long a receiver is in trouble.
const LASTS: Duration = Duration::from_millis(3500);

/// Attempts of a batch at a receiver that never acknowledges, until it is replaced.
const ATTEMPTS_MAX: usize = 10;

/// About as many events as a trial has.
const EVENTS: usize = 3000;

async fn check(fault: Fault) {
    fault::check(Receiver::start(&[]), fault).await;
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

#[tokio::test]
async fn a_receiver_that_crashes_and_comes_back() {
    let mut trial = Trial::begin(Receiver::start(&[])).await;
    trial.target.server.kill();
    trial.endure(LASTS).await;
    trial.proxy.heal().await;
    trial.target.server.start_again(&[]);
    trial.finish(Resent::InFlight(1)).await;
}

#[tokio::test]
async fn a_receiver_that_never_acknowledges() {
    let mut trial =
        Trial::begin_wide(Receiver::start(&["-never-ack", "-keepalive", "500ms"])).await;
    trial.await_complaint("").await;
    trial.endure(LASTS).await;
    trial.target.server.kill();
    trial.target.server.start_again(&[]);
    trial.finish(Resent::InFlight(ATTEMPTS_MAX)).await;
}

#[tokio::test]
async fn a_receiver_that_loses_some_acknowledgements() {
    let mut trial = Trial::begin_wide(Receiver::start(&["-lose-ack-every", "3"])).await;
    trial.await_complaint("").await;
    // Of three windows two are acknowledged, and another is under way behind the third: in the end each is sent twice.
    trial.finish(Resent::Events(2 * EVENTS)).await;
}

#[tokio::test]
async fn a_certificate_of_another_host() {
    let receiver = Receiver::secure(Security::Tls);
    let proxy = toxiproxy().proxy_on("127.0.0.2", &receiver.upstream()).await;
    check_distrusted(receiver, proxy, "certificate").await;
}

#[tokio::test]
async fn a_certificate_that_has_expired() {
    let valid = Receiver::secure(Security::Tls);
    let (certificate, key) = (valid.certificate("expired.crt"), valid.certificate("server.key"));
    let receiver = Receiver::secure(Security::Own { certificate, key });
    let receiver = receiver.trusting(&valid.certificate("ca.crt"));
    let proxy = toxiproxy().proxy(&receiver.upstream()).await;
    check_distrusted(receiver, proxy, "expired").await;
}

#[tokio::test]
async fn a_receiver_that_wants_another_certificate() {
    let receiver = Receiver::secure(Security::Mutual);
    let proxy = toxiproxy().proxy(&receiver.upstream()).await;
    check_distrusted(receiver, proxy, "CertificateRequired").await;
}

/// Where one side does not trust the other, the sink waits, says why, and gives nothing up.
async fn check_distrusted(receiver: Receiver, proxy: Proxy, complaint: &str) {
    let mut trial = Trial::begin_through(receiver, proxy).await;
    trial.await_complaint(complaint).await;
    trial.endure(LASTS).await;
    assert_eq!(trial.arrived().await, 0);
    trial.give_up();
}

#[tokio::test]
async fn the_program_is_killed_amid_its_work() {
    fault::check_kills(Receiver::start(&[])).await;
}
