use super::*;

const TERMS: Terms = Terms {
    action: Action::Create,
    is_versioned: false,
    names_index: false,
    names_pipeline: false,
};

fn check(body: &str, events: usize, expected: &str) {
    let replies = match parse(body.as_bytes(), events) {
        Err(error) => error.to_string(),
        Ok(replies) => replies
            .iter()
            .map(|reply| format!("{:?} {}", reply.fate(TERMS), reply.reason()))
            .collect::<Vec<_>>()
            .join("; "),
    };
    assert_eq!(replies, expected);
}

#[test]
fn each_item_has_its_own_fate() {
    let body = r#"{"took":3,"errors":true,"items":[
        {"create":{"status":201}},
        {"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"exists"}}},
        {"create":{"status":429,"error":{"type":"cluster_block_exception","reason":null}}},
        {"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"bad \"ip\""}}},
        {"create":{"status":503}}]}"#;
    check(
        body,
        5,
        "Delivered elasticsearch: 201; \
         Repeated elasticsearch: 409 version_conflict_engine_exception: exists; \
         Retry elasticsearch: 429 cluster_block_exception: no reason given; \
         Reject elasticsearch: 400 document_parsing_exception: bad \"ip\"; \
         Retry elasticsearch: 503",
    );
}

fn check_item(terms: Terms, status: u16, kind: &str, reason: &str, expected: ItemFate) {
    let error = Some(Cause { kind: kind.to_owned(), reason: Some(reason.to_owned()) });
    assert_eq!(ItemReply { status, error }.fate(terms), expected, "{status} {kind} {reason}");
}

#[test]
fn what_is_wrong_with_the_cluster_is_not_held_against_the_event() {
    use ItemFate::{Reject, Retry, RetryWhenFixed};
    const PIPELINE: &str = "pipeline with id [x] does not exist";
    for (status, kind, reason, fate) in [
        (429, "cluster_block_exception", "", Retry),
        (403, "cluster_block_exception", "", RetryWhenFixed),
        (403, "security_exception", "", RetryWhenFixed),
        (404, "index_not_found_exception", "", RetryWhenFixed),
        (400, "index_closed_exception", "", RetryWhenFixed),
        (400, "validation_exception", "", RetryWhenFixed),
        (400, "illegal_argument_exception", PIPELINE, RetryWhenFixed),
        (500, "illegal_state_exception", "", Retry),
        (500, "fail_processor_exception", "", Reject),
        (400, "illegal_argument_exception", "unable to convert [x] to integer", Reject),
    ] {
        check_item(TERMS, status, kind, reason, fate);
    }
    let terms = Terms { names_index: true, names_pipeline: true, ..TERMS };
    check_item(terms, 404, "index_not_found_exception", "", Reject);
    check_item(terms, 400, "index_closed_exception", "", Reject);
    check_item(terms, 400, "illegal_argument_exception", PIPELINE, Reject);
    check_item(terms, 403, "security_exception", "", RetryWhenFixed);
}

#[test]
fn a_log_gets_the_type_and_no_reason() {
    let shown = |status, kind: &str| {
        let error = Some(Cause { kind: kind.to_owned(), reason: Some("'geheim'".to_owned()) });
        ItemReply { status, error }.for_log()
    };
    assert_eq!(
        shown(429, "es_rejected_execution_exception"),
        "429 es_rejected_execution_exception"
    );
    let closed = shown(400, "index_closed_exception");
    assert_eq!(closed, "400 index_closed_exception: the index is closed");
}

#[test]
fn a_conflict_is_a_success_for_create_and_for_versions() {
    let check = |terms, expected| {
        check_item(terms, 409, "version_conflict_engine_exception", "", expected);
    };
    check(TERMS, ItemFate::Repeated);
    let index = Terms { action: Action::Index, ..TERMS };
    check(index, ItemFate::Reject);
    check(Terms { is_versioned: true, ..index }, ItemFate::Superseded);
}

#[test]
fn an_answer_that_says_nothing_is_an_error() {
    const START: &str = "the answer is not one to a `_bulk` request: ";
    check("{\"items\":[]}", 1, "the answer has 0 items for 1 events: \"{\\\"items\\\":[]}\"");
    check("", 1, &format!("{START}\"\""));
    check("<html>\n", 1, &format!("{START}\"<html>\\n\""));
    check("{\"items\":[{}]}", 1, &format!("{START}\"{{\\\"items\\\":[{{}}]}}\""));
    check(
        "{\"items\":[{\"a\":{}}]}",
        1,
        &format!("{START}\"{{\\\"items\\\":[{{\\\"a\\\":{{}}}}]}}\""),
    );
    let long = "é".repeat(1000);
    check(&long, 1, &format!("{START}\"{}\"", "é".repeat(200)));
}

#[test]
fn retry_after_is_a_number_or_a_date() {
    let now = DateTime::from_timestamp(784_111_777 - 90, 0).expect("a time");
    assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(retry_after(date, now), Some(Duration::from_secs(90)));
    assert_eq!(retry_after(date, now + chrono::TimeDelta::days(1)), Some(Duration::ZERO));
    assert_eq!(retry_after("soon", now), None);
}

#[test]
fn every_status_has_its_step() {
    for (status, expected) in [
        (400, Step::Split),
        (413, Step::Split),
        (429, Step::Retry),
        (503, Step::Retry),
        (401, Step::RetryWhenFixed),
        (403, Step::RetryWhenFixed),
        (404, Step::RetryWhenFixed),
        (301, Step::RetryWhenFixed),
    ] {
        assert_eq!(step(status), expected, "{status}");
    }
}
