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

/// Answers after `headers`, then gives `chunks` chunks of `bytes` bytes, each after `chunk`.
struct Slow {
    headers: Duration,
    chunk: Duration,
    chunks: usize,
    bytes: usize,
}

impl Transport for Slow {
    fn send(&self, _request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        Box::pin(async move {
            sleep(self.headers).await;
            let (wait, count, bytes) = (self.chunk, self.chunks, self.bytes);
            let chunks = futures_util::stream::unfold(0, move |sent| async move {
                sleep(wait).await;
                (sent < count).then(|| (Ok(Frame::data(vec![b'x'; bytes].into())), sent + 1))
            });
            Ok(Response::new(BodyExt::boxed_unsync(StreamBody::new(chunks))))
        })
    }
}

const TIMEOUTS: Timeouts =
    Timeouts { headers: Duration::from_secs(30), idle: Duration::from_secs(10) };

async fn send(headers_secs: u64, chunk_secs: u64) -> Result<Response<Body>, SendError> {
    send_chunks(headers_secs, chunk_secs, 3, 1).await
}

async fn send_chunks(
    headers_secs: u64,
    chunk_secs: u64,
    chunks: usize,
    bytes: usize,
) -> Result<Response<Body>, SendError> {
    let (headers, chunk) = (Duration::from_secs(headers_secs), Duration::from_secs(chunk_secs));
    let slow = Slow { headers, chunk, chunks, bytes };
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

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_ends_and_a_big_one_has_its_time() {
    let start = Instant::now();
    let body = send_chunks(0, 9, 1_000_000, 1).await.unwrap().into_body();
    let read = net::read_body(body, 1_000_000).await;
    assert!(matches!(read, Err(BodyError::Drips { bytes: 12, .. })), "{read:?}");
    assert_eq!(start.elapsed(), Duration::from_secs(108));
    // A megabyte at a little more than a kilobyte a second takes a quarter of an hour.
    let body = send_chunks(0, 9, 100, 10_000).await.unwrap().into_body();
    assert_eq!(net::read_body(body, 1_000_000).await.unwrap().len(), 1_000_000);
    assert!(start.elapsed() > Duration::from_mins(15));
}
