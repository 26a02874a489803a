//! The limits on waiting, in paused time and without a socket.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use net::{Body, BodyError, SendError, Timeouts, Transport, send_within};
use tokio::time::{Instant, sleep};

use crate::peer::get;

/// Answers after `headers`, then gives three chunks, each after `chunk`.
struct Slow {
    headers: Duration,
    chunk: Duration,
}

impl Transport for Slow {
    fn send(&self, _request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        Box::pin(async move {
            sleep(self.headers).await;
            let wait = self.chunk;
            let chunks = futures_util::stream::unfold(0, move |sent| async move {
                sleep(wait).await;
                (sent < 3).then(|| (Ok(Frame::data(Bytes::from_static(b"x"))), sent + 1))
            });
            Ok(Response::new(BodyExt::boxed_unsync(StreamBody::new(chunks))))
        })
    }
}

const TIMEOUTS: Timeouts =
    Timeouts { headers: Duration::from_secs(30), idle: Duration::from_secs(10) };

async fn send(headers_secs: u64, chunk_secs: u64) -> Result<Response<Body>, SendError> {
    let slow =
        Slow { headers: Duration::from_secs(headers_secs), chunk: Duration::from_secs(chunk_secs) };
    send_within(&slow, get("http://example.com/"), TIMEOUTS).await
}

#[tokio::test(start_paused = true)]
async fn limits_the_wait_for_headers() {
    let start = Instant::now();
    assert!(send(31, 0).await.unwrap_err().is_timeout());
    assert_eq!(start.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_may_take_long_while_data_arrives() {
    let body = send(29, 9).await.unwrap().into_body();
    assert_eq!(net::read_body(body, 3).await.unwrap(), "xxx");
}

#[tokio::test(start_paused = true)]
async fn limits_the_wait_between_chunks() {
    let body = send(0, 11).await.unwrap().into_body();
    assert!(matches!(net::read_body(body, 3).await, Err(BodyError::Idle { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_pauses_does_not_make_the_body_late() {
    let mut body = send(0, 9).await.unwrap().into_body();
    for _ in 0..3 {
        sleep(Duration::from_hours(1)).await;
        assert!(body.frame().await.unwrap().is_ok());
    }
}
