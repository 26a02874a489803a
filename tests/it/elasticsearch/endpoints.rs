//! Several endpoints, versions of documents, and ways to compress.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use pipeline_core::Outcome;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{Pipe, bulk, check, each, records, unique};
use crate::services::Product;

/// Passes connections on to a server, and keeps what the server says.
struct Forwarder {
    url: String,
    said: Arc<Mutex<String>>,
    tasks: JoinSet<()>,
}

impl Forwarder {
    async fn to(url: &str) -> Forwarder {
        let server = url.strip_prefix("http://").expect("it is plain").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let said = Arc::<Mutex<String>>::default();
        let kept = said.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Connections end with this task.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server listens");
                connections.spawn(pass_on(client, server, kept.clone()));
            }
        });
        Forwarder { url, said, tasks }
    }

    async fn has_said(&self, part: &str) {
        while !self.said.lock().expect("nobody panics").contains(part) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn pass_on(client: TcpStream, server: TcpStream, said: Arc<Mutex<String>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let down = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            said.lock()
                .expect("nobody panics")
                .push_str(&String::from_utf8_lossy(&buffer[..count]));
            if to_client.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = down => {}
    }
}

/// A port at which nothing listens: it was free a moment ago.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("it is bound"))
}

#[tokio::test]
async fn an_endpoint_that_is_away_costs_nothing_but_a_try() {
    for server in each() {
        let index = unique("endpoints");
        let (first, second) = (nobody(), nobody());
        let more = format!(
            "endpoints = [{first:?}, {:?}, {second:?}]\nbatch.max_events = 10\n{}",
            server.url,
            bulk(&index)
        );
        let pipe = Pipe::to(server, &more).await;
        let receipt = pipe.send(&records(0..500)).await;
        let fates = tokio::time::timeout(Duration::from_secs(20), receipt).await;
        check(&fates.expect("it takes no minutes"), Outcome::Delivered, 500);
        assert_eq!(pipe.end().await, "");
        assert_eq!(server.count(&index).await, 500);
    }
}

#[tokio::test]
async fn nodes_are_looked_up_and_used() {
    for server in each() {
        let index = unique("sniffed");
        let forwarder = Forwarder::to(&server.url).await;
        let more = format!(
            "endpoints = [{:?}]\nsniff = true\nbatch.max_events = 10\n{}",
            forwarder.url,
            bulk(&index)
        );
        let pipe = Pipe::to(server, &more).await;
        check(&pipe.send(&records(0..10)).await.await, Outcome::Delivered, 10);
        forwarder.has_said("publish_address").await;
        // The only endpoint goes; the node behind it has an address of its own.
        forwarder.end().await;
        check(&pipe.send(&records(10..20)).await.await, Outcome::Delivered, 10);
        assert_eq!(pipe.end().await, "");
        assert_eq!(server.count(&index).await, 20);
    }
}

#[tokio::test]
async fn the_highest_version_of_a_document_stays_whatever_the_order() {
    for server in each() {
        let index = unique("versions");
        let more = format!(
            "mode = \"bulk\"\nbulk = {{ index = {index:?}, action = \"index\", version_field = \"v\" }}\n\
             batch.max_events = 1\nrequest.concurrency = 1"
        );
        let pipe = Pipe::to(server, &more).await;
        let sent = [3, 5, 4, 5].map(|version| format!(r#"{{"id":"x","v":{version}}}"#));
        check(&pipe.send(&sent).await.await, Outcome::Delivered, 4);
        assert_eq!(pipe.end().await, "");
        let document = server.done("GET", &format!("/{index}/_doc/x"), "").await;
        assert_eq!(document["_version"], 5);
        assert_eq!(document["_source"]["v"], 5);
    }
}

#[tokio::test]
async fn zstd_is_taken_or_events_wait() {
    for server in each() {
        let index = unique("zstd");
        let pipe = Pipe::to(server, &format!("compression = \"zstd\"\n{}", bulk(&index))).await;
        let mut receipt = pipe.send(&records(0..100)).await;
        if server.product == Product::OpenSearch {
            check(&receipt.await, Outcome::Delivered, 100);
            assert_eq!(server.count(&index).await, 100);
        } else {
            let early = tokio::time::timeout(Duration::from_secs(2), &mut receipt).await;
            assert!(early.is_err(), "events wait");
            pipe.shutdown.abandon();
            check(&receipt.await, Outcome::Errored, 100);
        }
        assert_eq!(pipe.end().await, "");
    }
}
