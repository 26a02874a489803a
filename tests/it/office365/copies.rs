//! Microsoft serves the same record in several blobs. One copy is delivered, and no two blobs wait for each other.

use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use fake_tenant::{ContentType, NewBlob, NewContent};
use pipeline_core::Outcome;

use super::rig::{CONTOSO, Rig, Scrape, simulate, start, tenant};

fn record(id: &str) -> Bytes {
    format!(r#"{{"Id":"{id}","CreationTime":"2027-01-01T00:00:00","Operation":"x"}}"#).into()
}

fn add(rig: &Rig, minutes: i64, ids: &[&str]) {
    let records = ids.iter().map(|id| record(id)).collect();
    let created = start() - TimeDelta::hours(3) + TimeDelta::minutes(minutes);
    let blob = NewBlob::new(created, NewContent::Records(records));
    rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap();
}

/// Delivers blobs with these ids; gives what was delivered, sorted, and the metrics.
fn deliver(
    blobs: &[&[&str]],
    judge: impl Fn(&str, usize) -> Outcome + Send + Sync + 'static,
) -> (Vec<String>, Scrape) {
    simulate(async || {
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        rig.judge = Arc::new(judge);
        for (minutes, ids) in (0..).zip(blobs) {
            add(&rig, minutes, ids);
        }
        rig.once().await.unwrap();
        let mut delivered = rig.arrivals.lock().unwrap().delivered.clone();
        delivered.sort();
        delivered
    })
}

#[test]
fn blobs_that_hold_each_others_copies_are_delivered_side_by_side() {
    let (delivered, metrics) =
        deliver(&[&["a", "b", "c"], &["c", "b", "a", "d"], &["d", "a"]], |_, _| Outcome::Delivered);
    assert_eq!(delivered, ["a", "b", "c", "d"]);
    assert_eq!(metrics.sum("o365_duplicate_records_total", &[]), 5);
    assert_eq!(metrics.sum("o365_records_total", &[]), 9);
}

#[test]
fn a_copy_within_a_blob_is_dropped_too() {
    let (delivered, metrics) = deliver(&[&["a", "a", "b", "a"]], |_, _| Outcome::Delivered);
    assert_eq!(delivered, ["a", "b"]);
    assert_eq!(metrics.sum("o365_duplicate_records_total", &[]), 2);
}

#[test]
fn a_copy_is_sent_when_the_first_one_was_not_delivered() {
    let judge = |_: &str, before: usize| {
        if before == 0 { Outcome::Errored } else { Outcome::Delivered }
    };
    let (delivered, _) = deliver(&[&["a", "b"], &["b", "a"]], judge);
    assert_eq!(delivered, ["a", "b"]);
}

#[test]
fn a_rejected_record_is_done_with_and_rejected_once() {
    // `b` keeps the first blob from being delivered at once, and the second holds a copy.
    let judge = |id: &str, before: usize| match id {
        "a" if before == 0 => Outcome::Rejected,
        "b" if before == 0 => Outcome::Errored,
        "a" => unreachable!("a second letter would be written"),
        _ => Outcome::Delivered,
    };
    let (delivered, metrics) = deliver(&[&["a", "b"], &["c", "a"]], judge);
    assert_eq!(delivered, ["b", "c"]);
    assert_eq!(metrics.sum("o365_duplicate_records_total", &[]), 1, "the copy alone");
}

#[test]
fn a_bad_record_is_kept_once_however_often_its_blob_is_tried() {
    let ((letters, delivered), metrics) = simulate(async || {
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        rig.judge =
            Arc::new(|_, before| if before < 3 { Outcome::Errored } else { Outcome::Delivered });
        let created = start() - TimeDelta::hours(3);
        let body = [&b"[17,"[..], &record("a"), b",17,null]"].concat();
        let blob = NewBlob::new(created, NewContent::Raw(body.into()));
        rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap();
        rig.once().await.unwrap();
        let delivered = rig.arrivals.lock().unwrap().delivered.clone();
        let letters = rig.dead_letters.letters().into_iter().map(|letter| letter.payload);
        (letters.collect::<Vec<_>>(), delivered)
    });
    assert_eq!(delivered, ["a"]);
    assert_eq!(letters, [&b"17"[..], b"17", b"null"]);
    assert_eq!(metrics.sum("component_discarded_events_total", &["intentional=\"false\""]), 3);
}

#[test]
fn a_filtered_record_is_done_with() {
    let (delivered, metrics) = deliver(&[&["a", "b"], &["a", "b"]], |_, _| Outcome::Filtered);
    assert!(delivered.is_empty());
    assert_eq!(metrics.sum("component_sent_events_total", &[]), 2);
    assert_eq!(metrics.sum("o365_duplicate_records_total", &[]), 2);
}

#[test]
fn ids_that_differ_in_case_are_different_records() {
    let (lower, upper) =
        ("6b2b1a2e-54e5-4d0a-8f1b-0c4c8f4c9a11", "6B2B1A2E-54E5-4D0A-8F1B-0C4C8F4C9A11");
    let (delivered, _) =
        deliver(&[&[lower, upper], &[upper, lower, "x"]], |_, _| Outcome::Delivered);
    assert_eq!(delivered, [upper, lower, "x"]);
}

#[test]
fn a_repeated_attempt_counts_what_it_had_delivered_as_delivered() {
    let judge = |id: &str, before: usize| {
        if id == "b" && before == 0 { Outcome::Errored } else { Outcome::Delivered }
    };
    let (delivered, metrics) = deliver(&[&["a", "b", "c"]], judge);
    assert_eq!(delivered, ["a", "b", "c"]);
    assert_eq!(metrics.sum("o365_duplicate_records_total", &[]), 0);
    assert_eq!(metrics.sum("component_sent_events_total", &[]), 4);
}

#[test]
fn copies_are_kept_where_the_user_wants_them() {
    simulate(async || {
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        rig.config.dedupe_window = std::time::Duration::ZERO;
        add(&rig, 0, &["a", "b"]);
        add(&rig, 1, &["b", "a"]);
        rig.once().await.unwrap();
        assert_eq!(rig.arrivals.lock().unwrap().ids.len(), 4);
    });
}
