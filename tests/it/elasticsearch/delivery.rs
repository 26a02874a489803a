//! What arrives, what does not, and that it arrives once.

use std::time::Duration;

use pipeline_core::{Outcome, testing::batch};
use serde_json::json;

use super::{Pipe, bulk, check, each, records, unique};
use crate::services::{self, Product, opensearch};

#[tokio::test]
async fn an_event_that_is_sent_twice_is_stored_once() {
    for server in each() {
        let index = unique("twice");
        for more in ["", "compression = \"none\"\n"] {
            let pipe = Pipe::to(server, &(bulk(&index) + more)).await;
            let fates = pipe.send(&records(0..500)).await.await;
            check(&fates, Outcome::Delivered, 500);
            assert_eq!(pipe.end().await, "");
        }
        assert_eq!(server.count(&index).await, 500);
    }
}

#[tokio::test]
async fn a_date_in_the_name_is_the_events_own() {
    for server in each() {
        let index = unique("dated");
        let pipe = Pipe::to(server, &bulk(&format!("{index}-%Y.%m.%d"))).await;
        let records = [
            r#"{"id":"1","@timestamp":"2026-01-02T03:04:05Z"}"#.to_owned(),
            r#"{"id":"2","@timestamp":"2026-01-03T03:04:05Z"}"#.to_owned(),
            r#"{"id":"3"}"#.to_owned(),
        ];
        let fates = pipe.send(&records).await.await;
        assert_eq!(fates.outcomes(), [Outcome::Delivered, Outcome::Delivered, Outcome::Rejected]);
        assert!(pipe.end().await.contains("the event has no date in `@timestamp`"));
        assert_eq!(server.count(&format!("{index}-2026.01.02")).await, 1);
        assert_eq!(server.count(&format!("{index}-2026.01.03")).await, 1);
    }
}

