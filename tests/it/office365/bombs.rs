//! Answers without end, that drip, or that unpack to far more than they are; and tokens that are none. Each is given up
//! in bounded memory and time, and nothing else is disturbed.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chrono::TimeDelta;
use fake_tenant::{ContentType, Fault, FaultTarget, NewBlob, NewContent};
use flate2::{Compression, write::GzEncoder};
use http::Response;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use net::{Body, BodyError};
use office365::Operation;

use super::{
    rig::{CONTOSO, FABRIKAM, Rig, Scrape, simulate, start, tenant},
    tamper::Trouble,
};

const MEGABYTE: usize = 1_000_000;

/// Two tenants with blobs in two feeds each.
fn rig() -> Rig {
    let tenants = vec![tenant(CONTOSO, "contoso.example"), tenant(FABRIKAM, "fabrikam.example")];
    let rig = Rig::new(tenants);
    for tenant_id in [CONTOSO, FABRIKAM] {
        for content_type in [ContentType::Exchange, ContentType::General] {
            for minutes in 0..3 {
                let created = start() - TimeDelta::minutes(60 + minutes);
                let blob = NewBlob::new(created, NewContent::Generated(50));
                rig.tenants.add_blob(tenant_id, content_type, blob).unwrap();
            }
        }
    }
    rig
}

/// A body that gives `piece` for ever, and counts the bytes that were taken of it.
fn endless(first: &'static str, piece: Bytes, taken: Arc<AtomicUsize>) -> Body {
    let pieces = futures_util::stream::unfold(Bytes::from(first), move |next| {
        taken.fetch_add(next.len(), Ordering::SeqCst);
        let piece = piece.clone();
        async move { Some((Ok::<_, BodyError>(Frame::data(next)), piece)) }
    });
    UnsyncBoxBody::new(StreamBody::new(pieces))
}

