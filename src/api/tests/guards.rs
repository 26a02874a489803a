//! Who is let in, and by which way.

use super::rig::{Rig, TOKEN, Time, request, served, served_in};

const OPEN: &str = "";

fn guarded() -> String {
    format!("token = '{TOKEN}'")
}

async fn check(rig: &Rig, line: &str, headers: &[&str], status: u16) {
    let answer = rig.ask(line, headers).await;
    assert_eq!(answer.status(), status, "{line} {headers:?}: {}", answer.0);
}

#[test]
fn a_name_that_another_page_has_pointed_here_is_refused() {
    served(OPEN, async |rig| {
        check(&rig, "GET /api/topology", &["host: localhost:8686"], 200).await;
        for host in ["evil.example", "localhost.evil.example:8686", "127.0.0.1.evil.example"] {
            check(&rig, "GET /api/topology", &[&format!("host: {host}")], 421).await;
            check(&rig, "GET /", &[&format!("host: {host}")], 421).await;
            check(&rig, "POST /api/reload", &[&format!("host: {host}")], 421).await;
        }
        assert_eq!(rig.refused("host"), 9);
        check(&rig, "GET http://evil.example/api/topology", &[], 421).await;
        check(&rig, "GET /api/topology", &["host: localhost", "host: evil.example"], 400).await;
        assert_eq!(rig.send("GET /api/topology HTTP/1.0\r\n\r\n").await.status(), 400);
        // A probe gives nothing away, and may be called by any name.
        check(&rig, "GET /health", &["host: pod-7.monitoring.example"], 200).await;
        assert_eq!(rig.send("GET /health HTTP/1.0\r\n\r\n").await.status(), 200);
    });
}

#[test]
fn a_name_of_the_configuration_is_one_of_ours() {
    served("hosts = ['watch.example']", async |rig| {
        check(&rig, "GET /api/topology", &["host: watch.example"], 200).await;
        check(&rig, "GET /api/topology", &["host: evil.example"], 421).await;
    });
}

#[test]
fn what_another_page_sends_is_refused() {
    served(OPEN, async |rig| {
        let own =
            ["host: localhost:1", "origin: http://localhost:1", "sec-fetch-site: same-origin"];
        check(&rig, "GET /api/topology", &own, 200).await;
        for header in ["origin: http://evil.example", "origin: null", "sec-fetch-site: cross-site"]
        {
            check(&rig, "GET /api/topology", &[header], 403).await;
            check(&rig, "GET /api/events", &[header], 403).await;
            check(&rig, "POST /api/reload", &[header, "content-type: application/json"], 403).await;
            check(&rig, "POST /session", &[header, "content-type: application/json"], 403).await;
            check(&rig, "DELETE /session", &[header], 403).await;
        }
        assert_eq!(rig.refused("origin"), 15);
        check(&rig, "GET /", &["sec-fetch-site: cross-site", "sec-fetch-mode: navigate"], 200)
            .await;
    });
}

#[test]
fn a_form_of_another_page_is_no_json() {
    served(OPEN, async |rig| {
        for header in ["content-type: text/plain", "content-type: multipart/form-data", "x: y"] {
            check(&rig, "POST /api/reload", &[header], 415).await;
        }
        assert_eq!(rig.refused("content_type"), 3);
    });
}

#[test]
fn data_need_the_token_where_there_is_one() {
    served(&guarded(), async |rig| {
        for path in ["topology", "status", "problems", "feeds", "events"] {
            check(&rig, &format!("GET /api/{path}"), &[], 401).await;
        }
        check(&rig, "POST /api/reload", &["content-type: application/json"], 401).await;
        let answer =
            rig.ask("GET /api/topology", &["authorization: Bearer nearly-right-one"]).await;
        assert_eq!((answer.status(), rig.refused("token")), (401, 7));
        assert_eq!(answer.json()["error"], "that is not the token");
        check(&rig, "GET /api/topology", &[&format!("authorization: Bearer {TOKEN}")], 200).await;
        for path in ["/", "/assets/app.js", "/assets/style.css", "/health"] {
            check(&rig, &format!("GET {path}"), &[], 200).await;
        }
        check(&rig, "GET /ready", &[], 503).await;
        rig.readiness.set(true);
        check(&rig, "GET /ready", &[], 200).await;
    });
}

#[test]
fn who_guesses_tokens_is_slowed_down() {
    served(&guarded(), async |rig| {
        let mut seen = Vec::new();
        for _ in 0..12 {
            let answer = rig.ask("GET /api/status", &["authorization: Bearer wrong"]).await;
            seen.push(answer.status());
        }
        assert_eq!((seen[0], seen[9], seen[11]), (401, 401, 429));
        assert!(rig.refused("attempts") > 0);
        let body = format!(r#"{{"token":"{TOKEN}"}}"#);
        let login = request("POST /session", &["content-type: application/json"], &body);
        assert_eq!(rig.send(login).await.status(), 429, "the page is no way around");
    });
}

#[test]
fn all_answers_tell_browsers_what_they_may_not_do() {
    served(&guarded(), async |rig| {
        for line in ["GET /", "GET /health", "GET /api/topology", "GET /nothing", "PATCH /"] {
            let answer = rig.ask(line, &[]).await;
            let policy = answer.header("content-security-policy").unwrap_or_default();
            for part in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'"] {
                assert!(policy.contains(part), "{line}: {}", answer.0);
            }
            assert!(!policy.contains("unsafe"), "{policy}");
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("cache-control", "no-store"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
            ] {
                assert_eq!(answer.header(name), Some(value), "{line}");
            }
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    });
}

#[test]
fn a_method_that_is_not_there_is_refused_with_those_that_are() {
    served(OPEN, async |rig| {
        for (line, allowed) in [("POST /api/topology", "GET"), ("GET /session", "POST, DELETE")] {
            let answer = rig.ask(line, &["content-type: application/json"]).await;
            assert_eq!((answer.status(), answer.header("allow")), (405, Some(allowed)), "{line}");
        }
        check(&rig, "GET /nothing", &[], 404).await;
        check(&rig, "OPTIONS /api/reload", &["origin: http://evil.example"], 405).await;
        assert_eq!((rig.refused("method"), rig.refused("path")), (3, 1));
        let answer = rig.ask("HEAD /health", &[]).await;
        assert_eq!((answer.status(), answer.body()), (200, ""));
    });
}

#[test]
fn metrics_beside_the_api_are_guarded_as_it_is() {
    // Port 0 twice is two addresses; the test needs one that is known to both.
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let both = format!(
        "[metrics]\naddress = '127.0.0.1:{port}'\n[api]\naddress = '127.0.0.1:{port}'\ntoken = '{TOKEN}'\n"
    );
    served_in(Time::Real, &both, async |rig| {
        check(&rig, "GET /metrics", &[], 401).await;
        check(&rig, "GET /metrics", &[&format!("authorization: Bearer {TOKEN}")], 200).await;
        check(&rig, "GET /metrics", &["host: evil.example"], 421).await;
    });
    served_in(Time::Real, "[metrics]\naddress = '127.0.0.1:0'\n", async |rig| {
        for path in ["/metrics", "/health"] {
            check(&rig, &format!("GET {path}"), &["host: o365flow.monitoring"], 200).await;
        }
        for path in ["/", "/api/topology", "/session", "/api/events"] {
            check(&rig, &format!("GET {path}"), &[], 404).await;
        }
    });
}
