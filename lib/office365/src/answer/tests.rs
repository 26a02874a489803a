//! Every code and every shape of an answer, with its class.

use http::HeaderValue;

use super::*;
use crate::af::AF_CODES;

fn answer(status: u16, body: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    Answer::parse(status, &HeaderMap::new(), body.as_bytes(), str::to_owned)
}

fn check(status: u16, body: &str, operation: Operation, class: ErrorClass) {
    let answer = answer(status, body);
    assert_eq!(answer.class(operation), class, "{status} {body}: {answer:?}");
}

const RETRY: ErrorClass = ErrorClass::Retry { after: None };
const THROTTLED: ErrorClass = ErrorClass::Throttled { after: None };

#[test]
fn every_documented_code_has_its_class() {
    let rows = [
        ("AF10001", 401, ErrorClass::MissingPermission),
        ("AF20001", 400, ErrorClass::OurBug),
        ("AF20002", 400, ErrorClass::OurBug),
        ("AF20003", 400, ErrorClass::Misconfigured),
        ("AF20010", 401, ErrorClass::Misconfigured),
        ("AF20011", 404, ErrorClass::Misconfigured),
        ("AF20012", 400, ErrorClass::Misconfigured),
        ("AF20013", 400, ErrorClass::Misconfigured),
        ("AF20020", 400, ErrorClass::Misconfigured),
        ("AF20021", 400, ErrorClass::Misconfigured),
        ("AF20022", 400, ErrorClass::Unsubscribed),
        ("AF20023", 400, ErrorClass::Disabled),
        ("AF20024", 400, ErrorClass::AlreadyEnabled),
        ("AF20030", 400, ErrorClass::WindowRefused),
        ("AF20031", 400, ErrorClass::BadPage),
        ("AF20050", 404, ErrorClass::Lost),
        ("AF20051", 400, ErrorClass::Lost),
        ("AF20052", 400, ErrorClass::Lost),
        ("AF20053", 400, ErrorClass::OurBug),
        ("AF20054", 400, ErrorClass::OurBug),
        ("AF20055", 400, ErrorClass::WindowRefused),
        ("AF429", 403, THROTTLED),
        ("AF50000", 500, RETRY),
        ("AF50005", 500, RETRY),
        ("AF50006", 500, RETRY),
    ];
    for (code, status, class) in rows {
        let body = format!(r#"{{"error":{{"code":"{code}","message":"Some wording."}}}}"#);
        check(status, &body, Operation::ListContent, class);
        // The code decides, whatever the status.
        check(503, &body, Operation::FetchBlob, class);
        let answer = answer(status, &body);
        assert_eq!(answer.to_string(), format!("the API answered {status} {code}: Some wording."));
        let hint = answer.hint().unwrap();
        assert!(!hint.cause.is_empty() && !hint.fix.is_empty());
    }
    assert_eq!(
        rows.map(|(code, ..)| code).as_slice(),
        AF_CODES.iter().map(|row| row.code).collect::<Vec<_>>()
    );
}

#[test]
fn finds_the_code_in_every_shape_of_body() {
    for body in [
        r#"{"error":{"code":"AF20022","message":"x"}}"#,
        r#"{"Error":{"Code":"af20022"}}"#,
        r#"{"code":"AF20022","message":"x"}"#,
        "\u{feff}{'error':{'code':'AF20022','message':'The tenant's thing.'}}",
        r#"{"error":{"code":"AF20022","message":"cut off"#,
    ] {
        check(400, body, Operation::ListContent, ErrorClass::Unsubscribed);
    }
    let off = "DataServiceException: Tenant 0b7a1f7e-58d9-4c9c-8b1a-9f2f9d6c2d11 does not exist.";
    check(400, off, Operation::StartSubscription, ErrorClass::Misconfigured);
    assert!(answer(400, off).hint().unwrap().fix.contains("turn on auditing"));
}

#[test]
fn without_a_code_the_status_decides() {
    let denied = r#"{"Message":"Authorization has been denied for this request."}"#;
    check(401, denied, Operation::ListContent, ErrorClass::Unauthorized);
    assert!(answer(401, denied).to_string().ends_with("denied for this request."));
    let page = "<html><head><title>Error</title></head>\r\n<body>Bad Gateway</body></html>";
    for status in [408, 500, 502, 503, 504] {
        check(status, page, Operation::ListContent, RETRY);
        check(status, "", Operation::ListContent, RETRY);
    }
    for status in [301, 302, 403, 404, 407] {
        check(status, page, Operation::ListContent, ErrorClass::Misconfigured);
    }
    check(404, page, Operation::FetchBlob, RETRY);
    check(400, "", Operation::ListContent, ErrorClass::OurBug);
    check(400, r#"{"error":{"code":"AF20099"}}"#, Operation::ListContent, ErrorClass::OurBug);
    check(400, r#"{"error":{"code":"AF50099"}}"#, Operation::ListContent, RETRY);
    check(429, "slow down", Operation::ListContent, THROTTLED);
    assert_eq!(answer(400, r#"{"error":"invalid"}"#).message, "invalid");
}

#[test]
fn honours_the_wait_that_the_server_asks_for() {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_static(" 7 "));
    let after = Some(Duration::from_secs(7));
    for (status, class) in
        [(429, ErrorClass::Throttled { after }), (503, ErrorClass::Retry { after })]
    {
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer::parse(status, &headers, b"", str::to_owned);
        assert_eq!(answer.class(Operation::ListContent), class);
    }
    for (text, date, wait) in [
        ("Thu, 01 Jan 2026 00:10:00 GMT", Some("Thu, 01 Jan 2026 00:00:00 GMT"), Some(600)),
        ("Thu, 01 Jan 2026 00:00:00 GMT", Some("Thu, 01 Jan 2026 00:10:00 GMT"), Some(0)),
        ("Fri, 01 Jan 2100 00:00:00 GMT", Some("Thu, 01 Jan 2026 00:10:00 GMT"), Some(3600)),
        ("Thu, 01 Jan 2026 00:10:00 GMT", None, None),
        ("soon", Some("Thu, 01 Jan 2026 00:00:00 GMT"), None),
        ("-1", Some("Thu, 01 Jan 2026 00:00:00 GMT"), None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
        date.map(|date| headers.insert("date", HeaderValue::from_static(date)));
        assert_eq!(retry_after(&headers), wait.map(Duration::from_secs), "{text} {date:?}");
    }
    headers.insert(RETRY_AFTER, HeaderValue::from_static("99999999999"));
    assert_eq!(retry_after(&headers), Some(RETRY_AFTER_MAX));
    let throttled = answer(429, "retry after 14m56s").class(Operation::StartSubscription);
    assert_eq!(throttled, ErrorClass::Throttled { after: Some(START_PAUSE) });
}
