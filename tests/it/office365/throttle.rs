//! A tenant that the API throttles slows down as a whole, and alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use fake_tenant::{ContentType, NewBlob, NewContent, Settings, ThrottleStatus};
use office365::Operation;

use super::{
    rig::{CONTOSO, FABRIKAM, Rig, simulate, start, tenant},
    tamper::{Trouble, response},
};

fn rig(settings: Settings) -> Rig {
    let tenants = vec![tenant(CONTOSO, "contoso.example"), tenant(FABRIKAM, "fabrikam.example")];
    let rig = Rig::with_settings(tenants, settings);
    for tenant_id in [CONTOSO, FABRIKAM] {
        for minutes in 0..100 {
            let created = start() - TimeDelta::minutes(minutes + 10);
            let blob = NewBlob::new(created, NewContent::Generated(2));
            rig.tenants.add_blob(tenant_id, ContentType::Exchange, blob).unwrap();
        }
    }
    rig
}

/// Nothing is asked of the API for contoso while the wait that it asked for lasts, whatever the form of the answer.
fn check_wait(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    wait: u64,
) {
    simulate(async || {
        let mut rig = rig(Settings::default());
        let (trouble, tamper) = Trouble::with(Operation::FetchBlob, CONTOSO, move |_| {
            Ok(response(status, headers, body))
        });
        rig.tamper = Some(tamper);
        rig.config.fetch_concurrency = std::num::NonZeroU16::MIN;
        let began = tokio::time::Instant::now();
        rig.run_for(Duration::from_secs(wait * 2 + wait / 2)).await.unwrap();
        let hits = trouble.hits();
        assert_eq!(
            hits.len(),
            3,
            "{headers:?} {:?}",
            hits.iter().map(|hit| *hit - began).collect::<Vec<_>>()
        );
        let wait = Duration::from_secs(wait);
        assert!(hits.windows(2).all(|pair| pair[1] - pair[0] >= wait), "{headers:?}");
        assert!(rig.verify_tenant(Some(FABRIKAM)).missing.is_empty(), "{headers:?}");
        trouble.end();
        rig.run_for(Duration::from_mins(10) + wait).await.unwrap();
        rig.assert_exact();
    });
}

#[test]
fn the_wait_that_the_api_asks_for_is_kept_in_either_form_and_status() {
    const DATE: (&str, &str) = ("date", "Thu, 01 Jan 2026 00:00:00 GMT");
    let af = r#"{"error":{"code":"AF429","message":"Too many requests. Method=GetBlob"}}"#;
    check_wait(403, &[("retry-after", "200")], af, 200);
    check_wait(429, &[("retry-after", "200")], af, 200);
    check_wait(429, &[("retry-after", "200")], "", 200);
    check_wait(403, &[], af, 30);
    check_wait(429, &[DATE, ("retry-after", "Thu, 01 Jan 2026 00:05:00 GMT")], af, 300);
}

#[test]
fn one_budget_is_for_all_calls_of_a_tenant_and_the_api_never_throttles() {
    for status in [ThrottleStatus::Forbidden, ThrottleStatus::TooManyRequests] {
        let ((), metrics) = simulate(async || {
            let settings = Settings {
                requests_per_minute: 30,
                throttle_status: status,
                ..Settings::default()
            };
            let mut rig = rig(settings);
            rig.config.max_requests_per_minute = 30.try_into().unwrap();
            rig.run_for(Duration::from_mins(8)).await.unwrap();
            rig.assert_exact();
        });
        assert_eq!(metrics.sum("o365_throttled_total", &[]), 0);
        // Each tenant's own budget.
        for tenant in ["contoso", "fabrikam"] {
            let requests = metrics.sum("o365_api_requests_total", &[tenant]);
            assert!((130..=250).contains(&requests), "{tenant}: {requests}");
        }
    }
}

#[test]
fn a_budget_that_is_too_large_slows_down_and_loses_nothing() {
    for (status, retry_after) in [
        (ThrottleStatus::Forbidden, None),
        (ThrottleStatus::TooManyRequests, Some(Duration::from_secs(20))),
    ] {
        let ((), metrics) = simulate(async || {
            let settings = Settings {
                requests_per_minute: 30,
                throttle_status: status,
                retry_after,
                ..Settings::default()
            };
            let rig = rig(settings);
            rig.run_for(Duration::from_mins(30)).await.unwrap();
            rig.assert_exact();
        });
        assert!(metrics.sum("o365_throttled_total", &[]) > 0);
        assert_eq!(metrics.sum("component_errors_total", &["blob_failed"]), 0);
    }
}

#[test]
fn a_window_is_planned_when_the_pause_is_over() {
    simulate(async || {
        let mut rig = rig(Settings { latency: Duration::from_secs(1), ..Settings::default() });
        // All feeds of the tenant begin together, and one is told to wait: what the others would ask for at once starts
        // too far back when the wait is over.
        let was_throttled = AtomicBool::new(false);
        rig.tamper = Some(Arc::new(move |request, answer| {
            let is_first = request.extensions().get() == Some(&Operation::ListSubscriptions)
                && !was_throttled.swap(true, Ordering::SeqCst);
            Ok(if is_first { response(429, &[("retry-after", "900")], "") } else { answer })
        }));
        rig.run_for(Duration::from_hours(1)).await.unwrap();
        let stats = rig.tenants.stats();
        assert_eq!(stats.refusals, [], "windows are asked for that the API lists no more");
        rig.assert_exact();
    });
}
