//! The demo under faults: what goes wrong, when it is restarted, and when it has all that there is.
//!
//! Only waiting times are changed for it, and only those that a user may set; the source's own waits are as they are.

use std::{convert::Infallible, fmt, future::pending, sync::Arc, time::Duration};

use chrono::TimeDelta;
use fake_tenant::{
    ContentType, FakeTenants, FaultKind, FaultRates, Filter, NewBlob, NewContent, Settings, Stats,
};
use pipeline_core::{Clock, RunMode, Shutdown};
use tokio::time::{Instant, sleep};

use super::{Demo, TENANT_ID};
use crate::{
    cli::{
        Failure,
        execute::{Ended, execute_until},
        say,
        summary::Totals,
    },
    telemetry::Metrics,
};

/// What a user would leave as it is: so that the demo need not wait for the next poll.
pub(super) const INTERVALS: [(&str, &str); 3] = [
    ("DEMO_POLL_INTERVAL", "1s"),
    ("DEMO_RELIST_ALL_INTERVAL", "1s"),
    ("DEMO_REQUEST_TIMEOUT", "5s"),
];

/// How often most kinds of fault meet a call.
const OFTEN: f64 = 0.03;

/// How often those do after which the source leaves the tenant alone for a while.
const SELDOM: f64 = 0.005;

/// Blobs that turn up while the demo runs.
const LATE_BLOBS: i32 = 20;

/// Records of each.
const LATE_RECORDS: u64 = 50;

/// The last of them turns up so long after the start.
const LATE_WITHIN: TimeDelta = TimeDelta::seconds(10);

/// How often a look is taken at how far the run has come.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A run that has not got everything by then ends all the same, and the demo fails.
const RUN_MAX: Duration = Duration::from_secs(100);

/// How the tenant behaves.
pub(super) fn settings(seed: u64) -> Settings {
    let mut rates = FaultRates::all(OFTEN);
    rates.set(FaultKind::Throttle, SELDOM);
    rates.set(FaultKind::Unauthorized, SELDOM);
    // A sign-in that fails costs half a minute, and is no more than any other answer that fails.
    rates.set(FaultKind::TokenError, 0.0);
    // As the settings say.
    rates.retry_after = Duration::ZERO;
    Settings {
        seed,
        fault_rates: rates,
        retry_after: Some(Duration::from_secs(1)),
        token_life: TimeDelta::seconds(10),
        page_size: 5,
        ..super::settings()
    }
}

/// Collects everything in two runs: the first one is ended in the middle.
pub(super) async fn execute(
    demo: &Demo,
    tenants: &FakeTenants,
    (url, clock): (&str, Arc<dyn Clock>),
) -> Result<Ended, Failure> {
    let metrics = Metrics::install()?;
    let now = clock.now();
    for number in 0..LATE_BLOBS {
        let created = now - TimeDelta::hours(3) - TimeDelta::minutes(number.into());
        let mut blob = NewBlob::new(created, NewContent::Generated(LATE_RECORDS));
        blob.available = Some(now + LATE_WITHIN * (number + 1) / LATE_BLOBS);
        tenants.add_blob(TENANT_ID, ContentType::Exchange, blob);
    }
    let late = LATE_RECORDS * u64::from(LATE_BLOBS.unsigned_abs());
    let all = tenants.expected_ids(&Filter::default()).count() as u64 + late;
    let run = async |records: u64| {
        let shutdown = Shutdown::new();
        let enough = async {
            until_delivered(&metrics, records).await;
            shutdown.drain();
            pending::<Infallible>().await
        };
        let execution = execute_until(
            demo.load(url)?,
            (RunMode::Continuous, Arc::clone(&clock)),
            &metrics,
            &shutdown,
        );
        tokio::select! {
            ended = execution => ended,
            never = enough => match never {},
        }
    };
    run(all / 2).await?.result?;
    say("… half of it is there; the program ends, and starts again …");
    run(all).await
}

/// Waits until so many records were delivered, or for as long as can be waited.
async fn until_delivered(metrics: &Metrics, records: u64) {
    let start = Instant::now();
    let delivered = || {
        let totals = Totals::of(&metrics.snapshot());
        totals.records_in.saturating_sub(totals.duplicates)
    };
    while delivered() < records && start.elapsed() < RUN_MAX {
        sleep(LOOK_INTERVAL).await;
    }
}

/// What went wrong how often.
pub(super) struct Injected(pub(super) Stats);

impl fmt::Display for Injected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: u64 = self.0.faults.iter().map(|row| row.count).sum();
        write!(formatter, "\nFaults that were injected: {total}")?;
        for row in &self.0.faults {
            write!(formatter, "\n  {:<20}{:>14}", row.fault.name().replace('_', " "), row.count)?;
        }
        write!(formatter, "\n  {:<20}{LATE_BLOBS:>14}", "late blobs")?;
        write!(formatter, "\n  {:<20}{:>14}", "tokens issued", self.0.tokens_issued)?;
        write!(formatter, "\n  {:<20}{:>14}", "restarts", 1)
    }
}
