//! The demo that goes on: records keep coming, the status page is up, and programs can be edited while it runs.
//!
//! Nothing is verified at its end: what the tenant has made in the last moments was never listed.

use std::{convert::Infallible, f64::consts::PI, path::Path, sync::Arc, time::Duration};

use chrono::{TimeDelta, Timelike};
use fake_tenant::{
    Clock as _, ContentType, FakeTenants, NewBlob, NewContent, Server, TenantSpec, TokioClock,
};
use pipeline_core::{Clock, RunMode, Shutdown, Timestamp};
use tokio::time::{Instant, interval};

use super::{
    CLIENT_ID, CLIENT_SECRET, Demo, DemoClock, TENANT_ID, elasticsearch_url, prepare::prepare,
};
use crate::{
    cli::{
        Failure,
        execute::execute_until,
        load, say,
        summary::{Summary, Totals},
    },
    telemetry::Metrics,
};

/// What a user would leave as it is: so that what comes is seen at once.
pub(super) const INTERVALS: [(&str, &str); 3] =
    [("DEMO_POLL_INTERVAL", "1s"), ("DEMO_SETTLE_TIME", "0s"), ("DEMO_RELIST_OVERLAP", "1m")];

/// The hours of history before the demo starts.
const HISTORY_HOURS: i64 = 7 * 24 - 2;

/// How often something comes.
const NEWS_INTERVAL: Duration = Duration::from_millis(700);

/// Records of a blob, at most.
const RECORDS_MAX: u64 = 12;

/// Runs until it is told to end.
pub(super) async fn run(demo: &Demo, clock: Arc<TokioClock>) -> Result<(), Failure> {
    let now = clock.now();
    let tenant = TenantSpec::new(TENANT_ID, "contoso.example", CLIENT_ID, CLIENT_SECRET);
    let tenants = vec![tenant.subscribed_to_all()];
    let tenants = Arc::new(FakeTenants::new(clock.clone(), super::settings(), tenants));
    let mut dice = fastrand::Rng::with_seed(demo.seed);
    remember(&tenants, &mut dice, now);
    let server = Server::start(Arc::clone(&tenants)).await?;
    let loaded = load::load_built_in(demo.texts(), demo.variables(&server.resource_url()))?;
    if let Some(url) = elasticsearch_url() {
        prepare(&loaded, &url).await?;
    }
    if let Some(api) = &loaded.global.api {
        say(format_args!("The status page is at http://{}\n", api.address));
    }
    say(Invitation { output: &demo.output });
    let start = Instant::now();
    let metrics = Metrics::install()?;
    let shutdown = Shutdown::new();
    let source_clock: Arc<dyn Clock> = Arc::new(DemoClock(Arc::clone(&clock)));
    let ended = tokio::select! {
        ended = execute_until(loaded, (RunMode::Continuous, source_clock), &metrics, &shutdown) => ended?,
        never = keep_coming(&tenants, dice, &clock) => match never {},
    };
    say(Summary { totals: Totals::of(&ended.snapshot), took: start.elapsed() });
    Ok(ended.result?)
}

/// A week in which people work by day.
fn remember(tenants: &FakeTenants, dice: &mut fastrand::Rng, now: Timestamp) {
    for ago in 1..=HISTORY_HOURS {
        let hour = now - TimeDelta::hours(ago);
        let of_day = f64::from(hour.hour());
        let activity = 0.15 + (0.5 + ((of_day - 13.0) / 12.0 * PI).cos() / 2.0).powi(2);
        for feed in ContentType::ALL {
            let most = if feed == ContentType::Dlp { 2.0 } else { 7.0 };
            let mut left = most * activity * dice.f64();
            while left > 0.5 {
                let created = hour + TimeDelta::seconds(dice.i64(0..3600));
                add(tenants, feed, (created, dice.u64(1..=4)));
                left -= 1.0;
            }
        }
    }
}

/// Lets something happen now and then.
async fn keep_coming(
    tenants: &FakeTenants,
    mut dice: fastrand::Rng,
    clock: &TokioClock,
) -> Infallible {
    let mut ticks = interval(NEWS_INTERVAL);
    loop {
        ticks.tick().await;
        for feed in ContentType::ALL {
            let chance = if feed == ContentType::Dlp { 0.1 } else { 0.6 };
            if dice.f64() < chance {
                add(tenants, feed, (clock.now(), dice.u64(1..=RECORDS_MAX)));
            }
        }
    }
}

fn add(tenants: &FakeTenants, feed: ContentType, (created, records): (Timestamp, u64)) {
    tenants.add_blob(TENANT_ID, feed, NewBlob::new(created, NewContent::Generated(records)));
}

/// What to do now.
struct Invitation<'a> {
    output: &'a Path,
}

impl std::fmt::Display for Invitation<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let output = self.output.display();
        write!(
            formatter,
            "While it runs, edit vrl/flatten.vrl in this folder, as by adding the line\n\
             \n  .note = \"seen\"\n\
             \nand see the change at once, without a restart, in the newest lines:\n\
             \n  tail -f {output}/flat.ndjson\n\
             \nor in the workbench of the page, which can save programs as well. A mistake changes nothing: the page and the\n\
             log say what is wrong. Ctrl-C ends."
        )
    }
}
