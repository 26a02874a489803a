//! Content listings: windows, pages, links.

use std::collections::HashSet;

use chrono::{TimeDelta, Utc};
use http::Method;

use super::client::{Client, TENANT, feed, noon};
use crate::{
    ContentType, Fault, FaultTarget, NewBlob, NewContent, NextPageHeader, Operation, RowOrder,
    Settings,
};

fn raw(at: chrono::DateTime<Utc>) -> NewBlob {
    NewBlob::new(at, NewContent::Raw("[]".into()))
}

#[tokio::test]
async fn windows_are_checked() {
    let client = Client::empty().await;
    for (window, expected) in [
        ("", "200"),
        ("&startTime=2026-07-01&endTime=2026-07-01T06:30", "200"),
        ("&startTime=2026-06-30T12:00:00Z&endTime=2026-07-01T12:00:00", "200"),
        ("&STARTTIME=2026-06-24T12:00:00&endtime=2026-06-25T12:00", "200"),
        ("&startTime=2026-07-02&endTime=2026-07-02T12:00", "200"),
        ("&startTime=2026-07-01", "400 AF20030"),
        ("&endTime=2026-07-01", "400 AF20030"),
        ("&startTime=2026-07-01T06:00&endTime=2026-07-01T05:00", "400 AF20030"),
        ("&startTime=2026-06-30T12:00:00&endTime=2026-07-01T12:00:01", "400 AF20030"),
        ("&startTime=2026-06-24T11:59:59&endTime=2026-06-25T00:00", "400 AF20055"),
        ("&startTime=yesterday&endTime=2026-07-01", "400 AF20002"),
        ("&startTime=2026-07-01T06:00:00.5&endTime=2026-07-01T07:00", "400 AF20002"),
        ("&startTime=2026-07-01T06:00:00%2B02:00&endTime=2026-07-01T07:00", "400 AF20002"),
        ("&nextPage=00000000000000", "400 AF20031"),
    ] {
        let answer =
            client.get(&format!("subscriptions/content?contentType=Audit.General{window}")).await;
        let got = if answer.status == 200 { "200".to_owned() } else { answer.error() };
        assert_eq!(got, expected, "{window}");
    }
}

#[tokio::test]
async fn the_start_is_in_the_window_and_the_end_is_not() {
    let client = Client::empty().await;
    for hour in [9, 10, 11] {
        client.fake.add_blob(
            TENANT,
            ContentType::Exchange,
            raw(noon() - TimeDelta::hours(12 - hour)),
        );
    }
    let rest = "subscriptions/content?contentType=Audit.Exchange&startTime=2026-07-01T10:00&endTime=2026-07-01T11:00";
    let rows = client.list_all(rest).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["contentCreated"], "2026-07-01T10:00:00.000Z");
    assert_eq!(rows[0]["contentExpiration"], "2026-07-08T10:00:00.000Z");
    assert_eq!(rows[0]["contentType"], "Audit.Exchange");
    assert!(
        rows[0]["contentId"]
            .as_str()
            .expect("an id")
            .contains("$audit_exchange$Audit_Exchange$emea")
    );
}

#[tokio::test]
async fn pages_hold_every_blob_once() {
    for row_order in [RowOrder::Created, RowOrder::Shuffled] {
        let settings = Settings { page_size: 7, row_order, ..Settings::default() };
        let client = Client::with_history(settings).await;
        let rows = client.list_all("subscriptions/content?contentType=Audit.Exchange").await;
        let ids: HashSet<&str> =
            rows.iter().map(|row| row["contentId"].as_str().expect("an id")).collect();
        assert_eq!(ids.len(), rows.len());
        client.fake.change_settings(|settings| settings.page_size = 10_000);
        let at_once = client.list_all("subscriptions/content?contentType=Audit.Exchange").await;
        assert_eq!(at_once.len(), rows.len());
        assert!(rows.len() > 50, "{} rows", rows.len());
    }
}

