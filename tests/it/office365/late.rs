//! Blobs that come into sight long after they were created, or are said to be gone, or to be elsewhere, before they are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chrono::TimeDelta;
use fake_tenant::{ContentType, Fault, FaultTarget, NewBlob, NewContent, Operation};
use pipeline_core::{Clock, Timestamp};

use super::{
    rig::{CONTOSO, Rig, history, simulate, start, tenant},
    tamper::{is_exchange, response},
};

const DAY: Duration = Duration::from_hours(24);

fn rig() -> Rig {
    Rig::new(vec![tenant(CONTOSO, "contoso.example")])
}

/// Adds a blob that was created so many hours before the start, and is listed so many hours after it.
fn add(rig: &Rig, created: i64, listed: i64) -> String {
    let mut blob = NewBlob::new(start() - TimeDelta::hours(created), NewContent::Generated(30));
    blob.available = Some(start() + TimeDelta::hours(listed));
    rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap()
}

#[test]
fn a_blob_that_is_listed_three_days_late_is_delivered_and_none_is_fetched_twice() {
    for interval in [Duration::from_hours(6), Duration::ZERO] {
        simulate(async || {
            let mut rig = rig();
            rig.config.relist_all_interval = interval;
            rig.config.poll_interval = Duration::from_mins(30);
            let early = add(&rig, 3, -3);
            let late = add(&rig, 1, 72);
            rig.run_for(3 * DAY + Duration::from_hours(7)).await.unwrap();
            assert_eq!(rig.tenants.times_served(CONTOSO, &early), 1);
            assert_eq!(rig.tenants.times_served(CONTOSO, &late), u64::from(!interval.is_zero()));
            if !interval.is_zero() {
                rig.assert_exact();
            }
        });
    }
}

#[test]
fn a_listing_of_everything_that_fails_goes_on_where_it_failed() {
    simulate(async || {
        let mut rig = rig();
        let late = add(&rig, 60, 3);
        // From the first hour on, every second day that was listed before is answered with an error: begun anew, a
        // listing of everything never gets past its second day.
        let (clock, asked) = (rig.clock.clone(), AtomicU32::new(0));
        rig.tamper = Some(Arc::new(move |request, answer| {
            let now = Clock::now(&*clock);
            let is_old = is_exchange(request, office365::Operation::ListContent, CONTOSO)
                && now > start() + TimeDelta::hours(1)
                && window_start(request) < now - TimeDelta::hours(20);
            let is_refused = is_old && asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
            Ok(if is_refused { response(503, &[], "") } else { answer })
        }));
        rig.run_for(Duration::from_hours(8)).await.unwrap();
        assert_eq!(rig.tenants.times_served(CONTOSO, &late), 1);
        rig.assert_exact();
    });
}

fn window_start(request: &http::Request<()>) -> Timestamp {
    let mut pairs = request.uri().query().unwrap().split('&');
    let start = pairs.find_map(|pair| pair.strip_prefix("startTime=")).unwrap();
    office365::parse_time(start).unwrap()
}

#[test]
fn the_time_of_the_last_listing_of_everything_outlives_the_process() {
    simulate(async || {
        let rig = rig();
        let mut listings = Vec::new();
        for _ in 0..4 {
            rig.once().await.unwrap();
            listings.push(rig.tenants.stats().requests_of(Operation::ListContent));
            tokio::time::sleep(Duration::from_hours(2)).await;
        }
        add(&rig, 60, -1);
        tokio::time::sleep(Duration::from_hours(4)).await;
        rig.once().await.unwrap();
        rig.assert_exact();
        let feeds = ContentType::ALL.len() as u64;
        let first = listings[0];
        assert_eq!(first, 7 * feeds);
        // Each of these lists what is new, and the hours before.
        assert_eq!(listings[1..3], [first + feeds, first + 2 * feeds]);
        assert!(listings[3] > first + 8 * feeds);
    });
}

#[test]
fn what_was_created_before_a_feed_began_stays_away() {
    simulate(async || {
        let mut rig = rig();
        rig.config.lookback = Duration::from_hours(1);
        rig.config.relist_all_interval = Duration::from_hours(1);
        let before = add(&rig, 30, -29);
        let after = add(&rig, 0, 10);
        rig.run_for(Duration::from_hours(12)).await.unwrap();
        assert_eq!(rig.tenants.times_served(CONTOSO, &before), 0);
        assert_eq!(rig.tenants.times_served(CONTOSO, &after), 1);
    });
}

#[test]
fn a_blob_said_to_be_gone_before_its_expiry_is_asked_for_again() {
    simulate(async || {
        let rig = rig();
        add(&rig, 3, -3);
        let fault = Fault::AfError { status: 404, code: "AF20050".to_owned() };
        rig.tenants.script(FaultTarget::operation(Operation::FetchBlob), fault, 8);
        rig.run_for(Duration::from_hours(3)).await.unwrap();
        rig.assert_exact();
    });
}

#[test]
fn a_blob_listed_at_a_foreign_host_is_fetched_once_it_is_listed_right() {
    simulate(async || {
        let rig = rig();
        add(&rig, 1, -1);
        let fault = Fault::ForeignHost("http://203.0.113.9".to_owned());
        let listing =
            FaultTarget::operation(Operation::ListContent).of_content_type(ContentType::Exchange);
        rig.tenants.script(listing, fault, 7);
        rig.run_for(Duration::from_hours(2)).await.unwrap();
        assert_eq!(rig.tenants.scripted_faults_left(), 0);
        rig.assert_exact();
    });
}

#[test]
fn a_row_that_names_no_blob_fails_a_run_that_ends_by_itself() {
    simulate(async || {
        let spec = tenant(CONTOSO, "contoso.example").with_history(history(1));
        let rig = Rig::new(vec![spec]);
        let body = Bytes::from_static(br#"[{"contentId":"x"}]"#);
        let listing =
            FaultTarget::operation(Operation::ListContent).of_content_type(ContentType::Exchange);
        rig.tenants.script(listing, Fault::Answer { status: 200, body }, 1);
        let error = rig.once().await.unwrap_err().to_string();
        assert!(error.contains("1 blobs were listed unreadably"), "{error}");
        // The next listing of everything finds what that row stood for.
        rig.run_for(Duration::from_hours(7)).await.unwrap();
        rig.assert_exact();
    });
}
