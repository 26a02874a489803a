//! The source as a user runs it: its own ledger file, its own connections.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use super::rig::{CONTOSO, config, history, start, tenant};
use chrono::{TimeDelta, Utc};
use fake_tenant::{FakeTenants, Filter, Server, Settings, TokioClock};
use pipeline_core::{
    Clock, ComponentKind, Outcome, RunMode, Shutdown, SourceConfig, SourceContext, Timestamp, edge,
    testing::{self, DeadLettersInMemory},
};

#[derive(Debug)]
pub(super) struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Utc::now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_over_a_socket_and_a_second_source_is_refused() {
    let mut week = history(9).with_blobs_per_hour(0.5);
    let now = Utc::now();
    let shift = now - start();
    (week.start, week.end) = (week.start + shift, week.end + shift - TimeDelta::days(1));
    let spec = tenant(CONTOSO, "contoso.example").with_history(week);
    let clock = Arc::new(TokioClock::new(now));
    let settings = Settings { gzip: true, page_size: 20, ..Settings::default() };
    let tenants = Arc::new(FakeTenants::new(clock, settings, vec![spec]));
    let server = Server::start(Arc::clone(&tenants)).await.unwrap();
    let mut config = config(&[("contoso", CONTOSO)]);
    config.content_types = office365::ContentType::ALL.to_vec();
    config.tenants[0].login_url = Some(server.login_url());
    config.tenants[0].resource_url = Some(server.resource_url());

    let dir = tempfile::tempdir().unwrap();
    let context = SourceContext {
        id: "office365".into(),
        data_dir: dir.path().to_owned(),
        mode: RunMode::Once,
        clock: Arc::new(RealClock),
        dead_letters: Arc::new(DeadLettersInMemory::default()),
        metrics: testing::metrics(ComponentKind::Source, "office365"),
    };
    let source = config.build(context.clone()).await.unwrap();
    let error = config.build(context.clone()).await.err().unwrap();
    assert!(error.to_string().contains("another process uses the ledger"), "{error}");

    let batches_max = NonZeroUsize::new(8).unwrap();
    let (outlet, mut inlet) = edge(batches_max, &testing::metrics(ComponentKind::Sink, "sink"));
    let sink = async {
        let mut ids = Vec::new();
        while let Some(batch) = inlet.next().await {
            for event in batch {
                let id = event.at(&vrl::path::parse_value_path("Id").unwrap()).unwrap();
                ids.push(id.to_string_lossy().into_owned());
                event.settle(Outcome::Delivered);
            }
        }
        ids
    };
    let run = tokio::time::timeout(Duration::from_mins(1), source.run(outlet, Shutdown::new()));
    let (result, ids) = tokio::join!(run, sink);
    result.unwrap().unwrap();
    let mut completeness = tenants.verify(&Filter::default(), ids.iter().map(String::as_str));
    let missing = completeness.missing.len();
    completeness.missing.truncate(3);
    assert!(missing == 0 && completeness.is_exact(), "{missing} missing, {completeness:?}");
    assert!(completeness.expected > 1000);
    // The ledger is free again.
    config.build(context).await.unwrap();
    server.stop().await;
}
