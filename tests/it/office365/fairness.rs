//! One tenant with a backlog beside a thousand small ones, in a source whose memory and sink are nearly used up.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use chrono::TimeDelta;
use fake_tenant::{ContentType, NewBlob, NewContent, Settings, TenantSpec};
use pipeline_core::{Clock, Outcome};
use tokio::time::{Instant, sleep};

use super::rig::{CONTOSO, Rig, config, simulate, start, tenant};

const SMALL_TENANTS: usize = 1000;

/// Blobs of the huge tenant: at this sink's pace some hours of work.
const BACKLOG: u32 = 20_000;

/// The longest that a fresh blob may wait besides the wait for its listing.
const WAIT_MAX: Duration = Duration::from_secs(40);

fn small_id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A huge tenant, whose backlog is there from the start, and small ones without any content.
fn rig() -> Rig {
    let huge = tenant(CONTOSO, "contoso.example");
    let small = (0..SMALL_TENANTS).map(|number| tenant(&small_id(number), &format!("{number}.it")));
    let specs: Vec<TenantSpec> = std::iter::once(huge).chain(small).collect();
    let names: Vec<(String, String)> =
        specs.iter().map(|spec| (spec.domain.clone(), spec.tenant_id.clone())).collect();
    let pairs: Vec<(&str, &str)> =
        names.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
    let mut rig = Rig::with_settings(specs, Settings::default());
    rig.config = config(&pairs);
    rig.config.content_types = vec![office365::ContentType::Exchange];
    rig.config.lookback = Duration::from_hours(24);
    for number in 0..BACKLOG {
        let created = start() - TimeDelta::hours(23) + TimeDelta::seconds(i64::from(number) * 4);
        let blob = NewBlob::new(created, NewContent::Generated(5));
        rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob);
    }
    rig
}

#[test]
fn a_backlog_of_one_tenant_delays_no_other() {
    simulate(async || {
        let mut rig = rig();
        // The sink takes 100 KB of records in 5 s.
        rig.config.max_in_flight_bytes = 400_000;
        rig.sink_delay = Duration::from_secs(5);
        let arrived: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
        let arrivals = Arc::clone(&arrived);
        rig.judge = Arc::new(move |id, _| {
            if id.starts_with("fresh-") {
                arrivals.lock().unwrap().insert(id.to_owned(), Instant::now());
            }
            Outcome::Delivered
        });
        let mut created = HashMap::new();
        let script = async {
            sleep(Duration::from_mins(6)).await;
            for number in 0..SMALL_TENANTS {
                sleep(Duration::from_millis(200)).await;
                let id = format!("fresh-{number}");
                let record = format!(
                    r#"{{"Id":"{id}","CreationTime":"2027-01-15T08:00:00","Workload":"Exchange"}}"#
                );
                let content = NewContent::Records(vec![Bytes::from(record)]);
                let blob = NewBlob::new(Clock::now(&*rig.clock), content);
                rig.tenants.add_blob(&small_id(number), ContentType::Exchange, blob);
                created.insert(id, Instant::now());
            }
            sleep(Duration::from_mins(9)).await;
        };
        rig.run_while(script).await.unwrap();
        let left = rig.verify_tenant(Some(CONTOSO)).missing.len();
        assert!(left > 5 * BACKLOG as usize / 2, "there was a backlog all the time: {left}");
        let arrived = arrived.lock().unwrap();
        let listed_after = rig.config.poll_interval.mul_f64(1.05) + rig.config.settle_time;
        let mut waits: Vec<Duration> = Vec::new();
        for (id, created) in created {
            let arrived = arrived.get(&id).unwrap_or_else(|| panic!("{id} did not arrive"));
            waits.push(arrived.duration_since(created));
        }
        waits.sort();
        assert!(
            waits[SMALL_TENANTS - 1] <= listed_after + WAIT_MAX,
            "{:?}",
            &waits[SMALL_TENANTS - 3..]
        );
    });
}
