use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pipeline_core::{Event, EventAck, Origin, Schema};
use vrl::value::{Kind, ObjectMap, Value};

use super::*;
use crate::program::{
    Place, Root, Runner, Source, Surroundings, compile, compile_source, tables::tests::sample,
};

/// What `expression` is worth, read from the record's field `x` or written out.
fn eval(expression: &str, x: Option<&Value>) -> Value {
    let source = format!(".result = {expression}");
    let surroundings = Surroundings::new(BTreeMap::new(), sample());
    let source = Source::plain(&source, &Place::Inline);
    let compiled = compile_source(source, &Schema::any(), &surroundings);
    let program = compiled.unwrap_or_else(|error| {
        panic!("{expression}: {}", error.diagnostic);
    });
    let result = vrl::owned_value_path!("result");
    let promised = program.output().event.at_path(&result);
    let record: ObjectMap = x.map(|x| ("x".into(), x.clone())).into_iter().collect();
    let origin = Origin::new("test", Value::Object(ObjectMap::new()));
    let mut event = Event::new(Value::Object(record), 0, origin, EventAck::unattended());
    let ended = Runner::new(Arc::new(program), Duration::MAX).run(&mut event);
    assert_eq!(ended, Ok(Root::Object), "{expression}");
    let result = event.at(&result).expect("a result").clone();
    assert!(fits(&promised, &result), "{expression}: {result}");
    result
}

/// Whether a value is of a kind. A field that is missing is as good as one that is null: programs read it so.
pub(in crate::program) fn fits(kind: &Kind, value: &Value) -> bool {
    match value {
        Value::Object(fields) => kind.as_object().is_some_and(|kinds| {
            let is_known = |name: &str| kinds.known().keys().any(|known| known.as_str() == name);
            let mut known = kinds.known().iter();
            known.all(|(name, kind)| match fields.get(name.as_str()) {
                Some(value) => fits(kind, value),
                None => kind.contains_null() || kind.contains_undefined(),
            }) && fields
                .iter()
                .all(|(name, value)| is_known(name) || fits(&kinds.unknown_kind(), value))
        }),
        Value::Array(elements) => kind.as_array().is_some_and(|kinds| {
            elements.iter().enumerate().all(|(at, element)| {
                let kind = kinds.known().get(&at.into()).cloned();
                fits(&kind.unwrap_or_else(|| kinds.unknown_kind()), element)
            })
        }),
        scalar => kind.is_superset(&Kind::from(scalar)).is_ok(),
    }
}

/// Checks a function of one argument, given as a path and as a literal.
fn check(function: &str, x: &str, expected: &str) {
    let x: Value = serde_json::from_str(x).expect("JSON");
    let expected: Value = serde_json::from_str(expected).expect("JSON");
    assert_eq!(json(&eval(&format!("{function}(.x)"), Some(&x))), json(&expected), "{x}");
    assert_eq!(json(&eval(&format!("{function}({x})"), None)), json(&expected), "{x}");
}

fn json(value: &Value) -> serde_json::Value {
    serde_json::json!(value)
}

#[test]
fn the_examples_are_true() {
    for function in own() {
        assert!(!function.examples().is_empty(), "{}", function.identifier());
        for example in function.examples() {
            let expected = example.result.expect("a result: our functions never fail");
            // Plain text that is no expression stands for a string, as in VRL's own documentation.
            let compiles = compile(&format!(".x = {expected}"), &Place::Inline, &Schema::any());
            let expected = match compiles {
                Ok(_) => eval(expected, None),
                Err(_) => Value::from(expected),
            };
            assert_eq!(eval(example.source, None), expected, "{}", example.source);
        }
    }
}

