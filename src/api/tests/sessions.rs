//! The page's way in: the token once, then a cookie.

use super::rig::{TOKEN, request, served};

const JSON: &str = "content-type: application/json";

fn login(token: &str) -> String {
    request("POST /session", &[JSON], &format!(r#"{{"token":"{token}"}}"#))
}

#[test]
fn the_cookie_is_no_token_and_ends_with_the_session() {
    served(&format!("token = '{TOKEN}'"), async |rig| {
        let answer = rig.send(login(TOKEN)).await;
        let cookie = answer.header("set-cookie").unwrap().to_owned();
        for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        assert!(answer.status() == 204 && !answer.0.contains(TOKEN), "{}", answer.0);
        assert!(!cookie.contains("Secure"), "a browser would not send it back in clear text");
        let pair = cookie.split(';').next().unwrap();
        let header = format!("cookie: theme=dark; {pair}");
        assert_eq!(rig.ask("GET /api/topology", &[&header]).await.status(), 200);
        let other = header.replace(|letter: char| letter.is_ascii_digit(), "0");
        assert_eq!(rig.ask("GET /api/topology", &[&other]).await.status(), 401);
        let answer = rig.ask("DELETE /session", &[&header]).await;
        assert!(answer.status() == 204 && answer.0.contains("Max-Age=0"), "{}", answer.0);
        let answer = rig.ask("GET /api/topology", &[&header]).await;
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.json()["fix"], "the session is over: give the token again");
    });
}

#[test]
fn what_is_no_login_opens_nothing() {
    served(&format!("token = '{TOKEN}'"), async |rig| {
        for (body, status) in [
            (r#"{"token":"wrong"}"#, 401),
            (r#"{"token":5}"#, 400),
            (r#"{"token":"secret-in-a-typo"#, 400),
            (r#"{"token":"a","admin":true}"#, 400),
            ("[]", 400),
        ] {
            let answer = rig.send(request("POST /session", &[JSON], body)).await;
            assert_eq!(answer.status(), status, "{body}: {}", answer.0);
            assert!(!answer.0.contains("set-cookie") && !answer.0.contains("typo"), "{}", answer.0);
        }
    });
}

#[test]
fn without_a_token_there_are_no_sessions() {
    served("", async |rig| {
        let answer = rig.send(login("anything")).await;
        assert_eq!((answer.status(), answer.header("set-cookie")), (204, None));
    });
}
