//! What watchers see, and what they cost.

use std::{path::PathBuf, sync::Arc, time::Duration};

use metrics::counter;
use tokio::{io::AsyncReadExt, time::timeout};
use tracing::warn;
use tracing_subscriber::layer::SubscriberExt;

use super::rig::{Rig, read_until, served};
use crate::live::{Changes, ComponentDescription, Description, FaultReport, Refused, Reloaded};

fn component(id: &str) -> ComponentDescription {
    ComponentDescription {
        id: id.into(),
        kind: pipeline_core::ComponentKind::Transform,
        component_type: "remap".to_owned(),
        inputs: vec!["office365".to_owned()],
        outputs: Vec::new(),
        program: Some(PathBuf::from("a.vrl")),
    }
}

fn described(generation: u64, ids: &[&str]) -> Description {
    Description { generation, components: ids.iter().copied().map(component).collect() }
}

async fn watch(rig: &Rig) -> tokio::net::TcpStream {
    let mut stream = rig.open("GET /api/events", &[]).await;
    let head = read_until(&mut stream, "event: feeds").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
    assert!(head.contains("event: status") && head.contains("event: topology"), "{head}");
    stream
}

#[test]
fn a_watcher_sees_what_is_and_then_what_changes() {
    served("", async |mut rig| {
        rig.live.describe(described(1, &["first"]));
        let mut stream = watch(&rig).await;
        rig.live.describe(described(2, &["first", "second"]));
        let seen = read_until(&mut stream, "\"generation\":2").await;
        assert!(seen.contains("\"id\":\"second\""), "{seen}");

        let subscriber = tracing_subscriber::registry().with(rig.problems.layer());
        tracing::subscriber::with_default(subscriber, || {
            warn!(component_id = "first", fix = "look after it", "it failed");
        });
        let seen = read_until(&mut stream, "look after it").await;
        assert!(seen.contains("event: problem") && seen.contains("\"count\":1"), "{seen}");

        let changed = Changes { added: vec!["third".into()], ..Changes::default() };
        rig.live.reload_ended(Ok(Reloaded { generation: 3, changed }));
        let seen = read_until(&mut stream, "third").await;
        assert!(seen.contains("event: reload") && seen.contains("\"ok\":true"), "{seen}");
        rig.live.reload_ended(Err(Arc::new(refused())));
        let seen = read_until(&mut stream, "o365flow.toml").await;
        assert!(seen.contains("\"ok\":false"), "{seen}");

        counter!("component_received_events_total", "component_id" => "first").increment(7);
        counter!("component_sent_events_total", "component_id" => "first", "output" => "high")
            .increment(5);
        let seen = read_until(&mut stream, "\"high\":5").await;
        assert!(seen.contains("event: stats") && seen.contains("\"received_events\":7"), "{seen}");
        drop(stream);
        // A reload that is ordered is done by whoever runs the topology.
        let order = async {
            let request = rig.reloads.next().await;
            drop(request.answer.send(Err(Arc::new(refused()))));
        };
        let live = rig.live.clone();
        let (end, ()) = tokio::join!(live.reload(), order);
        assert!(end.is_some_and(|end| end.is_err()));
    });
}

fn refused() -> Refused {
    let fault = FaultReport {
        path: Some("o365flow.toml".into()),
        line: Some(3),
        column: Some(1),
        message: "unknown option".to_owned(),
        fix: None,
    };
    Refused { diagnostics: "all of it".to_owned(), faults: vec![fault] }
}

#[test]
fn a_reload_is_ordered_and_its_end_told() {
    served("", async |mut rig| {
        let json = ["content-type: application/json"];
        let address = rig.address;
        let live = rig.live.clone();
        let ends = async {
            for end in [
                Ok(Reloaded { generation: 2, changed: Changes::default() }),
                Err(Arc::new(refused())),
            ] {
                let request = rig.reloads.next().await;
                live.reload_ended(end.clone());
                drop(request.answer.send(end));
            }
        };
        let asks = async {
            let mut answers = Vec::new();
            for _ in 0..2 {
                let request = super::rig::request("POST /api/reload", &json, "{}");
                let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                answers.push(super::rig::Answered(answer));
            }
            answers
        };
        let ((), answers) = tokio::join!(ends, asks);
        assert_eq!((answers[0].status(), &answers[0].json()["generation"]), (200, &2.into()));
        let told = answers[1].json();
        assert_eq!((answers[1].status(), &told["diagnostics"]), (422, &"all of it".into()));
        assert_eq!(told["faults"][0]["line"], 3);
    });
}

#[test]
fn only_so_many_watch_and_who_leaves_makes_room() {
    served("", async |rig| {
        let mut watching = Vec::new();
        for _ in 0..32 {
            watching.push(watch(&rig).await);
        }
        assert_eq!(rig.ask("GET /api/events", &[]).await.status(), 429);
        assert_eq!(rig.refused("busy"), 1);
        assert_eq!(rig.ask("GET /api/topology", &[]).await.status(), 200);
        watching.pop();
        let again = async {
            while rig.live_again().await.is_none() {
                rig.live.describe(Description::default());
            }
        };
        timeout(Duration::from_secs(20), again).await.expect("the place is free again");
    });
}

impl Rig {
    /// One more watcher, if there is room.
    async fn live_again(&self) -> Option<()> {
        let mut stream = self.open("GET /api/events", &[]).await;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        (&head == b"HTTP/1.1 200").then_some(())
    }
}

#[test]
fn a_slow_reader_misses_messages_and_holds_up_nobody() {
    served("", async |rig| {
        let mut slow = watch(&rig).await;
        let large = "x".repeat(100_000);
        for generation in 0..500 {
            rig.live.describe(described(generation, &[&large]));
            assert_eq!(rig.ask("GET /api/status", &[]).await.status(), 200);
        }
        rig.live.describe(described(9_999, &[]));
        let seen = read_until(&mut slow, "\"generation\":9999").await;
        assert!(seen.contains("event: skipped"), "it has read {} bytes", seen.len());
        assert!(seen.len() < 30_000_000, "{} of 50 MB were kept for it", seen.len());
    });
}