#[tokio::test]
async fn a_page_link_is_bound_to_its_listing_and_grows_old() {
    let settings = Settings { page_size: 2, ..Settings::default() };
    let mut client = Client::with_history(settings).await;
    let answer = client.get("subscriptions/content?contentType=Audit.Exchange").await;
    let next = answer.headers["nextpageuri"].to_str().expect("a link").to_owned();
    assert!(next.starts_with(&format!("https://manage.office.com/api/v1/{TENANT}/")), "{next}");
    assert_eq!(client.call(Method::GET, &next, "").await.status, 200);
    let elsewhere = next.replace("Exchange", "General");
    assert_eq!(client.call(Method::GET, &elsewhere, "").await.error(), "400 AF20031");
    client.clock.advance(TimeDelta::days(7));
    client.sign_in().await;
    assert_eq!(client.call(Method::GET, &next, "").await.error(), "400 AF20055");
}

#[tokio::test]
async fn the_header_can_have_its_other_name() {
    let settings = Settings {
        page_size: 1,
        next_page_header: NextPageHeader::NextPageUrl,
        ..Settings::default()
    };
    let client = Client::with_history(settings).await;
    let answer = client.get("subscriptions/content?contentType=Audit.Exchange").await;
    assert!(
        answer.headers.contains_key("nextpageurl") && !answer.headers.contains_key("nextpageuri")
    );
}

#[tokio::test]
async fn a_late_blob_is_listed_when_it_is_available() {
    let client = Client::empty().await;
    let available = Some(noon() + TimeDelta::hours(2));
    let late = NewBlob { available, ..raw(noon() - TimeDelta::hours(1)) };
    let id = client.fake.add_blob(TENANT, ContentType::General, late).expect("a tenant");
    let rest = "subscriptions/content?contentType=Audit.General&startTime=2026-07-01T10:00&endTime=2026-07-01T12:00";
    assert_eq!(client.list_all(rest).await.len(), 0);
    assert_eq!(client.get(&format!("audit/{id}")).await.error(), "404 AF20050");
    client.clock.advance(TimeDelta::hours(2));
    let mut client = client;
    client.sign_in().await;
    assert_eq!(client.list_all(rest).await.len(), 1);
}

#[tokio::test]
async fn links_can_lead_astray() {
    let settings = Settings { page_size: 1, ..Settings::default() };
    let client = Client::with_history(settings).await;
    let fault = Fault::ForeignHost("http://203.0.113.9".to_owned());
    client.fake.script(FaultTarget::operation(Operation::ListContent), fault, 1);
    let answer = client.get("subscriptions/content?contentType=Audit.General").await;
    assert!(
        answer.json()[0]["contentUri"]
            .as_str()
            .expect("a link")
            .starts_with("http://203.0.113.9/api/")
    );
    assert!(
        answer.headers["nextpageuri"].to_str().expect("a link").starts_with("http://203.0.113.9/")
    );
}

#[tokio::test]
async fn a_page_can_lie_once() {
    let settings = Settings { page_size: 10, ..Settings::default() };
    let client = Client::with_history(settings).await;
    let list = "subscriptions/content?contentType=Audit.General";
    let ask = async |url: &str| {
        let answer = client.call(Method::GET, url, "").await;
        let rows = answer.json().as_array().expect("rows").clone();
        let next = answer.headers.get("nextpageuri").map(|link| link.to_str().expect("a link"));
        (rows, next.map(ToOwned::to_owned))
    };
    let lie = |fault: Fault| {
        client.fake.script(FaultTarget::operation(Operation::ListContent), fault, 1);
    };
    let first = feed(list);
    let sound = ask(&first).await;
    assert_eq!((sound.0.len(), sound.1.is_some()), (10, true));

    lie(Fault::MissingRows(1));
    let (rows, next) = ask(&first).await;
    assert!(rows.len() < 10 && rows.iter().all(|row| sound.0.contains(row)), "{rows:?}");
    assert_eq!(next, sound.1, "the next page begins where it did");

    lie(Fault::RepeatedRows);
    let (rows, next) = ask(&first).await;
    assert_eq!((rows.len(), &rows[10..]), (15, &sound.0[..5]));
    assert_eq!(next, sound.1);

    lie(Fault::NoNextPage);
    assert_eq!(ask(&first).await, (sound.0.clone(), None));

    let second = sound.1.clone().expect("a link");
    lie(Fault::NextPageLoop);
    assert_eq!(ask(&second).await.1.as_deref(), Some(&*second));
    assert_ne!(ask(&second).await.1.as_deref(), Some(&*second));
    assert_eq!(ask(&first).await, sound);
}
