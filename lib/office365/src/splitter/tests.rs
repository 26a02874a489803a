//! Elements come out whole, however the body is cut; nothing that is not a whole array passes for one.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

/// Feeds `body` in chunks of `chunk_bytes` and prints what comes out, one line an element or fault.
fn split(body: &[u8], chunk_bytes: usize, record_bytes_max: usize) -> Vec<String> {
    let mut splitter = RecordSplitter::new(record_bytes_max);
    let mut lines = Vec::new();
    for chunk in body.chunks(chunk_bytes.max(1)) {
        splitter.push(Bytes::copy_from_slice(chunk));
        while let Some(item) = splitter.pop() {
            lines.push(match item {
                Ok(record) => String::from_utf8_lossy(&record).into_owned(),
                Err(fault) => fault_line(&fault),
            });
        }
    }
    match splitter.finish() {
        Ok(()) if splitter.is_complete() => lines.push("complete".to_owned()),
        Ok(()) => {}
        Err(fault) => lines.push(fault_line(&fault)),
    }
    lines
}

fn fault_line(fault: &SplitFault) -> String {
    match fault {
        // How much of the start is shown depends on the chunk.
        SplitFault::NotAnArray { .. } => "not an array".to_owned(),
        SplitFault::TooLarge { prefix, .. } => format!("{fault}: {}", prefix.len()),
        SplitFault::NotAnObject { value, .. } => {
            format!("{fault}: {}", String::from_utf8_lossy(value))
        }
        fault => fault.to_string(),
    }
}

/// Whatever the chunks, the outcome is the same.
fn check(body: &[u8], expected: &[&str]) {
    for chunk_bytes in 1..=body.len().max(1) {
        assert_eq!(split(body, chunk_bytes, 100), expected, "in chunks of {chunk_bytes}");
    }
}

