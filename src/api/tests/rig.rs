//! The listeners on loopback, on one thread with metrics of its own, and a caller that writes each byte itself.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use metrics_exporter_prometheus::PrometheusBuilder;
use pipeline_core::{Clock, Timestamp, testing::ManualClock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::super::{FeedSources, Listeners, Readiness, Watched};
use crate::{
    config::Global,
    live::{Live, ReloadRequests},
    telemetry::{Metrics, Problems},
};

pub(super) const TOKEN: &str = "correct-horse-battery";

/// What is served, and by whom it can be changed.
pub(super) struct Rig {
    pub(super) address: SocketAddr,
    pub(super) live: Live,
    pub(super) reloads: ReloadRequests,
    pub(super) problems: Problems,
    pub(super) readiness: Readiness,
    pub(super) metrics: Metrics,
    _serving: JoinSet<Infallible>,
}

/// Whether waiting takes its time.
#[derive(Clone, Copy)]
pub(super) enum Time {
    Real,
    /// It passes as soon as nobody has anything to do: every timeout is over at once.
    Paused,
}

/// Runs `test` while the API is served as `[api]` with `api` says.
pub(super) fn served(api: &str, test: impl AsyncFnOnce(Rig)) {
    served_in(Time::Real, &format!("[api]\naddress = '127.0.0.1:0'\n{api}"), test);
}

pub(super) fn served_in(time: Time, config: &str, test: impl AsyncFnOnce(Rig)) {
    let global: Global = toml::from_str(config).unwrap();
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = Metrics::of(&recorder);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    if matches!(time, Time::Paused) {
        runtime.start_paused(true);
    }
    let runtime = runtime.enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let rig = Rig::start(&global, metrics).await;
            test(rig).await;
        });
    });
}

impl Rig {
    async fn start(global: &Global, metrics: Metrics) -> Rig {
        let (live, reloads) = Live::new();
        let clock: Arc<dyn Clock> = ManualClock::new(Timestamp::default());
        let problems = Problems::new(Arc::clone(&clock));
        let readiness = Readiness::default();
        let watched = Watched {
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            live: live.clone(),
            problems: problems.clone(),
            feeds: FeedSources::default(),
            clock,
        };
        let listeners = Listeners::bind(global, watched).await.unwrap();
        let address = listeners.addresses()[0];
        let mut serving = JoinSet::new();
        serving.spawn(listeners.serve());
        Rig { address, live, reloads, problems, readiness, metrics, _serving: serving }
    }

    /// Sends these bytes and gives all that comes back.
    pub(super) async fn send(&self, bytes: impl AsRef<[u8]>) -> Answered {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // Whoever is refused early may find the connection closed.
        drop(stream.write_all(bytes.as_ref()).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        Answered(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Sends a request with these header lines.
    pub(super) async fn ask(&self, line: &str, headers: &[&str]) -> Answered {
        self.send(request(line, headers, "")).await
    }

    /// Starts a request, to read its answer bit by bit.
    pub(super) async fn open(&self, line: &str, headers: &[&str]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request(line, headers, "").as_bytes()).await.unwrap();
        stream
    }

    /// How often requests were refused for this reason.
    pub(super) fn refused(&self, reason: &str) -> u64 {
        self.metrics.snapshot().sum("api_refused_requests_total", &[("reason", reason)])
    }
}

/// A request as it is written. Without a `host` among `headers` it is `localhost`.
pub(super) fn request(line: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!("{line} HTTP/1.1\r\n");
    if !headers.iter().any(|header| header.to_lowercase().starts_with("host:")) {
        text.push_str("host: localhost\r\n");
    }
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        text.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
    }
    format!("{text}\r\n{body}")
}

/// An answer as it was written.
pub(super) struct Answered(pub(super) String);

impl Answered {
    /// 0 where there was none.
    pub(super) fn status(&self) -> u16 {
        self.0.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.0.split_once("\r\n\r\n")?;
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(super) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.body()).unwrap_or_else(|error| panic!("{error} in {}", self.0))
    }
}

/// Reads until `wanted` was read, and gives all that was.
pub(super) async fn read_until(stream: &mut (impl AsyncReadExt + Unpin), wanted: &str) -> String {
    let (mut read, mut buffer) = (Vec::new(), vec![0; 65536]);
    loop {
        let text = String::from_utf8_lossy(&read);
        if text.contains(wanted) {
            return text.into_owned();
        }
        let bytes = stream.read(&mut buffer).await.unwrap();
        assert!(bytes > 0, "the answer ends without `{wanted}`: {text}");
        read.extend_from_slice(&buffer[..bytes]);
    }
}