#[test]
fn addresses_are_read_in_every_form() {
    let check = |text: &str, expected: &str| {
        check("parse_address", &serde_json::json!(text).to_string(), expected);
    };
    check("192.0.2.1", r#"{"ip":"192.0.2.1"}"#);
    check("  192.0.2.1 \r\n", r#"{"ip":"192.0.2.1"}"#);
    check("192.0.2.1:443", r#"{"ip":"192.0.2.1","port":443}"#);
    check("[192.0.2.1]", r#"{"ip":"192.0.2.1"}"#);
    check("[192.0.2.1]:443", r#"{"ip":"192.0.2.1","port":443}"#);
    check("2001:db8::1", r#"{"ip":"2001:db8::1"}"#);
    check("2001:DB8:0:0:0:0:0:1", r#"{"ip":"2001:db8::1"}"#);
    check("[2001:db8::1]", r#"{"ip":"2001:db8::1"}"#);
    check("[2001:db8::1]:443", r#"{"ip":"2001:db8::1","port":443}"#);
    check("::1", r#"{"ip":"::1"}"#);
    check("fe80::1%eth0", r#"{"ip":"fe80::1"}"#);
    check("::ffff:192.0.2.1", r#"{"ip":"192.0.2.1"}"#);
    check("[::ffff:192.0.2.1]:443", r#"{"ip":"192.0.2.1","port":443}"#);
    check("localhost", r#"{"host":"localhost"}"#);
    check("client.contoso.example:443", r#"{"host":"client.contoso.example","port":443}"#);
    check("[localhost]:12345", r#"{"host":"localhost","port":12345}"#);
    check("MAIL01 (192.0.2.1)", r#"{"host":"MAIL01","ip":"192.0.2.1"}"#);
    check("[MAIL01 (192.0.2.1)]", r#"{"host":"MAIL01","ip":"192.0.2.1"}"#);
    check("MAIL01 (10.9000.0.1)", r#"{"host":"MAIL01"}"#);
}

#[test]
fn what_is_no_address_is_null() {
    let texts = [
        "",
        " ",
        "null",
        "NULL",
        "<null>",
        "-",
        "Not Available",
        "10.900.0.1",
        "192.0.2.1:",
        "192.0.2.1:99999",
        "192.0.2.1:+80",
        "[",
        "[]",
        "[]:1",
        "[192.0.2.1",
        "192.0.2.1]",
        "[192.0.2.1]443",
        ":443",
        "::ffff:",
        "(192.0.2.1)",
        "a:b:c",
        "h\u{f6}st",
        "2001:db8::1:99999",
    ];
    for text in texts {
        check("parse_address", &serde_json::json!(text).to_string(), "null");
    }
    for other in ["null", "1", "true", "1.5", "[\"192.0.2.1\"]", "{\"ip\":\"192.0.2.1\"}"] {
        check("parse_address", other, "null");
    }
}

#[test]
fn times_are_utc_unless_they_say_otherwise() {
    let check = |text: &str, expected: &str| {
        check("parse_utc", &serde_json::json!(text).to_string(), expected);
    };
    check("2024-02-07T20:49:49", r#""2024-02-07T20:49:49Z""#);
    check("2024-02-07T20:49:49Z", r#""2024-02-07T20:49:49Z""#);
    check("2024-02-07 20:49:49", r#""2024-02-07T20:49:49Z""#);
    check("2024-02-07T20:49:49.1234567", r#""2024-02-07T20:49:49.123456700Z""#);
    check("2024-02-07T20:49:49.12345678901234Z", r#""2024-02-07T20:49:49.123456789Z""#);
    check("2024-02-07T20:49:49.5", r#""2024-02-07T20:49:49.500Z""#);
    check("2024-02-29T23:30:00-01:00", r#""2024-03-01T00:30:00Z""#);
    check("2024-02-29T23:30:00+0530", r#""2024-02-29T18:00:00Z""#);
    check("0000-01-01T00:00:00+01:00", r#""-0001-12-31T23:00:00Z""#);
    for wrong in [
        "",
        "2024-02-07",
        "2024-02-30T00:00:00",
        "2024-02-07T24:00:00",
        "2024-02-07T20:49",
        "2024-02-07T20:49:49.",
        "2024-02-07T20:49:49z+01:00",
        "2024-02-07T20:49:49+1",
        "2024-02-07T20:49:49+24:00",
        "2024-02-07T20:49:4\u{e9}",
        "+024-02-07T20:49:49",
        "20240207T204949 and more",
    ] {
        check(wrong, "null");
    }
}

#[test]
fn pairs_become_fields_and_nothing_is_lost() {
    let check = |x: &str, expected: &str| check("flatten_pairs", x, expected);
    check("null", "null");
    check("[]", "{}");
    check(r#"{"a.b":1}"#, r#"{"a.b":1}"#);
    check(r#"[{"Name":"A","Value":"1"},{"Key":"B","Value":2}]"#, r#"{"A":"1","B":2}"#);
    check(
        r#"[{"Name":"A","Value":"1"},{"Name":"A","Value":["2"]},{"Name":"A","Value":"3"}]"#,
        r#"{"A":["1",["2"],"3"]}"#,
    );
    check(r#"[{"Name":"A","Value":["1"]},{"Name":"A","Value":"2"}]"#, r#"{"A":[["1"],"2"]}"#);
    check(
        r#"[{"Name":" Is Hard.Deleted","NewValue":"b","OldValue":"a"}]"#,
        r#"{"Is_Hard_Deleted":{"NewValue":"b","OldValue":"a"}}"#,
    );
    check(r#"[{"Name":"A","NewValue":"b"}]"#, r#"{"A":{"NewValue":"b"}}"#);
    check(r#"[{"Name":"A"},{"Name":"","Value":1}]"#, r#"{"A":null,"_":1}"#);
    check(r#"[{"Name":"A","Value":1,"Type":2}]"#, r#"{"A":{"Value":1,"Type":2}}"#);
    check(
        r#"["a",{"Name":"_raw","Value":1},{"Name":2},null]"#,
        r#"{"_raw":[1,["a",{"Name":2},null]]}"#,
    );
    check(r#""[{\"Name\":\"A\",\"Value\":\"1\"}]""#, r#"{"A":"1"}"#);
    check(r#""[not JSON""#, r#"{"_raw":["[not JSON"]}"#);
    check("17", r#"{"_raw":[17]}"#);
}

#[test]
fn text_is_made_of_scalars_alone() {
    let check = |x: &str, expected: &str| check("text_or_null", x, expected);
    check("\"a\"", "\"a\"");
    check("\"\"", "null");
    check("15", "\"15\"");
    check("1.5", "\"1.5\"");
    check("true", "\"true\"");
    check("null", "null");
    check("[1]", "null");
    check("{}", "null");
}

#[test]
fn nested_values_become_json_text() {
    let check = |x: &str, expected: &str| check("encode_nested", x, expected);
    check(r#"[{"Name":"a","Value":"\"q\""}]"#, r#""[{\"Name\":\"a\",\"Value\":\"\\\"q\\\"\"}]""#);
    check("{}", "\"{}\"");
    check("\"text\"", "\"text\"");
    check("null", "null");
}

#[test]
fn compact_gives_what_vrls_own_gives() {
    let values = [
        "null",
        r#""""#,
        r#"" ""#,
        "0",
        "false",
        "[]",
        "{}",
        r#"[null, "", [], {}]"#,
        r#"[null, "a", [""], { "b": null }]"#,
        r#"{ "a": { "b": { "c": null } } }"#,
        r#"{ "a": { "b": { "c": 1 }, "d": [] } }"#,
    ];
    for value in values {
        let value: Value = serde_json::from_str(value).expect("JSON");
        let quick =
            eval(r#"compact({ "a": .x, "b": { "c": .x }, "d": [.x, 1], "e": "" })"#, Some(&value));
        let own = r#"{ x = { "a": .x, "b": { "c": .x }, "d": [.x, 1], "e": "" }; compact(x) }"#;
        assert_eq!(quick, eval(own, Some(&value)), "{value}");
        let nothing = eval(r#"compact({ "a": .x })"#, Some(&value));
        assert_eq!(nothing, eval(r#"{ x = { "a": .x }; compact(x) }"#, Some(&value)), "{value}");
        let with_option = eval(r#"compact({ "a": .x, "b": null }, null: false)"#, Some(&value));
        assert_eq!(
            with_option.as_object().and_then(|it| it.get("b")),
            Some(&Value::Null),
            "{value}"
        );
    }
}

/// What a program leaves of the event `record`, and whether it ended well; what is promised of it has to hold.
fn left_by(program: &str, record: &str) -> (Value, bool) {
    let program = compile(program, &Place::Inline, &Schema::any());
    let program = program.unwrap_or_else(|error| panic!("{}", error.diagnostic));
    assert_eq!(program.warnings(), None);
    let promised = program.output().event.clone();
    let origin = Origin::new("test", Value::Object(ObjectMap::new()));
    let record = serde_json::from_str(record).expect("JSON");
    let mut event = Event::new(record, 0, origin, EventAck::unattended());
    let ended = Runner::new(Arc::new(program), Duration::MAX).run(&mut event);
    if ended.is_ok() {
        assert!(fits(&promised, event.value()), "{}", event.value());
    }
    (event.value().clone(), ended.is_ok())
}

#[test]
fn fields_of_one_object_are_looked_up_together_and_read_as_each_alone() {
    let list = "[.a.x, .a.y, .a.z, .b.x, .b.x.y, .a.x, .c[0], .c[1].x, .d, .]";
    for record in [
        "{}",
        r#"{"a":{"x":"1","y":["2","3"]},"b":{"x":"4"},"c":["5",{"x":"6"}],"d":"7"}"#,
        r#"{"a":["1"],"b":"2","c":{"x":"3"}}"#,
        r#"{"a":"1","b":{"x":{"y":"2"}},"d":{"x":"3"}}"#,
    ] {
        let (together, _) = left_by(&format!(". = {{ \"r\": distinct({list}) }}"), record);
        // A list that is not written out is made by VRL.
        let (alone, _) = left_by(&format!("l = {list}\n. = {{ \"r\": distinct(l) }}"), record);
        assert_eq!(json(&together), json(&alone), "{record}");
    }
}

#[test]
fn fill_sets_what_there_is_to_set() {
    let check = |program: &str, record: &str, expected: &str| {
        let (left, ended_well) = left_by(program, record);
        assert!(ended_well, "{program}");
        let expected: serde_json::Value = serde_json::from_str(expected).expect("JSON");
        assert_eq!(json(&left), expected, "{program} on {record}");
    };
    let two = r#"fill(.a.b, { "c": .x, "d": "" })"#;
    check(two, r#"{"x":1}"#, r#"{"x":1,"a":{"b":{"c":1}}}"#);
    check(two, "{}", "{}");
    check(two, r#"{"x":1,"a":{"b":{"c":0,"d":2}}}"#, r#"{"x":1,"a":{"b":{"c":1,"d":2}}}"#);
    check(two, r#"{"x":{"y":[]},"a":{"b":{"c":0}}}"#, r#"{"x":{"y":[]},"a":{"b":{"c":0}}}"#);
    // What stands where an object is wanted gives way, as in an assignment.
    check(two, r#"{"x":1,"a":2}"#, r#"{"x":1,"a":{"b":{"c":1}}}"#);
    check(two, r#"{"x":1,"a":{"b":[3]}}"#, r#"{"x":1,"a":{"b":{"c":1}}}"#);
    // An object that is not written out.
    let any = "fill(.a, object(.x) ?? null)";
    check(any, r#"{"x":{"b":1,"c":null}}"#, r#"{"x":{"b":1,"c":null},"a":{"b":1}}"#);
    check(any, r#"{"x":3,"a":{"b":2}}"#, r#"{"x":3,"a":{"b":2}}"#);
    // What is known of a field holds, whether it was set or not.
    check(
        ".a = { \"b\": 1 }\nfill(.a, { \"b\": string(.x) ?? null })\n.c = .a.b",
        r#"{"x":"2"}"#,
        r#"{"x":"2","a":{"b":"2"},"c":"2"}"#,
    );
    check(".c = fill(.a, { \"b\": .x })", r#"{"x":1}"#, r#"{"x":1,"a":{"b":1},"c":true}"#);
}

#[test]
fn what_fill_did_is_undone_with_the_rest() {
    let record = r#"{"x":1,"a":{"b":2}}"#;
    let program = "fill(.a, { \"b\": .x })\nfill(.c, { \"d\": .x })\nabort";
    let (left, ended_well) = left_by(program, record);
    assert!(!ended_well);
    assert_eq!(json(&left), serde_json::from_str::<serde_json::Value>(record).expect("JSON"));
}

#[test]
fn fill_wants_a_path_in_the_event() {
    for program in ["x = {}\nfill(x, { \"a\": 1 })", "fill({}, { \"a\": 1 })"] {
        let compiled = compile(program, &Place::Inline, &Schema::any());
        let error = compiled.expect_err("it is refused");
        assert!(error.diagnostic.contains("path"), "{}", error.diagnostic);
    }
}