/// Trouble for one feed: while it lasts the others go on, and of each answer at most `bytes_max` are read.
fn check_endless(operation: Operation, status: u16, texts: (&'static str, &str), bytes_max: usize) {
    let (first, piece) = texts;
    let piece = Bytes::from(piece.repeat(32 * 1024 / piece.len()));
    simulate(async || {
        let mut rig = rig();
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        let (trouble, tamper) = Trouble::with(operation, CONTOSO, move |_| {
            let body = endless(first, piece.clone(), Arc::clone(&counted));
            Ok(Response::builder().status(status).body(body).unwrap())
        });
        rig.tamper = Some(tamper);
        rig.run_for(Duration::from_secs(5)).await.unwrap();
        assert!(rig.verify_tenant(Some(FABRIKAM)).is_exact(), "{operation} {first}");
        let (taken, hits) = (taken.load(Ordering::SeqCst), trouble.hits().len());
        assert!(hits >= 2 && taken <= hits * bytes_max, "{operation} {first}: {taken} {hits}");
        trouble.end();
        rig.run_for(Duration::from_hours(1)).await.unwrap();
        rig.assert_exact();
    });
}

#[test]
fn an_answer_without_end_is_given_up() {
    let rows = ("[1", ",1");
    check_endless(Operation::ListContent, 200, rows, 17 * MEGABYTE);
    check_endless(Operation::ListContent, 200, ("[", " "), 17 * MEGABYTE);
    check_endless(Operation::ListContent, 200, ("", "<html>"), 17 * MEGABYTE);
    check_endless(Operation::ListContent, 500, ("", "x"), MEGABYTE / 10);
    check_endless(Operation::ListContent, 400, ("{", "\"error\":{"), MEGABYTE / 10);
    check_endless(Operation::FetchBlob, 503, ("", "x"), MEGABYTE / 10);
    check_endless(Operation::FetchBlob, 200, ("", "<html>"), MEGABYTE / 10);
}

fn gzip(pieces: &[(&str, usize)]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    for (text, times) in pieces {
        for _ in 0..*times {
            encoder.write_all(text.as_bytes()).unwrap();
        }
    }
    Bytes::from(encoder.finish().unwrap())
}

/// A compressed answer: while it is given the others go on; then all is delivered.
fn check_bomb(operation: Operation, status: u16, packed: &Bytes) -> Scrape {
    let ((), metrics) = simulate(async || {
        let mut rig = rig();
        let packed = packed.clone();
        let (trouble, tamper) = Trouble::with(operation, CONTOSO, move |_| {
            let body = Full::new(packed.clone()).map_err(|never| match never {}).boxed_unsync();
            let response = Response::builder().status(status).header("content-encoding", "gzip");
            Ok(response.body(body).unwrap())
        });
        rig.tamper = Some(tamper);
        rig.run_for(Duration::from_secs(2)).await.unwrap();
        assert!(rig.verify_tenant(Some(FABRIKAM)).is_exact(), "{operation}");
        assert!(!trouble.hits().is_empty());
        trouble.end();
        rig.run_for(Duration::from_hours(1)).await.unwrap();
        rig.assert_exact();
    });
    metrics
}

#[test]
fn what_unpacks_to_too_much_is_given_up() {
    let spaces = &" ".repeat(MEGABYTE);
    let bomb = gzip(&[("[", 1), (spaces, 100)]);
    assert!(bomb.len() < MEGABYTE / 5);
    for (operation, status) in [
        (Operation::ListContent, 200),
        (Operation::ListContent, 500),
        (Operation::FetchBlob, 200),
        (Operation::FetchBlob, 500),
    ] {
        check_bomb(operation, status, &bomb);
    }
    let rows = &"1,".repeat(MEGABYTE);
    check_bomb(Operation::ListContent, 200, &gzip(&[("[", 1), (rows, 6), ("1]", 1)]));
}

#[test]
fn a_record_that_unpacks_to_too_much_is_cut_short_in_the_dead_letters() {
    let filler = &"x".repeat(MEGABYTE);
    let packed = gzip(&[("[{\"Id\":\"", 1), (filler, 100), ("\"}]", 1)]);
    simulate(async || {
        let mut rig = rig();
        rig.config.record_bytes_max = MEGABYTE;
        let (trouble, tamper) = Trouble::with(Operation::FetchBlob, CONTOSO, move |_| {
            let body = Full::new(packed.clone()).map_err(|never| match never {}).boxed_unsync();
            Ok(Response::builder().header("content-encoding", "gzip").body(body).unwrap())
        });
        rig.tamper = Some(tamper);
        rig.once().await.unwrap();
        assert_eq!(trouble.hits().len(), 3);
        let letters = rig.dead_letters.letters();
        assert_eq!(letters.len(), 3);
        assert!(letters.iter().all(|letter| letter.payload.len() <= 2 * MEGABYTE));
        assert!(rig.verify_tenant(Some(FABRIKAM)).is_exact());
    });
}

#[test]
fn a_blob_that_drips_gives_its_place_to_others_and_is_fetched_again() {
    let ((), metrics) = simulate(async || {
        let mut rig = rig();
        rig.config.fetch_concurrency = std::num::NonZeroU16::MIN;
        let target = FaultTarget::operation(fake_tenant::Operation::FetchBlob).of_tenant(CONTOSO);
        let drip = Fault::Slow { chunk_bytes: 1, delay: Duration::from_secs(20) };
        rig.tenants.script(target, drip, 2);
        rig.run_for(Duration::from_mins(4)).await.unwrap();
        assert!(rig.verify_tenant(Some(FABRIKAM)).is_exact());
        rig.run_for(Duration::from_mins(26)).await.unwrap();
        rig.assert_exact();
    });
    assert!(metrics.sum("component_errors_total", &["blob_failed"]) >= 1);
}

#[test]
fn a_listing_that_drips_is_given_up() {
    simulate(async || {
        let rig = rig();
        let target = FaultTarget::operation(fake_tenant::Operation::ListContent)
            .of_tenant(CONTOSO)
            .of_content_type(ContentType::Exchange);
        let drip = Fault::Slow { chunk_bytes: 1, delay: Duration::from_secs(20) };
        rig.tenants.script(target, drip, 2);
        rig.run_for(Duration::from_mins(20)).await.unwrap();
        rig.assert_exact();
    });
}

#[test]
fn a_token_that_is_none_is_replaced_and_disturbs_nobody_else() {
    let huge = format!(r#"{{"access_token":"{}","expires_in":3599}}"#, "x".repeat(50_000));
    for body in [
        r#"{"token_type":"Bearer","expires_in":3599,"access_token":"not-a-jwt"}"#,
        r#"{"token_type":"Bearer","expires_in":3599,"access_token":"a.b.c"}"#,
        r#"{"token_type":"Bearer","expires_in":3599,"access_token":"eyJ9.bm9uZQ.c2ln"}"#,
        r#"{"token_type":"Bearer","expires_in":3599,"access_token":"with\r\nX-Header: of its own"}"#,
        r#"{"token_type":"Bearer","expires_in":3599,"access_token":"ünicode"}"#,
        r#"{"token_type":"Bearer","expires_in":3599,"access_token":{"a":1}}"#,
        r#"{"token_type":"Bearer","expires_in":-5,"access_token":"x"}"#,
        r#"{"token_type":"Bearer","expires_in":1e300,"access_token":"x"}"#,
        "{}",
        "[]",
        "null",
        "<html>sign in</html>",
        "",
        &huge,
    ] {
        let ((), metrics) = simulate(async || {
            let rig = rig();
            let target = FaultTarget::operation(fake_tenant::Operation::Token).of_tenant(CONTOSO);
            let body = Bytes::copy_from_slice(body.as_bytes());
            rig.tenants.script(target, Fault::Answer { status: 200, body }, 3);
            rig.run_for(Duration::from_mins(3)).await.unwrap();
            assert!(rig.verify_tenant(Some(FABRIKAM)).is_exact(), "fabrikam");
            rig.run_for(Duration::from_mins(27)).await.unwrap();
            rig.assert_exact();
        });
        let errors = metrics.sum("component_errors_total", &["listing_failed"]);
        assert!((1..=40).contains(&errors), "{errors} {}", &body[..body.len().min(80)]);
    }
}
