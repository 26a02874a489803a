//! The client against peers that answer well and badly.

use std::time::Duration;

use net::{
    BodyError, ClientSettings, HttpClient, SendErrorKind, Timeouts, Transport, read_body,
    read_body_prefix,
};

use crate::peer::{Peer, Then, chain, get};

fn client() -> HttpClient {
    let wait = Duration::from_millis(200);
    let timeouts = Timeouts { headers: wait, idle: wait };
    HttpClient::new(&ClientSettings { timeouts, ..ClientSettings::default() }).unwrap()
}

async fn check_send_error(reply: &str, then: Then, kind: SendErrorKind) {
    let peer = Peer::start(reply, then).await;
    let error = client().send(peer.request()).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{reply:?}");
    assert_eq!(error.host(), "127.0.0.1");
    assert!(!chain(&error).contains("hunter2"), "{}", chain(&error));
}

#[tokio::test]
async fn reads_a_body_within_its_limit() {
    let peer = Peer::start("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Then::Close).await;
    let response = client().send(peer.request()).await.unwrap();
    assert_eq!(read_body(response.into_body(), 5).await.unwrap(), "hello");
}

#[tokio::test]
async fn gives_up_on_a_body_over_its_limit() {
    let peer = Peer::start("HTTP/1.1 200 OK\r\n\r\nhello", Then::Close).await;
    let response = client().send(peer.request()).await.unwrap();
    let read = read_body(response.into_body(), 4).await;
    assert!(matches!(read, Err(BodyError::TooLarge { bytes_max: 4 })), "{read:?}");
    let response = client().send(peer.request()).await.unwrap();
    assert_eq!(read_body_prefix(response.into_body(), 4).await, "hell");
}

#[tokio::test]
async fn classifies_what_kept_the_response_away() {
    check_send_error("", Then::Hang, SendErrorKind::Timeout).await;
    check_send_error("", Then::Close, SendErrorKind::Closed).await;
    check_send_error("HTTP/1.1 200", Then::Close, SendErrorKind::Closed).await;
    check_send_error("SSH-2.0-OpenSSH_9.6\r\n\r\n", Then::Close, SendErrorKind::Protocol).await;
    let headers = "X-Filler: 1\r\n".repeat(200);
    let huge = format!("X-Filler: {}\r\n", "1".repeat(1_000_000));
    for bomb in [headers, huge, "X-Filler: 1\r\n".repeat(1_000_000)] {
        let reply = format!("HTTP/1.1 200 OK\r\n{bomb}\r\n");
        check_send_error(&reply, Then::Hang, SendErrorKind::Protocol).await;
    }
}

#[tokio::test]
async fn says_when_nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client().send(get(&format!("http://{address}/"))).await.unwrap_err();
    assert!(error.is_connect(), "{}", chain(&error));
}

#[tokio::test]
async fn tells_a_cut_transfer_from_a_whole_one() {
    let peer = Peer::start("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", Then::Close).await;
    let response = client().send(peer.request()).await.unwrap();
    let read = read_body(response.into_body(), 100).await;
    assert!(matches!(read, Err(BodyError::Transfer { .. })), "{read:?}");
}

#[tokio::test]
async fn gives_up_on_a_body_that_stalls() {
    let peer = Peer::start("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", Then::Hang).await;
    let response = client().send(peer.request()).await.unwrap();
    let read = read_body(response.into_body(), 100).await;
    assert!(matches!(read, Err(BodyError::Idle { .. })), "{read:?}");
}

#[tokio::test]
async fn does_not_follow_redirects() {
    let reply = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let peer = Peer::start(reply, Then::Close).await;
    let response = client().send(peer.request()).await.unwrap();
    assert_eq!(response.status(), 302);
}