#[tokio::test]
async fn a_data_stream_is_written_and_wants_a_timestamp() {
    for server in each() {
        let dataset = unique("audit").replace('-', ".");
        let stream = format!("logs-{dataset}-default");
        let template =
            format!(r#"{{"index_patterns":["{stream}"],"data_stream":{{}},"priority":500}}"#);
        server.done("PUT", &format!("/_index_template/{dataset}"), &template).await;
        for _ in 0..2 {
            let pipe = Pipe::to(server, &format!("data_stream.dataset = {dataset:?}")).await;
            let records = [
                r#"{"id":"1","@timestamp":"2026-01-02T03:04:05Z"}"#.to_owned(),
                r#"{"id":"2","x":1}"#.to_owned(),
            ];
            let fates = pipe.send(&records).await.await;
            assert_eq!(fates.outcomes(), [Outcome::Delivered, Outcome::Rejected]);
            let letters = pipe.end().await;
            assert_eq!(letters.lines().count(), 1);
            assert!(letters.contains(r#""event":{"id":"2","x":1}"#), "{letters}");
            // OpenSearch does not say what is wrong with it.
            let words =
                if server.product == Product::Elasticsearch { "@timestamp" } else { "parse" };
            assert!(letters.contains(words), "{letters}");
        }
        assert_eq!(server.count(&stream).await, 1);
        let streams = server.done("GET", &format!("/_resolve/index/{stream}"), "").await;
        assert_eq!(streams["data_streams"][0]["name"], stream.as_str());
    }
}

#[tokio::test]
async fn whatever_an_event_makes_of_a_name_it_is_stored_or_a_dead_letter() {
    let hostile = [
        "größe", "a..b", "a{b}", "a'b", "😀", "%41", "a;b", "a&b=c", "$a", "~", "!", "@", "(",
        "\u{e000}", "../_all", "*", "A", "\u{130}", "\u{1c5}", "a b", "a\nb", "a\0b", "a\u{7f}b",
        "a\u{a0}b", "-x", "<now/d>", "a,b", "",
    ];
    for server in each() {
        let prefix = unique("hostile");
        let sent: Vec<String> = hostile
            .iter()
            .chain([&&*"x".repeat(230), &&*"x".repeat(300)])
            .enumerate()
            .map(|(id, name)| json!({"id": id, "x": name}).to_string())
            .collect();
        let pipe = Pipe::to(server, &bulk(&format!("{prefix}{{{{ x }}}}"))).await;
        let receipt = pipe.send(&sent).await;
        let fates = tokio::time::timeout(Duration::from_mins(1), receipt).await;
        let fates = fates.expect("no name is tried again and again");
        let stored = fates.count(Outcome::Delivered);
        assert_eq!(stored + fates.count(Outcome::Rejected), sent.len());
        let letters = pipe.end().await;
        for letter in letters.lines() {
            // Whoever is told by the server alone sends for nothing.
            assert!(letter.contains("the event "), "{:?} said {letter}", server.product);
        }
        assert_eq!(server.count(&format!("{prefix}*")).await, stored as u64);
        // The cluster has a limit on shards.
        let found = server.done("GET", &format!("/_resolve/index/{prefix}*"), "").await;
        for index in found["indices"].as_array().expect("indices") {
            let mut url = url::Url::parse("http://es/").expect("a URL");
            let name = index["name"].as_str().expect("a name");
            url.path_segments_mut().expect("it has a path").clear().push(name);
            server.done("DELETE", url.path(), "").await;
        }
    }
}

#[tokio::test]
async fn a_document_that_does_not_fit_the_mapping_is_a_dead_letter_and_the_others_arrive() {
    for server in each() {
        let index = unique("mapping");
        let mapping = r#"{"mappings":{"properties":{"n":{"type":"ip"}}}}"#;
        server.done("PUT", &format!("/{index}"), mapping).await;
        let pipe = Pipe::to(server, &bulk(&index)).await;
        let records = [
            r#"{"id":"1","n":"10.0.0.1"}"#.to_owned(),
            r#"{"id":"2","n":"not an address"}"#.to_owned(),
            r#"{"id":"3","n":"10.0.0.3"}"#.to_owned(),
            r#"{"n":"10.0.0.4"}"#.to_owned(),
        ];
        let fates = pipe.send(&records).await.await;
        let (delivered, rejected) = (Outcome::Delivered, Outcome::Rejected);
        assert_eq!(fates.outcomes(), [delivered, rejected, delivered, rejected]);
        let letters = pipe.end().await;
        assert_eq!(letters.lines().count(), 2);
        let kind = match server.product {
            Product::Elasticsearch => "document_parsing_exception",
            Product::OpenSearch => "mapper_parsing_exception",
        };
        assert!(letters.contains(&format!("elasticsearch: 400 {kind}")), "{letters}");
        assert!(letters.contains(r#""kind":"mapping_conflict""#), "{letters}");
        assert!(letters.contains(r#""event":{"id":"2","n":"not an address"}"#), "{letters}");
        assert_eq!(server.count(&index).await, 2);
    }
}

#[tokio::test]
async fn items_that_are_refused_for_now_arrive_when_the_block_is_lifted() {
    for server in each() {
        let blocked = unique("blocked");
        server.done("PUT", &format!("/{blocked}"), "{}").await;
        let settings = format!("/{blocked}/_settings");
        let block = r#"{"index.blocks.read_only_allow_delete":true}"#;
        server.done("PUT", &settings, block).await;
        let (status, _) = server.call("POST", &format!("/{blocked}/_doc"), "{}").await;
        assert_eq!(status, 429, "the index refuses for now");

        let pipe = Pipe::to(server, &bulk(&blocked)).await;
        let receipt = pipe.send(&records(0..50)).await;
        let lift = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            server.done("PUT", &settings, r#"{"index.blocks.read_only_allow_delete":null}"#).await;
        };
        let (fates, ()) = tokio::join!(receipt, lift);
        check(&fates, Outcome::Delivered, 50);
        assert_eq!(pipe.end().await, "");
        assert_eq!(server.count(&blocked).await, 50);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_the_server_are_lived_with() {
    for server in [services::own().await, opensearch::own().await] {
        let index = unique("limits");
        let large: Vec<String> = (0..30)
            .map(|n| {
                // One document is over the limit of 1 MB alone, the others only together.
                let size = if n == 7 { 1_200_000 } else { 100_000 };
                format!(r#"{{"id":"{n}","text":"{}"}}"#, "x".repeat(size))
            })
            .collect();
        let mapping = r#"{"mappings":{"properties":{"text":{"type":"text","index":false}}}}"#;
        server.done("PUT", &format!("/{index}"), mapping).await;
        let pipe = Pipe::to(&server, &(bulk(&index) + "compression = \"none\"")).await;
        let fates = pipe.send(&large).await.await;
        assert_eq!(fates.outcomes()[7], Outcome::Rejected);
        assert_eq!(fates.count(Outcome::Delivered), 29);
        let letters = pipe.end().await;
        assert_eq!(letters.lines().count(), 1);
        assert!(letters.contains("413 Payload Too Large"), "{}", &letters[..300]);
        assert!(letters.contains("the event takes 1200"), "{}", &letters[..500]);
        assert_eq!(server.count(&index).await, 29);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_whole_requests_for_now_gets_them_later() {
    for server in [services::own().await, opensearch::own().await] {
        let index = unique("breaker");
        let limit = |value: &str| {
            format!(r#"{{"transient":{{"network.breaker.inflight_requests.limit":{value}}}}}"#)
        };
        server.done("PUT", "/_cluster/settings", &limit("\"2kb\"")).await;
        let pipe = Pipe::to(&server, &(bulk(&index) + "compression = \"none\"")).await;
        let mut receipt = pipe.send(&records(0..500)).await;
        let early = tokio::time::timeout(Duration::from_secs(1), &mut receipt).await;
        assert!(early.is_err(), "the breaker holds");
        server.done("PUT", "/_cluster/settings", &limit("null")).await;
        check(&receipt.await, Outcome::Delivered, 500);
        assert_eq!(pipe.end().await, "");
        assert_eq!(server.count(&index).await, 500);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_and_comes_back_gets_everything() {
    for mut server in [services::own().await, opensearch::own().await] {
        let index = unique("restart");
        let pipe = Pipe::to(&server, &(bulk(&index) + "batch.max_events = 100")).await;
        // Sent while the server goes, is away and comes back; the edge is full most of the time.
        let sender = pipe.sender.clone();
        let mut feed = tokio::task::JoinSet::new();
        feed.spawn(async move {
            let mut receipts = Vec::new();
            for start in (0..20_000).step_by(100) {
                let records = records(start..start + 100);
                let (events, receipt) =
                    batch(&records.iter().map(String::as_str).collect::<Vec<_>>());
                sender.send(events).await.expect("the sink reads");
                receipts.push(receipt);
            }
            receipts
        });
        while server.call("GET", &format!("/{index}/_count"), "").await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::task::block_in_place(|| {
            server.stop();
            assert!(feed.try_join_next().is_none(), "events are still coming");
            std::thread::sleep(Duration::from_secs(2));
            server.start_again();
        });
        let receipts = feed.join_next().await.expect("there is a feed").expect("it does not panic");
        for receipt in receipts {
            let fates = receipt.await;
            assert_eq!(fates.count(Outcome::Delivered), fates.outcomes().len());
        }
        assert_eq!(pipe.end().await, "");
        assert_eq!(server.count(&index).await, 20_000);
    }
}
