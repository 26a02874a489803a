//! Blobs: what is in them, when they can be had, how faults spoil them.

use std::collections::HashSet;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use http::Request;
use tokio::time::Instant;

use super::client::{Client, OTHER_TENANT, SECRET, TENANT, ids_of, noon};
use crate::{
    BadRecord, ContentType, FakeTenants, Fault, FaultKind, FaultRates, FaultTarget, Filter,
    History, ManualClock, NewBlob, NewContent, Operation, Settings, TenantSpec, ThrottleStatus,
};

fn two_records() -> NewContent {
    NewContent::Records(vec![r#"{"Id":"a"}"#.into(), r#"{"Id":"b"}"#.into()])
}

async fn with_blob(content: NewContent) -> (Client, String) {
    let client = Client::empty().await;
    let blob = NewBlob::new(noon() - TimeDelta::hours(1), content);
    let id = client.fake.add_blob(TENANT, ContentType::Exchange, blob).expect("a tenant");
    (client, format!("audit/{id}"))
}

#[tokio::test]
async fn a_blob_is_served_until_it_expires() {
    let (mut client, url) = with_blob(two_records()).await;
    assert_eq!(client.get(&url).await.text(), r#"[{"Id":"a"},{"Id":"b"}]"#);
    assert_eq!(client.fake.times_served(TENANT, url.trim_start_matches("audit/")), 1);
    let unknown = url.replace("20260701", "20260630");
    assert_eq!(client.get(&unknown).await.error(), "404 AF20050");
    assert_eq!(client.get("audit/anything").await.error(), "400 AF20052");
    assert_eq!(client.get(&url.replace('$', "%24")).await.error(), "400 AF20052");
    client.clock.advance(TimeDelta::days(7));
    client.sign_in().await;
    assert_eq!(client.get(&url).await.error(), "400 AF20051");
}

#[tokio::test]
async fn every_expected_record_can_be_had() {
    let mut client = Client::with_history(Settings::default()).await;
    // Late blobs of the first day are all there two hours after it.
    client.clock.advance(TimeDelta::hours(2));
    client.sign_in().await;
    let filter = Filter { created: noon() - TimeDelta::hours(22)..noon(), ..Filter::default() };
    let mut ids = Vec::new();
    for content_type in ContentType::ALL {
        let rest = format!(
            "subscriptions/content?contentType={}&startTime=2026-06-30T14:00:00&endTime=2026-07-01T12:00:00",
            content_type.name()
        );
        ids.extend(client.fetch_ids(&client.list_all(&rest).await).await);
    }
    let completeness = client.fake.verify(&filter, ids.iter().map(String::as_str));
    assert_eq!(completeness.missing, Vec::<String>::new());
    assert_eq!(completeness.unknown, 0);
    assert_eq!(completeness.expected, ids.iter().collect::<HashSet<_>>().len());
    assert!(completeness.repeated > 0, "duplicates are part of the history");
    assert_eq!(client.fake.records_with_repeats(&filter), ids.len() as u64);
    assert_eq!(client.fake.stats().records_served, ids.len() as u64);
    let some = client.fake.verify(&filter, ids.iter().skip(5).map(String::as_str).chain(["ghost"]));
    assert!(!some.is_complete() && some.missing.len() <= 5 && some.unknown == 1);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let client = Client::with_history(Settings::default()).await;
        let rows = client.list_all("subscriptions/content?contentType=DLP.All").await;
        let mut bodies = Vec::new();
        for row in &rows {
            let answer = client
                .call(http::Method::GET, row["contentUri"].as_str().expect("a link"), "")
                .await;
            bodies.push(answer.text());
        }
        let again = client
            .call(http::Method::GET, rows[0]["contentUri"].as_str().expect("a link"), "")
            .await;
        assert_eq!(
            ids_of(&again.json()),
            ids_of(&serde_json::from_str(&bodies[0]).expect("records"))
        );
        seen.push((rows, bodies));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn content_appears_as_the_clock_moves() {
    let mut client = Client::with_history(Settings::default()).await;
    let before = client.list_all("subscriptions/content?contentType=Audit.General").await;
    client.clock.advance(TimeDelta::hours(24));
    client.sign_in().await;
    let after = client.list_all("subscriptions/content?contentType=Audit.General").await;
    assert!(after.len() > 20 && after[0] != before[0]);
}

#[tokio::test]
async fn a_generated_blob_may_be_of_any_size() {
    let (client, url) = with_blob(NewContent::Generated(5000)).await;
    let answer = client.get(&url).await;
    assert_eq!(ids_of(&answer.json()).len(), 5000);
    assert!(answer.text().len() > 4_000_000);
    let ids = ids_of(&answer.json());
    assert!(client.fake.verify(&Filter::default(), ids.iter().map(String::as_str)).is_exact());
}

#[tokio::test]
async fn bodies_are_compressed_for_those_who_accept_it() {
    let (client, url) = with_blob(NewContent::Generated(500)).await;
    client.fake.change_settings(|settings| settings.gzip = true);
    let plain = client.get(&url).await;
    assert!(!plain.headers.contains_key("content-encoding"));
    let uri = super::client::feed(&format!("{url}?PublisherIdentifier={TENANT}"));
    let request = Request::get(uri).header("authorization", format!("Bearer {}", client.token));
    let request = request.header("accept-encoding", "br, gzip").body(Bytes::new());
    let packed = client.send(request.expect("a request")).await;
    assert_eq!(packed.headers["content-encoding"], "gzip");
    let packed = packed.body.expect("a body");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.body.expect("a body"));
}

#[tokio::test]
async fn a_fault_spoils_one_answer() {
    let (client, url) = with_blob(two_records()).await;
    let sound = r#"[{"Id":"a"},{"Id":"b"}]"#;
    let body = |fault: Fault| {
        client.fake.script(FaultTarget::operation(Operation::FetchBlob), fault, 1);
        client.get(&url)
    };
    let answer = body(Fault::Answer { status: 502, body: "<html>".into() }).await;
    assert_eq!((answer.status, answer.text().as_str()), (502, "<html>"));
    assert_eq!(
        body(Fault::AfError { status: 500, code: "AF50000".into() }).await.error(),
        "500 AF50000"
    );
    assert_eq!(body(Fault::Throttle).await.error(), "403 AF429");
    let throttle = Fault::ThrottleAs {
        status: ThrottleStatus::TooManyRequests,
        retry_after: Some(Duration::from_secs(7)),
    };
    let answer = body(throttle).await;
    assert_eq!(
        (answer.error().as_str(), &answer.headers["retry-after"]),
        ("429 AF429", &"7".parse().expect("a value"))
    );
    assert!(body(Fault::ResetAfter(5)).await.body.is_err());
    assert!(body(Fault::ResetAfter(5000)).await.body.is_err());
    assert_eq!(body(Fault::TruncateAfter(5)).await.text(), r#"[{"Id"#);
    assert!(body(Fault::NotJson).await.text().starts_with("<html>"));
    assert_eq!(body(Fault::NonObjects).await.json()[1], "two");
    let answer = body(Fault::LyingContentLength(3)).await;
    assert_eq!(
        (&answer.headers["content-length"], answer.text().as_str()),
        (&"26".parse().expect("a value"), sound)
    );
    for (bad, length) in
        [(BadRecord::NoId, 3), (BadRecord::NoCreationTime, 3), (BadRecord::NotAnObject, 3)]
    {
        assert_eq!(
            body(Fault::BadRecord(bad)).await.json().as_array().expect("records").len(),
            length
        );
    }
    assert!(
        std::str::from_utf8(
            &body(Fault::BadRecord(BadRecord::InvalidUtf8)).await.body.expect("a body")
        )
        .is_err()
    );
    let huge = body(Fault::BadRecord(BadRecord::Huge(1_000_000))).await;
    assert_eq!(huge.json()[0].to_string().len(), 1_000_000);
    let served = client.fake.stats().blobs_served;
    assert_eq!(client.get(&url).await.text(), sound);
    assert_eq!(client.fake.stats().blobs_served, served + 1);
    assert_eq!(client.fake.scripted_faults_left(), 0);
}

#[tokio::test]
async fn a_fault_meets_its_target_only() {
    let client = Client::empty().await;
    let target = FaultTarget::operation(Operation::ListContent)
        .of_tenant(TENANT)
        .of_content_type(ContentType::General);
    client.fake.script(target, Fault::Throttle, 2);
    let list = async |name: &str| {
        client.get(&format!("subscriptions/content?contentType={name}")).await.status
    };
    assert_eq!(list("Audit.Exchange").await, 200);
    assert_eq!(
        (list("audit.general").await, list("Audit.General").await, list("Audit.General").await),
        (403, 403, 200)
    );
}

#[tokio::test(start_paused = true)]
async fn slow_answers_take_their_time() {
    let (client, url) = with_blob(two_records()).await;
    let timed = async |fault: Fault| {
        client.fake.script(FaultTarget::default(), fault, 1);
        let start = Instant::now();
        assert_eq!(client.get(&url).await.json().as_array().map(Vec::len), Some(2));
        start.elapsed().as_secs()
    };
    assert_eq!(timed(Fault::Hang(Duration::from_secs(90))).await, 90);
    let slow = Fault::Slow { chunk_bytes: 1, delay: Duration::from_secs(1) };
    assert_eq!(timed(slow).await, r#"[{"Id":"a"},{"Id":"b"}]"#.len() as u64);
    client.fake.change_settings(|settings| settings.latency = Duration::from_secs(2));
    assert_eq!(timed(Fault::Hang(Duration::from_secs(1))).await, 3);
}

#[tokio::test]
async fn chance_is_the_same_for_the_same_seed() {
    let outcomes = async || {
        let fault_rates = FaultRates {
            error_5xx: 0.2,
            throttle: 0.1,
            reset: 0.1,
            unauthorized: 0.1,
            ..FaultRates::default()
        };
        let settings = Settings { seed: 5, fault_rates, ..Settings::default() };
        let client = Client::with_history(settings).await;
        let mut outcomes = Vec::new();
        for _ in 0..100 {
            let answer = client.get("subscriptions/content?contentType=Audit.Exchange").await;
            outcomes.push((answer.status, answer.body.is_ok()));
        }
        outcomes
    };
    let first = outcomes().await;
    assert_eq!(first, outcomes().await);
    let failed = first.iter().filter(|outcome| **outcome != (200, true)).count();
    assert!((30..70).contains(&failed), "{failed} of 100 failed");
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_fault_comes_by_chance() {
    let client = Client::with_history(Settings { page_size: 2, ..Settings::default() }).await;
    let list = "subscriptions/content?contentType=Audit.Exchange";
    let rows = client.list_all(list).await;
    for kind in FaultKind::ALL.into_iter().filter(|kind| *kind != FaultKind::Scripted) {
        let before = client.fake.stats();
        let mut rates = FaultRates::all(0.0);
        rates.set(kind, 1.0);
        client.fake.set_fault_rates(rates);
        client.get(list).await;
        client.call(http::Method::GET, rows[0]["contentUri"].as_str().expect("a link"), "").await;
        client.token_v2(TENANT, SECRET).await;
        let after = client.fake.stats();
        for other in FaultKind::ALL {
            let has_met = after.faults_of(other) > before.faults_of(other);
            assert_eq!(has_met, other == kind, "{other:?} where there is {kind:?} alone");
        }
    }
    client.fake.set_fault_rates(FaultRates::all(0.0));
    let before = client.fake.stats().faults;
    assert_eq!(client.list_all(list).await, rows);
    assert_eq!(before, client.fake.stats().faults);
}

#[tokio::test]
async fn no_two_tenants_or_feeds_share_a_record() {
    let history = History::new(1, noon() - TimeDelta::hours(3), noon());
    let tenants = [TENANT, OTHER_TENANT].map(|id| {
        TenantSpec::new(id, "contoso.example", "app", "secret")
            .subscribed_to_all()
            .with_history(history.clone())
    });
    let clock = Arc::new(ManualClock::new(noon()));
    let fake = FakeTenants::new(clock, Settings::default(), tenants.to_vec());
    for tenant in [TENANT, OTHER_TENANT] {
        for content_type in ContentType::ALL {
            let blob = NewBlob::new(noon() - TimeDelta::hours(1), NewContent::Generated(10));
            fake.add_blob(tenant, content_type, blob).expect("a tenant");
        }
    }
    let ids: Vec<String> = fake.expected_ids(&Filter::default()).collect();
    assert_eq!(ids.len() as u64, fake.records_with_repeats(&Filter::default()));
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
}

#[tokio::test]
async fn a_history_may_start_at_any_nanosecond() {
    let start = noon() - TimeDelta::hours(3) + TimeDelta::nanoseconds(123_456_789);
    let history = History { records_per_blob: 1..=2, ..History::new(1, start, noon()) };
    let tenant = super::client::tenant().subscribed_to_all().with_history(history);
    let client = Client::with(Settings::default(), tenant).await;
    let rows = client.list_all("subscriptions/content?contentType=Audit.Exchange").await;
    assert!(client.fetch_ids(&rows).await.len() > 10);
}
