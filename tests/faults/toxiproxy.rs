//! Toxiproxy, by the scripts in `tests/services`: a proxy for TCP that misbehaves when told to.

use std::{process::Command, sync::OnceLock, time::Duration};

use bytes::Bytes;
use http::Request;
use net::{ClientSettings, HttpClient, Timeouts, Transport, read_body};
use serde_json::{Value, json};

use crate::{
    services::{folder, script},
    target::Target,
};

/// Where proxies listen: below the range from which the system takes the ports of outgoing connections, so that a
/// proxy that is off for a while finds its port free when it comes back.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Ports that are tried until a free one is found.
const PORTS_TRIED_MAX: usize = 50;

/// An answer larger than this is no answer to a test's question.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// A running Toxiproxy.
#[derive(Debug)]
pub(crate) struct Toxiproxy {
    url: String,
}

/// The way to one server.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where it listens: `127.0.0.1:port`. Its name is the same.
    pub(crate) address: String,
}

/// What a direction of a proxy does to every connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Toxic {
    /// Lets so many thousand bytes pass in a second.
    Bandwidth(u64),
    /// Lets one byte pass in a second.
    Drip,
    /// Holds every byte back for so many milliseconds.
    Latency(u64),
    /// Closes a connection after so many bytes.
    LimitData(u64),
    /// Swallows everything; the connections stay, until this is lifted.
    BlackHole,
    /// Resets a connection so many milliseconds after its first byte, and swallows what comes until then.
    Reset(u64),
}

/// One half of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    ToServer,
    ToClient,
}

/// The one that all tests of this process use, each with proxies of its own.
pub(crate) fn toxiproxy() -> &'static Toxiproxy {
    static SERVER: OnceLock<Toxiproxy> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("O365FLOW_TEST_TOXIPROXY_URL") {
        Ok(url) => Toxiproxy { url },
        Err(_) => Toxiproxy::start(),
    })
}

impl Toxiproxy {
    fn start() -> Toxiproxy {
        let output = Command::new(script("toxiproxy-start.sh"))
            .arg(folder("toxiproxy"))
            .env("TOXIPROXY_OWNER_PID", std::process::id().to_string())
            .output()
            .expect("the script runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "toxiproxy does not start: {said}");
        let url = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Toxiproxy { url }
    }

    /// A proxy on 127.0.0.1 to `upstream`, as `host:port`, that does no harm yet.
    pub(crate) async fn proxy(&self, upstream: &str) -> Proxy {
        self.proxy_on("127.0.0.1", upstream).await
    }

    /// As [`Toxiproxy::proxy`], on this loopback address.
    pub(crate) async fn proxy_on(&self, host: &str, upstream: &str) -> Proxy {
        for _ in 0..PORTS_TRIED_MAX {
            let address = format!("{host}:{}", fastrand::u16(PORTS));
            if let Some(proxy) = self.create(&address, upstream).await {
                return proxy;
            }
        }
        panic!("{PORTS_TRIED_MAX} ports of {host} are taken");
    }

    /// The proxy to a target, where the target wants it, in the place of the one that was there before.
    pub(crate) async fn proxy_for(&self, target: &impl Target) -> Proxy {
        let Some(address) = target.proxy_address() else {
            return self.proxy(&target.upstream()).await;
        };
        self.call("DELETE", &format!("/proxies/{address}"), &Value::Null).await;
        self.create(&address, &target.upstream()).await.expect("the address is free")
    }

    async fn create(&self, address: &str, upstream: &str) -> Option<Proxy> {
        let body =
            json!({"name": address, "listen": address, "upstream": upstream, "enabled": true});
        let (status, _) = self.call("POST", "/proxies", &body).await;
        (status == 201).then(|| Proxy { address: address.to_owned() })
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let timeout = Duration::from_secs(30);
        let client = HttpClient::new(&ClientSettings {
            timeouts: Timeouts { headers: timeout, idle: timeout },
            ..ClientSettings::default()
        });
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .body(Bytes::from(body.to_string()))
            .expect("a request");
        let response = client.expect("a client").send(request).await.expect("it answers");
        let status = response.status().as_u16();
        let body = read_body(response.into_body(), ANSWER_BYTES_MAX).await.expect("it answers");
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }
}

impl Proxy {
    /// Lays a toxic on one direction of all connections, those that are open and those to come.
    pub(crate) async fn lay(&self, toxic: Toxic, direction: Direction) {
        let (kind, attributes) = match toxic {
            Toxic::Bandwidth(rate) => ("bandwidth", json!({"rate": rate})),
            Toxic::Drip => ("slicer", json!({"average_size": 1, "delay": 1_000_000})),
            Toxic::Latency(latency) => ("latency", json!({"latency": latency})),
            Toxic::LimitData(bytes) => ("limit_data", json!({"bytes": bytes})),
            Toxic::BlackHole => ("timeout", json!({"timeout": 0})),
            Toxic::Reset(timeout) => ("reset_peer", json!({"timeout": timeout})),
        };
        let stream = match direction {
            Direction::ToServer => "upstream",
            Direction::ToClient => "downstream",
        };
        let body = json!({"type": kind, "stream": stream, "attributes": attributes});
        toxiproxy().done("POST", &format!("/proxies/{}/toxics", self.address), &body).await;
    }

    /// Refuses connections, and closes those that are open.
    pub(crate) async fn refuse(&self) {
        self.set_enabled(false).await;
    }

    /// Ends all harm.
    pub(crate) async fn heal(&self) {
        let proxy =
            toxiproxy().done("GET", &format!("/proxies/{}", self.address), &Value::Null).await;
        // The last one first: one that holds bytes back must be gone before those that pass bytes on to it can be.
        for toxic in proxy["toxics"].as_array().expect("it lists its toxics").iter().rev() {
            let name = toxic["name"].as_str().expect("a toxic has a name");
            let path = format!("/proxies/{}/toxics/{name}", self.address);
            toxiproxy().done("DELETE", &path, &Value::Null).await;
        }
        self.set_enabled(true).await;
    }

    async fn set_enabled(&self, is_enabled: bool) {
        let body = json!({"enabled": is_enabled});
        toxiproxy().done("POST", &format!("/proxies/{}", self.address), &body).await;
    }
}
