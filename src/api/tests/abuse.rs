//! Requests that are too large, too slow or no requests: refused, counted, and nobody else notices.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::rig::{Time, request, served, served_in};

const LOCAL: &str = "[api]\naddress = '127.0.0.1:0'\n";
const JSON: &str = "content-type: application/json";

#[test]
fn what_is_too_large_is_refused() {
    served("", async |rig| {
        let length = format!("content-length: {}", 2 * 1024 * 1024);
        assert_eq!(rig.ask("POST /api/reload", &[JSON, &length]).await.status(), 413);
        let mut chunks = request("POST /api/reload", &[JSON, "transfer-encoding: chunked"], "");
        for _ in 0..20 {
            chunks.extend(["10000\r\n", &"x".repeat(0x10000), "\r\n"]);
        }
        let answer = rig.send(chunks).await;
        assert!([413, 0].contains(&answer.status()), "{}", answer.0);
        assert_eq!(rig.refused("too_large"), 2);
        let header = format!("x: {}", "y".repeat(20_000));
        assert_eq!(rig.ask("GET /health", &[&header]).await.status(), 431);
        let path = format!("GET /{}", "z".repeat(20_000));
        assert!([414, 431].contains(&rig.ask(&path, &[]).await.status()));
        assert_eq!(rig.refused("too_large"), 4);
        let headers: Vec<String> = (0..100).map(|number| format!("x{number}: y")).collect();
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        assert_eq!(rig.ask("GET /health", &headers).await.status(), 431);
        assert_eq!(rig.ask("GET /health", &[]).await.status(), 200);
    });
}

#[test]
fn what_is_no_request_is_refused() {
    served("", async |rig| {
        for bytes in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost localhost\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n",
            b"\0\0\0\0\r\n\r\n",
        ] {
            let answer = rig.send(bytes).await;
            assert!([0, 400].contains(&answer.status()), "{bytes:?}: {}", answer.0);
        }
        assert_eq!(rig.refused("malformed"), 6);
        assert_eq!(rig.ask("GET /api/feeds?limit=1&limit=2", &[]).await.status(), 400);
        assert_eq!(rig.ask("GET /api/feeds?limit=many", &[]).await.status(), 400);
        assert_eq!(rig.ask("GET /api/feeds?limit=100000", &[]).await.status(), 400);
        assert_eq!(rig.refused("invalid"), 3);
    });
}

#[test]
fn who_never_finishes_is_cut() {
    for (sent, status) in [
        ("GET /health HTTP/1.1\r\nhost: l", 0),
        ("", 0),
        (
            "POST /api/reload HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
            408,
        ),
    ] {
        served_in(Time::Paused, LOCAL, async |rig| {
            let mut stream = tokio::net::TcpStream::connect(rig.address).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let found =
                answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
            assert_eq!(found, status, "{sent:?}: {answer}");
            assert!(rig.refused("too_slow") > 0, "{sent:?}");
        });
    }
}

#[test]
fn who_holds_all_connections_does_not_hold_them_for_long() {
    served_in(Time::Paused, LOCAL, async |rig| {
        let mut silent = Vec::new();
        for _ in 0..200 {
            silent.push(tokio::net::TcpStream::connect(rig.address).await.unwrap());
        }
        assert_eq!(rig.ask("GET /health", &[]).await.status(), 200);
    });
}
