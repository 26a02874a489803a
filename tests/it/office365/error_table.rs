//! Every error that the API, or what stands before it, is known to give: what the source does while it lasts, that it
//! disturbs nothing else, and that all is delivered once it is over.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use fake_tenant::{ContentType, Filter, NewBlob, NewContent};
use http::Response;
use net::{Body, SendError, SendErrorKind};
use office365::Operation;

use super::{
    rig::{CONTOSO, FABRIKAM, Rig, Scrape, simulate, start, tenant},
    tamper::{Trouble, response},
};

/// When a request that failed is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// Soon, and then less and less often.
    Soon,
    /// With the next poll.
    NextPoll,
    /// Up to three times at once, then with the next poll.
    AtOnce,
    /// Once with a new token, then with the next poll.
    NewToken,
    /// After a pause of the whole tenant.
    AfterPause,
}

/// An answer: a status and a body, or none at all.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Af(u16, &'static str),
    Text(u16, &'static str),
    None(SendErrorKind),
}

use Again::{AfterPause, AtOnce, NewToken, NextPoll, Soon};
use Answer::{Af, Text};

const DENIED: &str = r#"{"Message":"Authorization has been denied for this request."}"#;
const PAGE: &str = "<html><head><title>Error</title></head><body>Our services aren't available right now</body></html>";
const AUDIT_OFF: &str =
    "DataServiceException: Tenant 2d6f1f0c-9c4e-4f0b-8a58-0d4b1c3c7a11 does not exist.";
const SINGLE_QUOTED: &str =
    "{'error':{'code':'AF429','message':'Too many requests. Method=GetBlob, PublisherId=0000'}}";

/// What a listing does on each error. A blob's own are below.
const LISTING: &[(Answer, Again)] = &[
    (Af(401, "AF10001"), NextPoll),
    (Af(400, "AF20001"), NextPoll),
    (Af(400, "AF20002"), NextPoll),
    (Af(400, "AF20003"), NextPoll),
    (Af(403, "AF20010"), NextPoll),
    (Af(400, "AF20011"), NextPoll),
    (Af(404, "AF20011"), NextPoll),
    (Text(400, AUDIT_OFF), NextPoll),
    (Af(400, "AF20012"), NextPoll),
    (Af(400, "AF20013"), NextPoll),
    (Af(400, "AF20020"), NextPoll),
    (Af(400, "AF20021"), NextPoll),
    (Af(400, "AF20030"), AtOnce),
    (Af(400, "AF20055"), AtOnce),
    (Af(400, "AF20031"), AtOnce),
    (Af(400, "AF20053"), NextPoll),
    (Af(400, "AF20054"), NextPoll),
    (Af(403, "AF429"), AfterPause),
    (Af(429, "AF429"), AfterPause),
    (Text(403, SINGLE_QUOTED), AfterPause),
    (Text(429, "slow down"), AfterPause),
    (Af(500, "AF50000"), Soon),
    (Af(503, "AF50005"), Soon),
    (Af(500, "AF50006"), Soon),
    (Af(400, "AF50099"), Soon),
    (Text(401, DENIED), NewToken),
    (Text(401, ""), NewToken),
    (Text(408, ""), Soon),
    (Text(500, PAGE), Soon),
    (Text(502, PAGE), Soon),
    (Text(503, ""), Soon),
    (Text(504, PAGE), Soon),
    (Text(200, PAGE), Soon),
    (Text(200, ""), Soon),
    (Text(200, "{}"), Soon),
    (Text(200, "[{\"contentUri\":"), Soon),
    (Text(302, ""), NextPoll),
    (Text(403, PAGE), NextPoll),
    (Text(404, PAGE), NextPoll),
    (Answer::None(SendErrorKind::Closed), Soon),
    (Answer::None(SendErrorKind::Timeout), Soon),
    (Answer::None(SendErrorKind::Tls), Soon),
    (Answer::None(SendErrorKind::Connect), Soon),
    (Answer::None(SendErrorKind::Protocol), Soon),
    (Answer::None(SendErrorKind::Proxy), Soon),
    (Answer::None(SendErrorKind::ProxyCredentials), Soon),
];

/// What a blob does: it waits on its own clock, unless its tenant pauses. `AtOnce` and `NewToken` do not occur, but that
/// a token is replaced first.
const BLOB: &[(Answer, Again)] = &[
    (Af(401, "AF10001"), Soon),
    (Af(400, "AF20001"), Soon),
    (Af(403, "AF20010"), Soon),
    (Af(400, "AF20011"), Soon),
    (Af(400, "AF20022"), Soon),
    (Af(400, "AF20023"), Soon),
    (Af(404, "AF20050"), Soon),
    (Af(400, "AF20051"), Soon),
    (Af(400, "AF20052"), Soon),
    (Af(403, "AF429"), AfterPause),
    (Af(429, "AF429"), AfterPause),
    (Text(403, SINGLE_QUOTED), AfterPause),
    (Af(500, "AF50000"), Soon),
    (Text(401, DENIED), AfterPause),
    (Text(404, PAGE), Soon),
    (Text(408, ""), Soon),
    (Text(502, PAGE), Soon),
    (Text(503, ""), Soon),
    (Text(504, PAGE), Soon),
    (Text(200, PAGE), Soon),
    (Text(200, ""), Soon),
    (Text(200, "[{\"Id\":"), Soon),
    (Answer::None(SendErrorKind::Closed), Soon),
    (Answer::None(SendErrorKind::Timeout), Soon),
];

