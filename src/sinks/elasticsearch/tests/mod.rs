//! The sink against a server that answers by a script.

mod logs;
mod problems;

use std::{
    collections::{HashMap, VecDeque},
    io::Read,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use flate2::read::GzDecoder;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use net::{Body, SendError, SendErrorKind, Transport, full_body};
use pipeline_core::{Fates, Outcome, Sink, testing::DeadLettersInMemory};
use proptest::prelude::*;
use tokio::time::Instant;

use super::Config;
use crate::sinks::testing::{context, run_to_end};

#[derive(Clone, Debug)]
enum Reply {
    /// The items' statuses, in a 200.
    Items(&'static [u16]),
    Status(u16, &'static str),
    After(u16, &'static str),
    NoConnection,
    /// The items' statuses over and over, for as many items as were sent.
    Cycle(Vec<u16>),
}

/// Answers by a script and keeps what it was sent.
#[derive(Default)]
struct Server {
    script: Mutex<VecDeque<Reply>>,
    seen: Mutex<Vec<String>>,
    /// How often the server said of each event that it has it, or never will.
    words: Mutex<HashMap<String, usize>>,
    /// It has answered item by item. A 400 before is no word on an event.
    is_understood: AtomicBool,
}

/// Whether nothing more is to be said of an event with this status.
fn is_final(status: u16) -> bool {
    !matches!(status, 429 | 500..=599)
}

fn items(statuses: impl Iterator<Item = u16>) -> Response<Body> {
    let item = |status: u16| match status {
        200..=299 => format!(r#"{{"create":{{"status":{status}}}}}"#),
        _ => format!(r#"{{"create":{{"status":{status},"error":{{"type":"t","reason":"r"}}}}}}"#),
    };
    let items: Vec<String> = statuses.map(item).collect();
    response(200, format!(r#"{{"errors":true,"items":[{}]}}"#, items.join(",")))
}

impl Server {
    fn word(&self, id: &str) {
        *self.words.lock().unwrap().entry(id.to_owned()).or_default() += 1;
    }
}

impl Transport for Server {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        let mut body = String::new();
        let sent = &request.body()[..];
        let encoding = request.headers().get("content-encoding");
        match encoding.map(|value| value.to_str().expect("text")) {
            Some("gzip") => {
                GzDecoder::new(sent).read_to_string(&mut body).expect("it is gzip");
            }
            Some("zstd") => {
                let plain = zstd::decode_all(sent).expect("it is zstd");
                body = String::from_utf8(plain).expect("it is text");
            }
            _ => body = String::from_utf8(sent.to_vec()).expect("it is text"),
        }
        let id = |line: &'_ str| line.split('"').rev().nth(1).unwrap_or("?").to_owned();
        let ids: Vec<String> = body.lines().step_by(2).map(id).collect();
        let host = request.uri().host().unwrap_or_default();
        self.seen.lock().unwrap().push(format!("{host}: {}", ids.join(" ")));
        let next = self.script.lock().unwrap().pop_front();
        let response = match next.unwrap_or(Reply::Cycle(vec![201])) {
            Reply::NoConnection => Err(SendError::new(SendErrorKind::Connect, host)),
            Reply::Status(status, body) => {
                let is_word = match status {
                    400 => self.is_understood.load(Ordering::Relaxed),
                    413 => true,
                    _ => false,
                };
                if ids.len() == 1 && is_word {
                    self.word(&ids[0]);
                }
                Ok(response(status, body.to_owned()))
            }
            Reply::After(status, after) => {
                let mut response = response(status, String::new());
                response.headers_mut().insert("retry-after", after.parse().expect("a header"));
                Ok(response)
            }
            Reply::Items(statuses) => Ok(items(statuses.iter().copied())),
            Reply::Cycle(statuses) => {
                self.is_understood.store(true, Ordering::Relaxed);
                let statuses: Vec<u16> = statuses.into_iter().cycle().take(ids.len()).collect();
                for (id, status) in ids.iter().zip(&statuses) {
                    if is_final(*status) {
                        self.word(id);
                    }
                }
                Ok(items(statuses.into_iter()))
            }
        };
        Box::pin(std::future::ready(response))
    }
}

fn response(status: u16, body: String) -> Response<Body> {
    Response::builder().status(status).body(full_body(body)).expect("a response")
}

struct Outcomes {
    fates: Fates,
    words: HashMap<String, usize>,
    seen: Vec<String>,
    dead_letters: Arc<DeadLettersInMemory>,
    elapsed: Duration,
}

impl Outcomes {
    fn reasons(&self) -> Vec<String> {
        self.dead_letters.letters().into_iter().map(|letter| letter.reason).collect()
    }
}

fn config(more: &str) -> Config {
    if more.contains("endpoints") {
        return toml::from_str(&format!("id_field = \"id\"\n{more}")).expect("it parses");
    }
    let text = format!(
        "endpoints = [\"http://one:9200\", \"http://two:9200\"]\nendpoint_selection = \"failover\"\n\
         id_field = \"id\"\n{more}"
    );
    toml::from_str(&text).expect("it parses")
}

/// Sends events with the ids 0, 1 and so on.
async fn run(more: &str, events: usize, script: Vec<Reply>) -> Outcomes {
    let server = Arc::new(Server { script: Mutex::new(script.into()), ..Server::default() });
    let (context, dead_letters) = context();
    let sink: Box<dyn Sink> =
        Box::new(config(more).sink(server.clone(), context).expect("it builds"));
    let records: Vec<String> = (0..events).map(|id| format!("{{\"id\":\"{id}\"}}")).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let start = Instant::now();
    let fates = run_to_end(sink, &records).await;
    let seen = server.seen.lock().unwrap().clone();
    let words = server.words.lock().unwrap().clone();
    Outcomes { fates, words, seen, dead_letters, elapsed: start.elapsed() }
}

/// What Elasticsearch says of a request that it cannot read.
const BAD: &str = r#"{"error":{"type":"illegal_argument_exception","reason":"no"},"status":400}"#;

const DELIVERED: Outcome = Outcome::Delivered;
const REJECTED: Outcome = Outcome::Rejected;

#[tokio::test(start_paused = true)]
async fn only_what_was_refused_for_now_is_sent_again() {
    let script = vec![
        Reply::Items(&[201, 409, 429, 400, 503]),
        Reply::Items(&[429, 201]),
        Reply::Items(&[201]),
    ];
    let outcomes = run("", 5, script).await;
    assert_eq!(outcomes.seen, ["one: 0 1 2 3 4", "one: 2 4", "one: 2"]);
    assert_eq!(outcomes.fates.outcomes(), [DELIVERED, DELIVERED, DELIVERED, REJECTED, DELIVERED]);
    assert_eq!(outcomes.reasons(), ["elasticsearch: 400 t: r"]);
    assert_eq!(outcomes.dead_letters.letters()[0].payload, b"{\"id\":\"3\"}");
}

#[tokio::test(start_paused = true)]
async fn however_it_is_compressed_the_same_is_sent() {
    for compression in ["none", "gzip", "zstd"] {
        let more = format!("compression = {compression:?}");
        let outcomes = run(&more, 2, vec![Reply::Items(&[201, 201])]).await;
        assert_eq!(outcomes.seen, ["one: 0 1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_does_not_answer_is_left_for_the_next() {
    let script = vec![Reply::NoConnection, Reply::NoConnection, Reply::Items(&[201])];
    let outcomes = run("", 1, script).await;
    assert_eq!(outcomes.seen, ["one: 0", "two: 0", "one: 0"]);
    assert_eq!(outcomes.fates.outcomes(), [DELIVERED]);
    let outcomes = run("", 1, vec![Reply::NoConnection, Reply::Items(&[201])]).await;
    assert_eq!(outcomes.seen, ["one: 0", "two: 0"]);
    assert!(outcomes.elapsed <= Duration::from_secs(1), "the other is asked at once");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_makes_no_sense_says_nothing_of_any_event() {
    let script = vec![
        Reply::Items(&[201]),
        Reply::Status(200, "<html>"),
        Reply::Status(200, "{}"),
        Reply::Status(200, ""),
        Reply::Status(200, "\u{1f}\u{8b}\u{8}garbage"),
        Reply::Status(200, r#"{"took":3,"errors":false,"items":[{"create":{"status":201}},{"cre"#),
        Reply::Items(&[201, 201, 400]),
        Reply::Items(&[409, 201]),
    ];
    let outcomes = run("endpoints = [\"http://one:9200\"]", 2, script).await;
    assert_eq!(outcomes.seen, ["one: 0 1"; 8]);
    assert_eq!(outcomes.fates.outcomes(), [DELIVERED; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_too_large_or_spoilt_is_halved_down_to_the_culprit() {
    let script = vec![
        Reply::Status(413, ""),
        Reply::Items(&[201, 201]),
        Reply::Status(400, BAD),
        Reply::Status(400, BAD),
        Reply::Items(&[201]),
    ];
    let outcomes = run("", 4, script).await;
    assert_eq!(outcomes.seen, ["one: 0 1 2 3", "one: 0 1", "one: 2 3", "one: 2", "one: 3"]);
    assert_eq!(outcomes.fates.outcomes(), [DELIVERED, DELIVERED, REJECTED, DELIVERED]);
    assert_eq!(
        outcomes.reasons(),
        ["`_bulk` answered 400 Bad Request: illegal_argument_exception: no"]
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_tried_again_slowly_until_they_are_right() {
    let script = vec![Reply::Status(401, ""), Reply::Status(403, ""), Reply::Items(&[201])];
    let outcomes = run("", 1, script).await;
    assert_eq!(outcomes.fates.outcomes(), [DELIVERED]);
    assert!(outcomes.elapsed >= Duration::from_mins(2), "{:?}", outcomes.elapsed);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_refuses_the_request_as_such_condemns_no_event() {
    let page = "<html>400 The plain HTTP request was sent to HTTPS port</html>";
    let script = vec![Reply::Status(400, page), Reply::Status(400, ""), Reply::Items(&[201, 201])];
    let outcomes = run("", 2, script).await;
    assert_eq!(outcomes.seen, ["one: 0 1"; 3]);
    assert_eq!(outcomes.fates.outcomes(), [DELIVERED; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_understood_nothing_yet_condemns_no_event() {
    let unrecognized =
        r#"{"error":{"type":"illegal_argument_exception","reason":"unrecognized parameter"}}"#;
    let script = vec![Reply::Status(400, unrecognized), Reply::Items(&[201, 400])];
    let outcomes = run("", 2, script).await;
    assert_eq!(outcomes.seen, ["one: 0 1"; 2]);
    assert_eq!(outcomes.fates.outcomes(), [DELIVERED, REJECTED]);
    assert!(outcomes.elapsed >= Duration::from_mins(1), "{:?}", outcomes.elapsed);
}

#[tokio::test(start_paused = true)]
async fn the_servers_retry_after_is_honoured() {
    let script = vec![Reply::After(429, "90"), Reply::Items(&[201])];
    let outcomes = run("", 1, script).await;
    assert!(outcomes.elapsed >= Duration::from_secs(90), "{:?}", outcomes.elapsed);
    let script = vec![Reply::After(503, ""), Reply::Items(&[201])];
    let outcomes = run("batch.timeout = \"0s\"", 1, script).await;
    assert!(outcomes.elapsed <= Duration::from_secs(2), "{:?}", outcomes.elapsed);
}

#[tokio::test(start_paused = true)]
async fn an_index_action_takes_a_conflict_for_a_refusal() {
    let more = "mode = \"bulk\"\nbulk = { index = \"o365\", action = \"index\" }";
    let outcomes = run(more, 1, vec![Reply::Items(&[409])]).await;
    assert_eq!(outcomes.fates.outcomes(), [REJECTED]);
}

#[tokio::test(start_paused = true)]
async fn credentials_that_a_proxy_sends_back_are_shown_to_nobody() {
    let more = "auth = { strategy = \"basic\", user = \"u\", password = \"secret\" }";
    let echo = r#"{"error":{"type":"t","reason":"you sent Basic dTpzZWNyZXQ="}}"#;
    let more = format!("{more}\nbatch.max_events = 1\nrequest.concurrency = 1");
    let script = vec![Reply::Items(&[201]), Reply::Status(400, echo)];
    let outcomes = run(&more, 2, script).await;
    assert_eq!(
        outcomes.reasons(),
        ["`_bulk` answered 400 Bad Request: t: you sent Basic [redacted]"]
    );
}

#[tokio::test(start_paused = true)]
async fn requests_are_spread_over_the_endpoints() {
    let more = "endpoints = [\"http://one:9200\", \"http://two:9200\"]\nbatch.max_events = 1\n\
                request.concurrency = 1";
    let outcomes = run(more, 4, vec![]).await;
    assert_eq!(outcomes.seen, ["one: 0", "two: 1", "one: 2", "two: 3"]);
    // A server that has too much to do is not ill.
    let outcomes = run(more, 3, vec![Reply::Status(429, ""), Reply::Status(429, "")]).await;
    assert_eq!(outcomes.seen, ["one: 0", "two: 0", "one: 0", "two: 1", "one: 2"]);
    // One that answers for a server which is not there is.
    let outcomes = run(more, 3, vec![Reply::Status(502, "<html>")]).await;
    assert_eq!(outcomes.seen[..2], ["one: 0", "two: 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_know_zstd_condemns_no_event() {
    let garbled = r#"{"error":{"type":"x_content_parse_exception","reason":"(\u00b5/"}}"#;
    let script = vec![Reply::Status(400, garbled), Reply::Items(&[201]), Reply::Status(400, BAD)];
    let more = "compression = \"zstd\"\nbatch.max_events = 1\nrequest.concurrency = 1";
    let outcomes = run(more, 2, script).await;
    assert_eq!(outcomes.seen, ["one: 0", "one: 0", "one: 1"]);
    assert_eq!(outcomes.fates.outcomes(), [DELIVERED, REJECTED], "once it is known, it counts");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_there_already_counts_as_delivered() {
    let more =
        "mode = \"bulk\"\nbulk = { index = \"o365\", action = \"index\", version_field = \"id\" }";
    let server = Arc::new(Server::default());
    server.script.lock().unwrap().push_back(Reply::Items(&[409, 201, 400]));
    let (context, _) = context();
    let sink = config(more).sink(server.clone(), context).expect("it builds");
    let records = [r#"{"n":1,"id":1}"#, r#"{"n":2,"id":2}"#, r#"{"n":3,"id":3}"#];
    let fates = run_to_end(Box::new(sink), &records).await;
    assert_eq!(fates.outcomes(), [DELIVERED, DELIVERED, REJECTED]);
}

fn reply() -> impl Strategy<Value = Reply> {
    let statuses = prop::sample::select(vec![200, 201, 400, 403, 404, 409, 429, 500, 503]);
    let wholes = prop::sample::select(vec![301, 400, 401, 404, 408, 413, 429, 500, 503]);
    prop_oneof![
        4 => prop::collection::vec(statuses, 1..6).prop_map(Reply::Cycle),
        2 => wholes.prop_map(|status| Reply::Status(status, if status == 400 { BAD } else { "" })),
        1 => Just(Reply::NoConnection),
        1 => Just(Reply::Status(200, "{\"items\":[]}")),
        1 => Just(Reply::After(503, "5")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_answered_every_event_is_settled_once_by_the_servers_word(
        script in prop::collection::vec(reply(), 0..30),
        events in 1_usize..30,
        batch in 1_usize..10,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let more = format!("batch.max_events = {batch}\ncompression = \"none\"");
        let outcomes = runtime.block_on(run(&more, events, script));
        prop_assert_eq!(outcomes.words.len(), events, "the server has a word on every event");
        prop_assert!(outcomes.words.values().all(|&times| times == 1), "and is asked no more");
        let letters = outcomes.dead_letters.letters();
        let outcomes = outcomes.fates.outcomes();
        for (id, outcome) in outcomes.iter().enumerate() {
            let payload = format!("{{\"id\":\"{id}\"}}").into_bytes();
            let kept = letters.iter().filter(|letter| letter.payload == payload).count();
            match outcome {
                Outcome::Delivered => prop_assert_eq!(kept, 0),
                Outcome::Rejected => prop_assert_eq!(kept, 1),
                Outcome::Filtered | Outcome::Errored => prop_assert!(false, "{:?}", outcome),
            }
        }
    }
}
