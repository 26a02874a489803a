//! Every record arrives, once, whatever the API does.

use std::time::Duration;

use chrono::TimeDelta;
use fake_tenant::{ContentType, FaultRates, Filter, NewBlob, NewContent, RowOrder, Settings};

use super::rig::{CONTOSO, FABRIKAM, Rig, history, simulate, start, tenant};

fn small_pages(seed: u64) -> Settings {
    Settings {
        seed,
        page_size: 7,
        row_order: RowOrder::Shuffled,
        gzip: seed % 2 == 1,
        ..Settings::default()
    }
}

#[test]
fn a_run_that_ends_delivers_each_record_once_and_counts_it() {
    for seed in 0..4 {
        let ((with_repeats, distinct), metrics) = simulate(async || {
            let specs = vec![
                tenant(CONTOSO, "contoso.example").with_history(history(seed)),
                tenant(FABRIKAM, "fabrikam.example").with_history(history(seed + 100)),
            ];
            let rig = Rig::with_settings(specs, small_pages(seed));
            rig.once().await.unwrap();
            rig.assert_exact();
            let ids = rig.tenants.expected_ids(&Filter::default());
            (rig.tenants.records_with_repeats(&Filter::default()), ids.count())
        });
        let sum = |name: &str| metrics.sum(name, &[]);
        let (records, copies) = (with_repeats, with_repeats - distinct as u64);
        assert!(copies > 10);
        assert_eq!(sum("o365_records_total"), records);
        assert_eq!(sum("o365_duplicate_records_total"), copies);
        assert_eq!(sum("component_sent_events_total"), records - copies);
        let blobs = |state: &str| metrics.sum("o365_blobs_total", &[state]);
        assert!(blobs("listed") > 50);
        for state in ["fetched", "delivered"] {
            assert_eq!(blobs(&format!("state=\"{state}\"")), blobs("state=\"listed\""));
        }
        assert_eq!(blobs("lost"), 0);
        assert_eq!(sum("o365_blobs_pending"), 0);
        assert_eq!(sum("o365_subscription_enabled"), 10);
        let listed_until =
            metrics.sum("o365_listed_until_timestamp_seconds", &["contoso", "Exchange"]);
        assert!(listed_until > 1_799_999_000);
        assert!(
            metrics.sum("o365_api_requests_total", &["fetch_blob", "200"]) >= blobs("delivered")
        );
    }
}

#[test]
fn a_run_through_faults_and_late_listings_delivers_each_record_once() {
    for seed in 0..6 {
        simulate(async || {
            let mut week = history(seed);
            // Content appears while the source runs.
            week.start = start() - TimeDelta::days(2);
            week.end = start() + TimeDelta::hours(20);
            let settings = Settings {
                fault_rates: FaultRates {
                    error_5xx: 0.05,
                    throttle: 0.01,
                    unauthorized: 0.02,
                    reset: 0.05,
                    truncate: 0.05,
                    not_json: 0.03,
                    token_error: 0.1,
                    hang: 0.01,
                    hang_for: Duration::from_secs(100),
                    ..FaultRates::default()
                },
                ..small_pages(seed)
            };
            let spec = tenant(CONTOSO, "contoso.example").with_history(week);
            let mut rig = Rig::with_settings(vec![spec], settings);
            rig.config.relist_overlap = Duration::from_hours(3);
            rig.run_for(Duration::from_hours(30)).await.unwrap();
            rig.assert_exact();
        });
    }
}

#[test]
fn a_blob_waits_while_a_sink_does_not_deliver_and_is_then_completed() {
    for seed in 0..4 {
        simulate(async || {
            let spec = tenant(CONTOSO, "contoso.example").with_history(history(seed));
            let mut rig = Rig::with_settings(vec![spec], small_pages(seed));
            // A third of the records fails twice.
            rig.judge = std::sync::Arc::new(|id, before| {
                let fails = id.as_bytes()[0] % 3 == 0 && before < 2;
                if fails {
                    pipeline_core::Outcome::Errored
                } else {
                    pipeline_core::Outcome::Delivered
                }
            });
            rig.once().await.unwrap();
            rig.assert_exact();
            // What was delivered was not sent again for its neighbours' sake.
            let arrivals = rig.arrivals.lock().unwrap();
            assert!(arrivals.ids.len() <= arrivals.delivered.len() * 2);
        });
    }
}

#[test]
fn a_sink_that_never_delivers_leaves_blobs_pending_and_the_run_says_so() {
    let ((), metrics) = simulate(async || {
        let spec = tenant(CONTOSO, "contoso.example").with_history(history(1));
        let mut rig = Rig::new(vec![spec]);
        rig.judge = std::sync::Arc::new(|_, _| pipeline_core::Outcome::Errored);
        let error = rig.once().await.unwrap_err().to_string();
        assert!(error.contains("blobs are pending"), "{error}");
        // Another run finds them all.
        rig.judge = std::sync::Arc::new(|_, _| pipeline_core::Outcome::Delivered);
        rig.once().await.unwrap();
        rig.assert_exact();
    });
    assert_eq!(metrics.sum("o365_blobs_pending", &[]), 0);
}

#[test]
fn memory_is_bounded_by_bytes_however_large_a_blob_is() {
    simulate(async || {
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        // The sink keeps the events as they are, of which a quarter of the bytes may be on their way.
        rig.config.max_in_flight_bytes = 2_400_000;
        let blob = NewBlob::new(start() - TimeDelta::hours(3), NewContent::Generated(20_000));
        rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap();
        rig.once().await.unwrap();
        rig.assert_exact();
        let held = rig.arrivals.lock().unwrap().bytes_held_max;
        assert!((200_000..=600_000).contains(&held), "{held}");
    });
}

#[test]
fn a_blob_that_cannot_be_fetched_until_it_expires_is_lost_and_counted() {
    use fake_tenant::{Fault, FaultTarget, Operation};
    let ((), metrics) = simulate(async || {
        let rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        let mut blob = NewBlob::new(start() - TimeDelta::hours(3), NewContent::Generated(5));
        blob.expires = Some(start() + TimeDelta::hours(1));
        rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap();
        let fault = Fault::AfError { status: 500, code: "AF50000".to_owned() };
        rig.tenants.script(FaultTarget::operation(Operation::FetchBlob), fault, 1_000_000);
        rig.run_for(Duration::from_hours(3)).await.unwrap();
        assert_eq!(rig.arrivals.lock().unwrap().ids.len(), 0);
    });
    assert_eq!(metrics.sum("o365_blobs_total", &["lost"]), 1);
    assert_eq!(metrics.sum("o365_blobs_pending", &[]), 0);
}

#[test]
fn a_run_that_ends_by_itself_says_what_it_has_lost() {
    let ((), metrics) = simulate(async || {
        let rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        let mut blob = NewBlob::new(start() - TimeDelta::hours(3), NewContent::Generated(5));
        blob.expires = Some(start() - TimeDelta::hours(1));
        rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap();
        let error = rig.once().await.unwrap_err().to_string();
        assert!(error.contains("contoso: 1 blobs are lost"), "{error}");
        rig.once().await.expect("it was said, once");
    });
    assert_eq!(metrics.sum("o365_blobs_total", &["lost"]), 1);
}
