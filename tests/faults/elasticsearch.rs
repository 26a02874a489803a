//! The sink `elasticsearch`: whatever happens, each event is stored once.

use crate::{
    fault::{self, Fault},
    services,
    target::Index,
};

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
