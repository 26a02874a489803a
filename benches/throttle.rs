//! How close to the API's own limit does one tenant get, and is it ever told to slow down?
//!
//! A fake service takes 200 ms for each answer and enforces 2,000 requests a minute; 1,000 blobs are listed. The limit
//! alone makes 30 s of that; one request after the other would take 200 s.
//!
//! `cargo bench --bench throttle`
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::{error::Error, num::NonZeroUsize, sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use fake_tenant::{
    ContentType, FakeTenants, NewBlob, NewContent, Operation, Server, Settings, Stats, TenantSpec,
    TokioClock,
};
use o365flow::sources::office365::Config;
use pipeline_core::{
    Clock, ComponentKind, Inlet, Outcome, RunMode, Shutdown, SourceConfig, SourceContext,
    Timestamp, edge,
    testing::{self, DeadLettersInMemory},
};
use tokio::time::Instant;

const TENANT: &str = "2d6f1f0c-9c4e-4f0b-8a58-0d4b1c3c7a11";
const CLIENT: &str = "7f1c9c58-55cb-4a3c-9a3e-5a1c1f5b2d22";
const SECRET: &str = "not~a.secret";
const BLOBS: u32 = 1000;
const RECORDS_PER_BLOB: u64 = 50;
const LATENCY: Duration = Duration::from_millis(200);

/// What the whole may take.
const TIME_MAX: Duration = Duration::from_secs(33);

#[derive(Debug)]
struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Utc::now()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<(), Box<dyn Error>> {
    let settings = Settings { latency: LATENCY, ..Settings::default() };
    let spec = TenantSpec::new(TENANT, "contoso.example", CLIENT, SECRET).subscribed_to_all();
    let clock = Arc::new(TokioClock::new(Utc::now()));
    let tenants = Arc::new(FakeTenants::new(clock, settings, vec![spec]));
    for number in 0..BLOBS {
        let created = Utc::now() - TimeDelta::minutes(5) - TimeDelta::seconds(number.into());
        let blob = NewBlob::new(created, NewContent::Generated(RECORDS_PER_BLOB));
        tenants.add_blob(TENANT, ContentType::ALL[number as usize % 4], blob);
    }
    let server = Server::start(Arc::clone(&tenants)).await?;
    let folder = tempfile::tempdir()?;
    let context = SourceContext {
        id: "office365".into(),
        data_dir: folder.path().to_owned(),
        mode: RunMode::Once,
        clock: Arc::new(WallClock),
        dead_letters: Arc::new(DeadLettersInMemory::default()),
        metrics: testing::metrics(ComponentKind::Source, "office365"),
    };
    let source = config(&server)?.build(context).await?;
    let (outlet, inlet) =
        edge(NonZeroUsize::MIN, &testing::metrics(ComponentKind::Sink, "blackhole"));
    let start = Instant::now();
    let (result, events) = tokio::join!(source.run(outlet, Shutdown::new()), count(inlet));
    let took = start.elapsed();
    result?;
    server.stop().await;
    let stats = tenants.stats();
    println!(
        "{BLOBS} blobs, {events} events in {:.1} s: {} requests, {} of them answered with 429 or 403; at most {TIME_MAX:?}",
        took.as_secs_f64(),
        requests(&stats),
        refused(&stats),
    );
    let is_complete = events == u64::from(BLOBS) * RECORDS_PER_BLOB;
    if took > TIME_MAX || refused(&stats) > 0 || !is_complete {
        return Err("it is not as fast, as quiet or as complete as it has to be".into());
    }
    Ok(())
}

fn config(server: &Server) -> Result<Config, Box<dyn Error>> {
    let url = server.resource_url();
    let text = format!(
        "lookback = '1d'\n[[tenants]]\nname = 'contoso'\ntenant_id = '{TENANT}'\nclient_id = '{CLIENT}'\n\
         client_secret = '{SECRET}'\nlogin_url = '{url}'\nresource_url = '{url}'\n"
    );
    Ok(toml::from_str(&text)?)
}

async fn count(mut inlet: Inlet) -> u64 {
    let mut events = 0;
    while let Some(batch) = inlet.next().await {
        events += batch.len() as u64;
        batch.settle(Outcome::Delivered);
    }
    events
}

fn requests(stats: &Stats) -> u64 {
    stats.requests.iter().map(|row| row.count).sum()
}

fn refused(stats: &Stats) -> u64 {
    [Operation::ListContent, Operation::FetchBlob, Operation::ListSubscriptions]
        .into_iter()
        .map(|operation| stats.answered(operation, 429) + stats.answered(operation, 403))
        .sum()
}