impl Answer {
    fn make(self) -> Result<Response<Body>, SendError> {
        match self {
            Af(status, code) => {
                let body = format!(r#"{{"error":{{"code":"{code}","message":"Some wording."}}}}"#);
                Ok(response(status, &[], body))
            }
            Text(status, text) => Ok(response(status, &[], text)),
            Answer::None(kind) => Err(SendError::new(kind, "manage.office.com")),
        }
    }
}

/// How long the blobs can be had.
const LIFE: TimeDelta = TimeDelta::hours(3);

/// Two tenants with a blob in each feed, and trouble for the exchange feed of one.
fn troubled(operation: Operation, answer: Answer) -> (Rig, Arc<Trouble>) {
    let tenants = vec![tenant(CONTOSO, "contoso.example"), tenant(FABRIKAM, "fabrikam.example")];
    let mut rig = Rig::new(tenants);
    for tenant_id in [CONTOSO, FABRIKAM] {
        for content_type in ContentType::ALL {
            let mut blob = NewBlob::new(start() - TimeDelta::hours(1), NewContent::Generated(5));
            blob.expires = Some(start() + LIFE);
            rig.tenants.add_blob(tenant_id, content_type, blob).unwrap();
        }
    }
    let (trouble, tamper) = Trouble::with(operation, CONTOSO, move |_| answer.make());
    rig.tamper = Some(tamper);
    (rig, trouble)
}

/// How many records of this kind are missing.
fn missing(rig: &Rig, tenant_id: &str, content_type: ContentType) -> usize {
    let filter = Filter {
        tenant_id: Some(tenant_id.to_owned()),
        content_type: Some(content_type),
        ..Filter::default()
    };
    let arrivals = rig.arrivals.lock().unwrap();
    rig.tenants.verify(&filter, arrivals.delivered.iter().map(String::as_str)).missing.len()
}

/// Nothing but contoso's exchange feed is disturbed, and that gets nothing.
fn check_others(rig: &Rig, answer: Answer) {
    assert!(rig.verify_tenant(Some(FABRIKAM)).missing.is_empty(), "{answer:?}");
    for content_type in ContentType::ALL {
        let is_troubled = content_type == ContentType::Exchange;
        let expected = if is_troubled { 5 } else { 0 };
        assert_eq!(missing(rig, CONTOSO, content_type), expected, "{answer:?} {content_type:?}");
    }
}

/// Blobs of contoso's exchange feed that are neither delivered nor lost.
async fn pending(rig: &Rig) -> u64 {
    let tenant_id = CONTOSO.parse().unwrap();
    let feed = rig.ledger.open_feed(tenant_id, office365::ContentType::Exchange).await.unwrap();
    rig.ledger.status(feed.feed).await.unwrap().pending
}

/// The seconds between one attempt and the next.
fn gaps(trouble: &Trouble) -> Vec<f64> {
    let hits = trouble.hits();
    hits.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
}

fn check_gaps(answer: Answer, again: Again, gaps: &[f64]) {
    let about_a_poll = |gap: f64| (280.0..=320.0).contains(&gap);
    let fine = match again {
        Soon => gaps[0] <= 1.5 && gaps[1] <= 2.5 && gaps[6] >= 30.0,
        NextPoll => gaps.iter().all(|gap| about_a_poll(*gap)),
        AtOnce => gaps[..3].iter().all(|gap| *gap < 0.1) && about_a_poll(gaps[3]),
        NewToken => gaps[0] < 0.1 && about_a_poll(gaps[1]),
        AfterPause => {
            gaps.iter().all(|gap| *gap >= 29.9 || *gap < 0.1) && gaps.iter().any(|gap| *gap > 1.0)
        }
    };
    assert!(fine, "{answer:?} {again:?}: {gaps:?}");
}

fn check_listing(answer: Answer, again: Again) -> Scrape {
    let ((), metrics) = simulate(async || {
        let (rig, trouble) = troubled(Operation::ListContent, answer);
        rig.run_for(Duration::from_mins(40)).await.unwrap();
        check_others(&rig, answer);
        check_gaps(answer, again, &gaps(&trouble));
        trouble.end();
        rig.run_for(Duration::from_mins(10)).await.unwrap();
        rig.assert_exact();
    });
    assert!(metrics.sum("component_errors_total", &["listing_failed"]) >= 2, "{answer:?}");
    assert_eq!(metrics.sum("o365_blobs_total", &["lost"]), 0, "{answer:?}");
    metrics
}

#[test]
fn each_error_of_a_listing_stops_that_feed_only_and_only_while_it_lasts() {
    for (answer, again) in LISTING {
        let metrics = check_listing(*answer, *again);
        let throttled = metrics.sum("o365_throttled_total", &["contoso", "Audit.Exchange"]);
        assert_eq!(throttled > 0, *again == AfterPause, "{answer:?}");
        assert_eq!(metrics.sum("o365_throttled_total", &["fabrikam"]), 0, "{answer:?}");
    }
}

#[test]
fn each_error_of_a_blob_leaves_it_pending_and_the_others_go_on() {
    for (answer, again) in BLOB {
        let ((), metrics) = simulate(async || {
            let (rig, trouble) = troubled(Operation::FetchBlob, *answer);
            rig.run_for(Duration::from_mins(40)).await.unwrap();
            check_others(&rig, *answer);
            check_gaps(*answer, *again, &gaps(&trouble));
            trouble.end();
            rig.run_for(Duration::from_hours(1)).await.unwrap();
            rig.assert_exact();
        });
        assert_eq!(metrics.sum("o365_blobs_total", &["lost"]), 0, "{answer:?}");
        assert_eq!(metrics.sum("component_errors_total", &["listing_failed"]), 0, "{answer:?}");
    }
}

#[test]
fn what_stays_until_the_blob_has_expired_loses_it_by_name() {
    for (answer, is_lost) in [
        (Af(404, "AF20050"), true),
        (Af(400, "AF20051"), true),
        (Af(400, "AF20052"), true),
        (Af(500, "AF50000"), true),
        (Text(502, PAGE), true),
        (Af(429, "AF429"), false),
    ] {
        let ((), metrics) = simulate(async || {
            let (rig, _trouble) = troubled(Operation::FetchBlob, answer);
            rig.run_for(Duration::from_hours(2)).await.unwrap();
            assert_eq!(pending(&rig).await, 1, "{answer:?}");
            rig.run_for(Duration::from_hours(3)).await.unwrap();
            check_others(&rig, answer);
            assert_eq!(pending(&rig).await, u64::from(!is_lost), "{answer:?}");
        });
        let lost = metrics.sum("o365_blobs_total", &["contoso", "Audit.Exchange", "lost"]);
        assert_eq!(lost, u64::from(is_lost), "{answer:?}");
        assert_eq!(metrics.sum("component_errors_total", &["blob_lost"]), lost, "{answer:?}");
        assert_eq!(metrics.sum("o365_blobs_total", &["\"lost\""]), lost, "{answer:?}");
    }
}

#[test]
fn an_error_of_the_next_page_lists_the_window_again() {
    for (answer, again) in LISTING {
        // What is wrong with a link is met with a shorter window, at once.
        let (ends, _) = simulate(async || {
            let (rig, trouble) = troubled(Operation::NextPage, *answer);
            rig.tenants.change_settings(|settings| settings.page_size = 2);
            for hours in 2..8 {
                let created = start() - TimeDelta::hours(hours);
                let blob = NewBlob::new(created, NewContent::Generated(5));
                rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap();
            }
            rig.run_for(Duration::from_mins(20)).await.unwrap();
            assert!(rig.verify_tenant(Some(FABRIKAM)).missing.is_empty(), "{answer:?}");
            let is_whole = rig.verify().missing.is_empty();
            trouble.end();
            rig.run_for(Duration::from_mins(10)).await.unwrap();
            rig.assert_exact();
            is_whole
        });
        assert_eq!(ends, *again == AtOnce, "{answer:?}");
    }
}

#[test]
fn a_start_that_is_refused_waits_a_quarter_of_an_hour() {
    for answer in [
        Af(400, "AF20021"),
        Af(429, "AF429"),
        Af(500, "AF50000"),
        Text(429, "Retry after 14m56s."),
        Text(502, PAGE),
        Answer::None(SendErrorKind::Closed),
    ] {
        simulate(async || {
            let (rig, trouble) = troubled(Operation::StartSubscription, answer);
            rig.tenants.disable_subscription(CONTOSO, ContentType::Exchange);
            // The answer is lost after the start was made, so it is taken back each time.
            for _ in 0..5 {
                rig.run_for(Duration::from_mins(10)).await.unwrap();
                rig.tenants.disable_subscription(CONTOSO, ContentType::Exchange);
            }
            assert!(trouble.hits().len() >= 2, "{answer:?}");
            assert!(
                gaps(&trouble).iter().all(|gap| *gap >= 900.0),
                "{answer:?}: {:?}",
                gaps(&trouble)
            );
            assert!(rig.verify_tenant(Some(FABRIKAM)).missing.is_empty(), "{answer:?}");
            trouble.end();
            rig.run_for(Duration::from_mins(40)).await.unwrap();
            rig.assert_exact();
        });
    }
}

#[test]
fn a_start_of_what_is_enabled_is_a_success() {
    let ((), metrics) = simulate(async || {
        let (rig, trouble) = troubled(Operation::StartSubscription, Af(400, "AF20024"));
        rig.tenants.disable_subscription(CONTOSO, ContentType::Exchange);
        rig.run_for(Duration::from_mins(4)).await.unwrap();
        assert_eq!(trouble.hits().len(), 1);
        rig.assert_exact();
    });
    assert_eq!(metrics.sum("component_errors_total", &[]), 0);
}