#[test]
fn gives_each_record_as_it_stands() {
    check(b"[]", &["complete"]);
    check(b" \r\n[ ]\t", &["complete"]);
    check(b"\xEF\xBB\xBF [{}]", &["{}", "complete"]);
    check(
        br#"[{"a": [1, {"b": "]}\"\\"}]} , {"c":{}}]"#,
        &[r#"{"a": [1, {"b": "]}\"\\"}]}"#, r#"{"c":{}}"#, "complete"],
    );
}

#[test]
fn reports_elements_that_are_not_objects_and_goes_on() {
    check(
        br#"[1.5e3,"a\"]",[{}],null,{}]"#,
        &[
            "element 0 is not an object: 1.5e3",
            r#"element 1 is not an object: "a\"]""#,
            "element 2 is not an object: [{}]",
            "element 3 is not an object: null",
            "{}",
            "complete",
        ],
    );
}

#[test]
fn refuses_what_is_not_an_array() {
    for body in ["<html>", "{\"error\":{}}", "null", "\u{feff}\u{feff}[]", "]"] {
        check(body.as_bytes(), &["not an array"]);
    }
    check(b"\xEF\xBBx[]", &["not an array"]);
    check(b"", &["body ends inside the array, after 0 elements"]);
}

#[test]
fn a_cut_array_gives_its_whole_records_and_a_fault() {
    let body = br#"[{"a":"b"},{"c":[1]}]"#;
    for length in 0..body.len() {
        let lines = split(&body[..length], 5, 100);
        let records = usize::from(length >= 10) + usize::from(length >= 20);
        let fault = format!("body ends inside the array, after {records} elements");
        assert_eq!(lines.last(), Some(&fault), "cut at {length}");
        assert_eq!(lines.len(), records + 1, "cut at {length}");
    }
}

#[test]
fn stops_at_the_first_byte_that_cannot_be_there() {
    check(b"[{},]", &["{}", "array is not valid JSON at byte 4"]);
    check(b"[{}{}]", &["{}", "array is not valid JSON at byte 3"]);
    check(b"[<html>]", &["array is not valid JSON at byte 1"]);
    check(br#"[{"a":1]"#, &["array is not valid JSON at byte 7"]);
    check(b"[1:2]", &["array is not valid JSON at byte 2"]);
    check(b"[{}] []", &["{}", "body goes on after the end of the array, at byte 5"]);
}

#[test]
fn skips_an_oversized_record_and_goes_on() {
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(2000));
    let body = format!("[{{}},{large},{{}}]");
    for chunk_bytes in [1, 10, 99, 100, 101, 600, 3000] {
        let expected =
            ["{}", "element 1 has 2008 bytes, more than the limit: 512", "{}", "complete"];
        assert_eq!(split(body.as_bytes(), chunk_bytes, 100), expected, "{chunk_bytes}");
    }
}

#[test]
fn holds_no_more_than_the_limit_of_an_oversized_record() {
    let mut splitter = RecordSplitter::new(1000);
    splitter.push(Bytes::from_static(b"[\""));
    for _ in 0..10_000 {
        splitter.push(Bytes::from_static(&[b'x'; 100]));
        assert!(splitter.pop().is_none());
        assert!(splitter.carry.capacity() <= 2000);
    }
}

#[test]
fn a_record_inside_one_chunk_is_not_copied() {
    let chunk = Bytes::from_static(br#"[{"a":1},{"b":2}]"#);
    let mut splitter = RecordSplitter::new(100);
    splitter.push(chunk.clone());
    let record = splitter.pop().unwrap().unwrap();
    assert_eq!(record.as_ptr(), chunk[1..].as_ptr());
}

#[test]
fn chunks_that_were_not_read_out_are_joined() {
    let mut splitter = RecordSplitter::new(100);
    for byte in br#"[{"a":"\\"},{}]"# {
        splitter.push(Bytes::copy_from_slice(&[*byte]));
    }
    assert_eq!(splitter.pop().unwrap().unwrap(), br#"{"a":"\\"}"#.as_slice());
    assert_eq!(splitter.pop().unwrap().unwrap(), "{}");
    assert_eq!(splitter.pop(), None);
    assert!(splitter.is_complete());
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        r#"[\\"{}\[\],:a]{0,8}"#.prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The elements as serde finds them, in the form of [`split`].
fn reference(body: &[u8]) -> Option<Vec<String>> {
    let elements: Vec<&RawValue> = serde_json::from_slice(body).ok()?;
    let mut lines: Vec<String> = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        let element = element.get();
        lines.push(if element.starts_with('{') {
            element.to_owned()
        } else {
            format!("element {index} is not an object: {element}")
        });
    }
    lines.push("complete".to_owned());
    Some(lines)
}

proptest! {
    #[test]
    fn any_array_in_any_chunks_gives_exactly_its_elements(
        elements in prop::collection::vec(json(), 0..8),
        is_pretty: bool,
        chunk_bytes in 1..200_usize,
    ) {
        let body = if is_pretty {
            serde_json::to_vec_pretty(&elements).unwrap()
        } else {
            serde_json::to_vec(&elements).unwrap()
        };
        prop_assert_eq!(Some(split(&body, chunk_bytes, 1 << 20)), reference(&body));
    }

    #[test]
    fn any_bytes_give_the_same_in_any_chunks(
        body in prop::collection::vec(any::<u8>(), 0..100),
        chunk_bytes in 1..20_usize,
    ) {
        prop_assert_eq!(split(&body, chunk_bytes, 20), split(&body, 100, 20));
    }

    #[test]
    fn near_json_gives_the_same_in_any_chunks_and_agrees_with_serde(
        body in r#"\[?[\[\]{},:"\\ a1tn-]{0,40}\]?"#,
        chunk_bytes in 1..20_usize,
    ) {
        let body = body.as_bytes();
        let whole = split(body, 100, 1000);
        prop_assert_eq!(&split(body, chunk_bytes, 1000), &whole);
        if let Some(expected) = reference(body) {
            prop_assert_eq!(whole, expected);
        }
    }
}
