//! A thousand feeds in one source: all of them deliver, and none asks for more than it has to.

use std::time::Duration;

use chrono::TimeDelta;
use fake_tenant::{ContentType, NewBlob, NewContent, Operation, Settings, TenantSpec};
use tokio::time::sleep;

use super::rig::{Rig, config, simulate, start, tenant};

const TENANTS: usize = 200;
const FEEDS: u64 = 5 * TENANTS as u64;

fn rig() -> Rig {
    let id = |number: usize| format!("00000000-0000-4000-8000-{number:012}");
    let specs: Vec<TenantSpec> =
        (0..TENANTS).map(|number| tenant(&id(number), &format!("{number}.example"))).collect();
    let names: Vec<(String, String)> =
        specs.iter().map(|spec| (spec.domain.clone(), spec.tenant_id.clone())).collect();
    let pairs: Vec<(&str, &str)> =
        names.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
    let mut rig = Rig::with_settings(specs, Settings::default());
    rig.config = config(&pairs);
    rig.config.content_types = office365::ContentType::ALL.to_vec();
    rig.config.lookback = Duration::from_hours(24);
    for number in 0..TENANTS {
        for (content_type, hour) in ContentType::ALL.into_iter().zip(1..) {
            let created = start() - TimeDelta::hours(hour);
            let blob = NewBlob::new(created, NewContent::Generated(3));
            rig.tenants.add_blob(&id(number), content_type, blob);
        }
    }
    rig
}

#[test]
fn a_thousand_feeds_deliver_and_ask_no_more_than_they_have_to() {
    let ((), metrics) = simulate(async || {
        let rig = rig();
        let polled_for = Duration::from_mins(30);
        let script = async {
            sleep(Duration::from_mins(1)).await;
            rig.assert_exact();
            sleep(polled_for).await;
        };
        rig.run_while(script).await.unwrap();
        rig.assert_exact();
        let asked = |operation| rig.tenants.stats().requests_of(operation);
        assert_eq!(asked(Operation::Token), TENANTS as u64);
        assert_eq!(asked(Operation::ListSubscriptions), FEEDS);
        assert_eq!(asked(Operation::FetchBlob), FEEDS);
        // At the start, a first time after that which is left to chance, then every five minutes.
        let polls = 2 + polled_for.as_secs() / rig.config.poll_interval.mul_f64(0.95).as_secs() + 1;
        let listings = asked(Operation::ListContent);
        assert!(listings <= FEEDS * polls, "{listings}");
        assert!(listings >= FEEDS * polls / 2, "{listings}");
    });
    assert_eq!(metrics.sum("o365_blobs_total", &["delivered"]), FEEDS);
    assert_eq!(metrics.sum("o365_blobs_pending", &[]), 0);
}

#[test]
fn feeds_that_started_together_are_polled_at_times_of_their_own() {
    simulate(async || {
        let rig = rig();
        let mut busiest = 0;
        let script = async {
            sleep(Duration::from_mins(10)).await;
            let mut before = rig.tenants.stats().requests_of(Operation::ListContent);
            for _ in 0..30 {
                sleep(Duration::from_secs(10)).await;
                let asked = rig.tenants.stats().requests_of(Operation::ListContent);
                busiest = busiest.max(asked - before);
                before = asked;
            }
        };
        rig.run_while(script).await.unwrap();
        // A thirtieth of the feeds would be the mean.
        assert!(busiest < FEEDS / 10, "{busiest}");
    });
}
