//! Many small blobs at once that are full of each other's copies, on several threads and over real connections: what is
//! settled out of order, or looked up while it is being added, shows here.

use std::{
    num::{NonZeroU16, NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use super::{
    rig::{CONTOSO, config, history, start, tenant},
    socket::RealClock,
};
use chrono::Utc;
use fake_tenant::{FakeTenants, Filter, Server, Settings, TenantSpec, TokioClock};
use o365flow::sources::office365::Config;
use pipeline_core::{
    Batch, ComponentKind, Inlet, Outcome, RunMode, Shutdown, SourceConfig, SourceContext, edge,
    testing::{self, DeadLettersInMemory},
};
use tokio::task::JoinSet;

const ROUNDS: u64 = 8;

/// Most of what a blob holds stands in an earlier one as well.
fn crowd(seed: u64) -> TenantSpec {
    let mut history = history(seed).with_blobs_per_hour(1.0);
    let shift = Utc::now() - start();
    (history.start, history.end) = (history.start + shift, history.end + shift);
    history.records_per_blob = 1..=6;
    history.duplicate_rate = 0.95;
    tenant(CONTOSO, "contoso.example").with_history(history)
}

fn crowded(server: &Server) -> Config {
    let mut config = config(&[("contoso", CONTOSO)]);
    config.content_types = office365::ContentType::ALL.to_vec();
    config.max_requests_per_minute = NonZeroU32::MAX;
    config.fetch_concurrency = NonZeroU16::new(64).unwrap();
    config.tenants[0].login_url = Some(server.login_url());
    config.tenants[0].resource_url = Some(server.resource_url());
    config
}

/// Settles batches side by side and in no order, a few events as not delivered; gives what was
/// delivered.
async fn hasty_sink(mut inlet: Inlet, seed: u64) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut held = JoinSet::new();
    while let Some(batch) = inlet.next().await {
        held.spawn(settle(batch, random.fork()));
    }
    held.join_all().await.concat()
}

async fn settle(batch: Batch, mut random: fastrand::Rng) -> Vec<String> {
    let id_path = vrl::path::parse_value_path("Id").unwrap();
    let mut delivered = Vec::new();
    for _ in 0..random.u8(..8) {
        tokio::task::yield_now().await;
    }
    for event in batch {
        if random.u16(..500) == 0 {
            event.settle(Outcome::Errored);
        } else {
            delivered.push(event.at(&id_path).unwrap().to_string_lossy().into_owned());
            event.settle(Outcome::Delivered);
        }
    }
    delivered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_of_blobs_full_of_copies_delivers_each_record_once() {
    for seed in 0..ROUNDS {
        let clock = Arc::new(TokioClock::new(Utc::now()));
        let settings = Settings { requests_per_minute: u32::MAX, seed, ..Settings::default() };
        let tenants = Arc::new(FakeTenants::new(clock, settings, vec![crowd(seed)]));
        let server = Server::start(Arc::clone(&tenants)).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let context = SourceContext {
            id: "office365".into(),
            data_dir: dir.path().to_owned(),
            mode: RunMode::Once,
            clock: Arc::new(RealClock),
            dead_letters: Arc::new(DeadLettersInMemory::default()),
            metrics: testing::metrics(ComponentKind::Source, "office365"),
        };
        let source = crowded(&server).build(context).await.unwrap();
        let batches_max = NonZeroUsize::new(8).unwrap();
        let (outlet, inlet) = edge(batches_max, &testing::metrics(ComponentKind::Sink, "sink"));
        let run = tokio::time::timeout(Duration::from_mins(2), source.run(outlet, Shutdown::new()));
        let (result, ids) = tokio::join!(run, hasty_sink(inlet, seed));
        result.unwrap().unwrap();
        let mut completeness = tenants.verify(&Filter::default(), ids.iter().map(String::as_str));
        let missing = completeness.missing.len();
        completeness.missing.truncate(3);
        assert!(completeness.is_exact(), "seed {seed}: {missing} missing, {completeness:?}");
        let with_repeats = tenants.records_with_repeats(&Filter::default());
        assert!(2 * with_repeats > 3 * completeness.expected as u64, "there are few copies");
        server.stop().await;
    }
}
