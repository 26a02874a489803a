//! Bodies and records that are not what they should be: the good records go on, the bad ones are kept, nothing hangs.

use bytes::Bytes;
use chrono::TimeDelta;
use fake_tenant::{BadRecord, ContentType, Fault, FaultTarget, NewBlob, NewContent, Operation};

use super::rig::{CONTOSO, Rig, Scrape, simulate, start, tenant};

struct Fate {
    delivered: usize,
    error: Option<String>,
    /// Reason and payload.
    letters: Vec<(String, Vec<u8>)>,
    content_id: String,
    origins: Vec<String>,
}

fn run(content: NewContent, fault: Option<(Fault, usize)>) -> (Fate, Scrape) {
    simulate(async || {
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        rig.config.record_bytes_max = 100_000;
        let blob = NewBlob::new(start() - TimeDelta::hours(3), content);
        let content_id = rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap();
        if let Some((fault, times)) = fault {
            rig.tenants.script(FaultTarget::operation(Operation::FetchBlob), fault, times);
        }
        let error = rig.once().await.err().map(|error| error.to_string());
        let letters = rig.dead_letters.letters();
        Fate {
            delivered: rig.arrivals.lock().unwrap().delivered.len(),
            error,
            origins: letters.iter().map(|letter| letter.origin.clone()).collect(),
            letters: letters.into_iter().map(|letter| (letter.reason, letter.payload)).collect(),
            content_id,
        }
    })
}

/// A blob with one bad record: it alone goes to the dead letters, with its content id.
fn check_record(content: NewContent, fault: Option<Fault>, reason: &str, payload: &[u8]) {
    let (fate, metrics) = run(content, fault.map(|fault| (fault, 1)));
    assert_eq!(fate.error, None, "{reason}");
    assert_eq!(fate.delivered, 10, "{reason}");
    assert_eq!(fate.letters.len(), 1, "{reason}");
    assert!(fate.letters[0].0.contains(reason), "{reason}: {}", fate.letters[0].0);
    assert!(fate.letters[0].1.starts_with(payload), "{reason}");
    assert_eq!(fate.origins, [fate.content_id.as_str()]);
    assert_eq!(metrics.sum("component_errors_total", &["bad_record"]), 1);
    assert_eq!(metrics.sum("component_discarded_events_total", &["intentional=\"false\""]), 1);
    assert_eq!(metrics.sum("o365_records_total", &[]), 11);
    assert_eq!(metrics.sum("o365_blobs_total", &["delivered"]), 1);
}

#[test]
fn a_bad_record_goes_to_the_dead_letters_and_its_neighbours_on() {
    for (bad, reason, payload) in [
        (BadRecord::NoId, "no `Id`", &b"{\"CreationTime\""[..]),
        (BadRecord::NoCreationTime, "no `CreationTime`", b"{\"Id\""),
        (BadRecord::NotAnObject, "not an object", b"\"not a record\""),
        (BadRecord::InvalidUtf8, "UTF-8", b"{"),
        (BadRecord::Huge(5_000_000), "more than the limit", b"{"),
    ] {
        check_record(NewContent::Generated(10), Some(Fault::BadRecord(bad)), reason, payload);
    }
}

#[test]
fn a_record_that_is_no_json_goes_to_the_dead_letters() {
    for bad in [
        "{\"Id\":\"x\",}",
        "{\"Id\":\"x\" \"CreationTime\":\"t\"}",
        "{nonsense}",
        "[1,2]",
        "null",
        "17",
    ] {
        let good: Vec<String> = (0..10)
            .map(|id| format!(r#"{{"Id":"id{id}","CreationTime":"2027-01-01T00:00:00"}}"#))
            .collect();
        let body = format!("[{},{bad},{}]", good[..5].join(","), good[5..].join(","));
        let reason = if bad.starts_with('{') { "not valid JSON" } else { "not an object" };
        check_record(NewContent::Raw(Bytes::from(body)), None, reason, bad.as_bytes());
    }
}

#[test]
fn a_body_that_breaks_off_is_fetched_again() {
    for fault in [
        Fault::TruncateAfter(5_000),
        Fault::ResetAfter(5_000),
        Fault::TruncateAfter(0),
        Fault::NotJson,
        Fault::LyingContentLength(100),
        Fault::Answer { status: 200, body: Bytes::new() },
        Fault::Answer { status: 200, body: Bytes::from_static(b"[{\"Id\":") },
        Fault::Answer { status: 200, body: Bytes::from_static(b"\xff\xfe\x00") },
        Fault::Answer { status: 404, body: Bytes::from_static(b"<html>") },
    ] {
        let (fate, metrics) = run(NewContent::Generated(10), Some((fault.clone(), 2)));
        assert_eq!(fate.error, None, "{fault:?}");
        assert_eq!(fate.delivered, 10, "{fault:?}");
        assert!(fate.letters.is_empty(), "{fault:?}");
        assert_eq!(metrics.sum("o365_records_total", &[]), 10);
        assert_eq!(metrics.sum("o365_duplicate_records_total", &[]), 0);
    }
}

#[test]
fn a_body_that_stays_bad_delivers_what_is_good_leaves_evidence_and_stays_pending() {
    let good = r#"{"Id":"a","CreationTime":"t"}"#;
    for (body, delivered) in [
        ("<html>sign in</html>".to_owned(), 0),
        (format!("[{good}"), 1),
        (format!("[{good},"), 1),
        (format!("[{good},{{\"Id\":\"b\""), 1),
        (format!("[{good} {good}]"), 1),
        (format!("[{good}] and more"), 1),
        (format!("[{good},!]"), 1),
        ("{}".to_owned(), 0),
        (String::new(), 0),
    ] {
        let (fate, metrics) = run(NewContent::Raw(Bytes::from(body.clone())), None);
        assert!(fate.error.is_some_and(|error| error.contains("1 blobs are pending")), "{body}");
        assert_eq!(fate.delivered, delivered, "{body}");
        assert_eq!(fate.letters.len(), 1, "{body}");
        assert_eq!(fate.origins, [fate.content_id]);
        assert!(metrics.sum("component_errors_total", &["blob_failed"]) >= 3, "{body}");
    }
}

#[test]
fn an_empty_blob_is_delivered() {
    let (fate, metrics) = run(NewContent::Raw(Bytes::from_static(b" [ ] ")), None);
    assert_eq!((fate.error, fate.delivered), (None, 0));
    assert_eq!(metrics.sum("o365_blobs_total", &["delivered"]), 1);
}
