//! Listings of many pages, links that lead nowhere, and links that grow too old.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use fake_tenant::{ContentType, HeaderCase, NewBlob, NewContent, NextPageHeader};
use http::HeaderValue;
use office365::Operation;

use super::{
    rig::{CONTOSO, Rig, simulate, start, tenant},
    tamper::{Tamper, is_exchange, response},
};

/// A tenant with so many blobs a day in one feed, for three days.
fn busy(blobs_a_day: i64) -> Rig {
    let rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
    for index in 0..blobs_a_day * 3 {
        let created = start() - TimeDelta::days(3)
            + TimeDelta::days(1) * i32::try_from(index).unwrap()
                / i32::try_from(blobs_a_day).unwrap();
        let blob = NewBlob::new(created, NewContent::Generated(1));
        rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap();
    }
    rig
}

/// Notes the windows that are asked for, in minutes.
fn noting() -> (Arc<Mutex<Vec<i64>>>, Arc<Tamper>) {
    let windows: Arc<Mutex<Vec<i64>>> = Arc::default();
    let noted = Arc::clone(&windows);
    let tamper: Arc<Tamper> = Arc::new(move |request, response| {
        if is_exchange(request, Operation::ListContent, CONTOSO) {
            let query = request.uri().query().unwrap();
            let time = |name: &str| {
                let value = query.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap();
                office365::parse_time(value).unwrap()
            };
            let length = time("endTime=") - time("startTime=");
            noted.lock().unwrap().push(length.num_minutes());
        }
        Ok(response)
    });
    (windows, tamper)
}

#[test]
fn windows_of_many_pages_are_split_and_shorter_ones_follow_until_pages_are_few() {
    simulate(async || {
        let mut rig = busy(600);
        rig.tenants.change_settings(|settings| settings.page_size = 1);
        let (windows, tamper) = noting();
        rig.tamper = Some(tamper);
        rig.config.max_requests_per_minute = 100_000.try_into().unwrap();
        rig.tenants.change_settings(|settings| settings.requests_per_minute = 100_000);
        rig.run_for(Duration::from_mins(4)).await.unwrap();
        rig.assert_exact();
        let windows = windows.lock().unwrap().clone();
        // 24 h have 600 pages, 12 h 300: both are given up; 6 h have 150.
        let shrinking = [1440, 720, 360, 180, 90];
        assert!(windows.windows(5).any(|five| five == shrinking), "{windows:?}");
        assert!(windows[..4].iter().all(|length| *length == 1440), "{windows:?}");
        assert!(windows[8..].iter().all(|length| *length <= 180), "{windows:?}");
    });
}

#[test]
fn a_quiet_feed_is_listed_in_days() {
    simulate(async || {
        let mut rig = busy(20);
        let (windows, tamper) = noting();
        rig.tamper = Some(tamper);
        rig.once().await.unwrap();
        rig.assert_exact();
        let windows = windows.lock().unwrap().clone();
        assert_eq!(windows[..6], [1440; 6]);
        assert_eq!(windows.len(), 7);
    });
}

#[test]
fn the_next_page_is_found_under_either_name_in_any_case() {
    for header in [NextPageHeader::NextPageUri, NextPageHeader::NextPageUrl] {
        for case in [HeaderCase::Lower, HeaderCase::Title] {
            simulate(async || {
                let rig = busy(20);
                rig.tenants.change_settings(|settings| {
                    settings.page_size = 3;
                    settings.next_page_header = header;
                    settings.header_case = case;
                });
                rig.once().await.unwrap();
                rig.assert_exact();
            });
        }
    }
}

#[test]
fn a_link_that_comes_again_is_not_followed_a_second_time() {
    for links in [1, 2, 7] {
        let (pages, metrics) = simulate(async || {
            let mut rig = busy(20);
            let asked = Arc::new(AtomicUsize::new(0));
            let seen: Arc<Mutex<HashSet<String>>> = Arc::default();
            let (count, requests) = (Arc::clone(&asked), Arc::clone(&seen));
            rig.tamper = Some(Arc::new(move |request, mut response| {
                let is_next = is_exchange(request, Operation::NextPage, CONTOSO);
                if is_next || is_exchange(request, Operation::ListContent, CONTOSO) {
                    let step = usize::from(is_next);
                    let number = (count.fetch_add(step, Ordering::SeqCst) + step) % links;
                    let link = format!(
                        "https://manage.office.com/api/v1/{CONTOSO}/activity/feed/subscriptions/content?contenttype=Audit.Exchange&nextpage={number}"
                    );
                    response
                        .headers_mut()
                        .insert("nextpageuri", HeaderValue::try_from(link).unwrap());
                    if is_next {
                        requests.lock().unwrap().insert(request.uri().to_string());
                        let link = response.headers()["nextpageuri"].clone();
                        response = self::response(200, &[], "[]");
                        response.headers_mut().insert("nextpageuri", link);
                    }
                }
                Ok(response)
            }));
            rig.run_for(Duration::from_secs(30)).await.unwrap();
            assert!(asked.load(Ordering::SeqCst) <= 6 * links, "{asked:?}");
            seen.lock().unwrap().len()
        });
        assert_eq!(pages, links);
        assert!(metrics.sum("component_errors_total", &["listing_failed"]) >= 2);
        let until = metrics.sum("o365_listed_until_timestamp_seconds", &["Audit.Exchange"]);
        let began = u64::try_from(start().timestamp() - 7 * 86_400).unwrap();
        assert!(until <= began + 3600, "it stays where the feed began: {until}, {began}");
    }
}

#[test]
fn links_that_grow_too_old_while_a_window_is_listed_are_not_followed_for_ever() {
    simulate(async || {
        // The oldest day of the seven takes longer to list than the API accepts its start.
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        for index in 0..120 {
            let created = start() - TimeDelta::days(7) + TimeDelta::minutes(10 + 11 * index);
            let mut blob = NewBlob::new(created, NewContent::Generated(1));
            blob.expires = Some(start() + TimeDelta::days(9));
            rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap();
        }
        rig.tenants.change_settings(|settings| {
            settings.page_size = 2;
            settings.latency = Duration::from_secs(20);
        });
        let (windows, tamper) = noting();
        rig.tamper = Some(tamper);
        rig.run_for(Duration::from_hours(2)).await.unwrap();
        let missing = rig.verify().missing.len();
        assert!(missing <= 3, "{missing} {:?}", windows.lock().unwrap());
        assert!(windows.lock().unwrap().contains(&720));
    });
}
