//! What converted programs make of records, compared with what the processors are documented to do.

use std::{sync::Arc, time::Duration};

use pipeline_core::{Event, EventAck, Origin};
use serde_json::{Value as Json, json};
use vrl::value::{ObjectMap, Value};

use super::{Converted, converted};
use crate::program::{Place, Runner, builtin, compile, tests::record_schema};

/// Runs the programs of a conversion on a record: what comes out, or null where the event is dropped.
fn run(converted: &Converted, record: &Json) -> Json {
    let topology: toml::Table = converted.checkable.parse().expect("it is TOML");
    let mut fields = record.as_object().expect("a record").clone();
    fields.entry("Id").or_insert_with(|| "r1".into());
    fields.entry("CreationTime").or_insert_with(|| "2024-05-01T10:20:30".into());
    let mut value: Value = Json::Object(fields).into();
    let mut schema = record_schema();
    for name in ["o365beat", "processors"] {
        let Some(transform) = topology["transforms"].get(name) else { continue };
        let source = match (transform.get("file"), transform.get("source")) {
            (Some(file), _) => {
                let path = file.as_str().expect("a path");
                builtin(path.as_ref()).expect("a built-in program").to_owned()
            }
            (None, source) => {
                source.and_then(toml::Value::as_str).expect("a program").replace("$$", "$")
            }
        };
        let program = match compile(&source, &Place::Inline, &schema) {
            Ok(program) => program,
            Err(error) => panic!("{}\n{}\n{source}", error.message, error.diagnostic),
        };
        assert_eq!(program.warnings(), None, "{source}");
        schema = program.output().clone();
        let origin = Origin::new("test", Value::Object(ObjectMap::new()));
        let mut event = Event::new(value, 0, origin, EventAck::unattended());
        if Runner::new(Arc::new(program), Duration::from_mins(1)).run(&mut event).is_err() {
            return Json::Null;
        }
        value = event.value().clone();
    }
    serde_json::to_value(value).expect("JSON")
}

/// What `processors` make of a record, but for what is always there.
fn check(processors: &str, record: &Json, expected: &Json) {
    let converted = converted(&format!("processors:\n{processors}"));
    let mut made = run(&converted, record);
    if let Some(fields) = made.as_object_mut() {
        for always in ["Id", "CreationTime", "@timestamp", "event"] {
            fields.remove(always);
        }
    }
    assert_eq!(&made, expected, "{processors}\n{}", converted.toml);
}

#[test]
fn the_predecessors_own_mapping_is_recognised_and_what_was_added_to_it_stays() {
    let fields: String = [
        ("Id", "event.id"),
        ("RecordType", "event.code"),
        ("Operation", "event.action"),
        ("OrganizationId", "cloud.account.id"),
        ("Workload", "event.category"),
        ("ResultStatus", "event.outcome"),
        ("UserId", "user.id"),
        ("ClientIP", "client.ip"),
        ("UserType", "user.kind"),
    ]
    .iter()
    .fold(String::new(), |text, (from, to)| {
        text + &format!("      - {{from: {from}, to: '{to}', type: string}}\n")
    });
    let text = format!(
        "processors:\n- dissect: {{field: UserId, tokenizer: '%{{user.name}}@%{{user.domain}}'}}\n\
         - convert:\n    fields:\n{fields}    mode: copy\n- drop_fields: {{fields: [UserKey]}}\n"
    );
    let converted = converted(&text);
    assert!(converted.toml.contains("file = \"vrl/o365beat.vrl\""), "{}", converted.toml);
    let made = run(
        &converted,
        &json!({"UserId": "ann@contoso.example", "UserType": 2, "UserKey": "k", "Operation": "Add"}),
    );
    assert_eq!(
        made["user"],
        json!({"id": "ann@contoso.example", "name": "ann", "domain": "contoso.example", "kind": "2"})
    );
    assert_eq!(
        (&made["event"]["action"], made.get("UserKey"), made.get("dissect")),
        (&json!("Add"), None, None)
    );
}

#[test]
fn without_it_time_and_id_are_set_all_the_same() {
    let made = run(&converted("o365beat: {}"), &json!({}));
    assert_eq!(made["@timestamp"], "2024-05-01T10:20:30Z");
    assert_eq!(made["event"]["id"], "r1");
}

#[test]
fn fields_are_converted_to_other_types() {
    let types = |kind: &str| format!("- convert: {{fields: [{{from: a, to: b, type: {kind}}}]}}");
    for (kind, from, to) in [
        ("string", json!(5), json!("5")),
        ("string", json!(true), json!("true")),
        ("string", json!([{"n": 1}]), json!("[{\"n\":1}]")),
        ("integer", json!("42"), json!(42)),
        ("long", json!("-9007199254740993"), json!(-9_007_199_254_740_993_i64)),
        ("integer", json!("x"), json!(null)),
        ("integer", json!(true), json!(null)),
        ("double", json!("1.5"), json!(1.5)),
        ("float", json!(2), json!(2.0)),
        ("boolean", json!("T"), json!(true)),
        ("boolean", json!("false"), json!(false)),
        ("boolean", json!("maybe"), json!(null)),
        ("ip", json!("10.0.0.1"), json!("10.0.0.1")),
        ("ip", json!("2001:db8::1"), json!("2001:db8::1")),
        ("ip", json!("10.0.0"), json!(null)),
    ] {
        let mut expected = json!({"a": from});
        if !to.is_null() {
            expected["b"] = to;
        }
        check(&types(kind), &json!({"a": from}), &expected);
    }
    check(&types("integer"), &json!({}), &json!({}));
    check(
        "- convert: {fields: [{from: a, type: string}]}",
        &json!({"a": [1]}),
        &json!({"a": "[1]"}),
    );
    check(
        "- convert: {mode: rename, fields: [{from: a, to: x.y, type: integer}, {from: b, to: c}]}",
        &json!({"a": "7", "b": "q"}),
        &json!({"x": {"y": 7}, "c": "q"}),
    );
}

#[test]
fn fields_are_moved_copied_and_removed() {
    let record = json!({"a": 1, "b": {"c": 2}, "odd-name": 3});
    check(
        "- rename: {fields: [{from: a, to: n.x}]}",
        &record,
        &json!({"n": {"x": 1}, "b": {"c": 2}, "odd-name": 3}),
    );
    check("- rename: {fields: [{from: a, to: b.c}]}", &record, &record);
    check("- rename: {fields: [{from: gone, to: z}], ignore_missing: true}", &record, &record);
    check(
        "- copy_fields: {fields: [{from: b.c, to: z}]}",
        &record,
        &json!({"a": 1, "b": {"c": 2}, "odd-name": 3, "z": 2}),
    );
    check(
        "- drop_fields: {fields: [a, b.c, odd-name, gone, '@timestamp']}",
        &record,
        &json!({"b": {}}),
    );
    check("- include_fields: {fields: [b.c, gone]}", &record, &json!({"b": {"c": 2}}));
    let kept = run(&converted("processors: [{include_fields: {fields: []}}]"), &record);
    assert_eq!(kept, json!({"@timestamp": "2024-05-01T10:20:30Z", "event": {"id": "r1"}}));
}

#[test]
fn fields_and_tags_are_added() {
    check(
        "- add_fields: {target: project, fields: {name: 'a \"b\" $1 {{c}}', n: 5, deep.er: [x, true]}}",
        &json!({}),
        &json!({"project": {"name": "a \"b\" $1 {{c}}", "n": 5, "deep": {"er": ["x", true]}}}),
    );
    check("- add_fields: {fields: {x: 1}}", &json!({"x": 2}), &json!({"x": 2, "fields": {"x": 1}}));
    check("- add_fields: {target: '', fields: {x: 1}}", &json!({"x": 2}), &json!({"x": 1}));
    check("- add_tags: {tags: [b, c]}", &json!({"tags": ["a"]}), &json!({"tags": ["a", "b", "c"]}));
    check(
        "- add_tags: {tags: [b], target: t.x}\n- add_tags: {tags: [c], target: t.x}",
        &json!({}),
        &json!({"t": {"x": ["b", "c"]}}),
    );
    let made = run(&converted("tags: [t]\nfields: {env: dev}"), &json!({}));
    assert_eq!((&made["tags"], &made["fields"]), (&json!(["t"]), &json!({"env": "dev"})));
    let made = run(&converted("fields: {env: dev}\nfields_under_root: true"), &json!({}));
    assert_eq!(made["env"], "dev");
}

#[test]
fn events_are_dropped_as_conditions_say() {
    let record =
        json!({"n": 5, "s": "alice@contoso", "l": ["one", "two"], "b": true, "o": {"p": "x"}});
    for (condition, holds) in [
        ("equals: {n: 5}", true),
        ("equals: {n: 6}", false),
        ("equals: {s: alice@contoso, b: true}", true),
        ("equals: {s: alice@contoso, b: false}", false),
        ("equals: {o.p: x}", true),
        ("contains: {s: '@con'}", true),
        ("contains: {s: 'a.i'}", false),
        ("contains: {l: tw}", true),
        ("contains: {gone: x}", false),
        ("regexp: {s: '^al.*so$'}", true),
        ("regexp: {s: \"^al'\"}", false),
        ("regexp: {l: '^two$'}", true),
        ("range: {n: {gte: 5, lt: 6}}", true),
        ("range: {n.gt: 5}", false),
        ("range: {s: {gt: 0}}", false),
        ("range: {gone: {lt: 1}}", false),
        ("has_fields: [n, o.p]", true),
        ("has_fields: [n, gone]", false),
        ("not: {has_fields: [gone]}", true),
        ("and: [{equals: {n: 5}}, {contains: {s: bob}}]", false),
        ("or: [{equals: {n: 6}}, {contains: {s: alice}}]", true),
        ("not: {or: [{equals: {n: 5}}, {equals: {n: 6}}]}", false),
    ] {
        let expected = if holds { Json::Null } else { record.clone() };
        check(&format!("- drop_event: {{when: {{{condition}}}}}"), &record, &expected);
    }
}

#[test]
fn processors_run_under_their_conditions() {
    let processors = "
- if: {equals: {a: 1}}
  then: [{add_fields: {target: '', fields: {r: then}}}]
  else:
    - add_fields: {target: '', fields: {r: else}}
- drop_fields: {fields: [a], when: {has_fields: [r]}}";
    check(processors, &json!({"a": 1}), &json!({"r": "then"}));
    check(processors, &json!({"a": 2}), &json!({"r": "else"}));
}

#[test]
fn texts_are_parsed() {
    check(
        "- truncate_fields: {fields: [a, b], max_characters: 3}",
        &json!({"a": "äbcd", "b": 12345}),
        &json!({"a": "äbc", "b": 12345}),
    );
    check(
        "- decode_json_fields: {fields: [a, b, c]}",
        &json!({"a": "{\"x\": 1}", "b": "[1]", "c": "no"}),
        &json!({"a": {"x": 1}, "b": "[1]", "c": "no"}),
    );
    check(
        "- decode_json_fields: {fields: [a], process_array: true, target: t}",
        &json!({"a": "[1]"}),
        &json!({"a": "[1]", "t": [1]}),
    );
    let root = "- decode_json_fields: {fields: [a], target: '', overwrite_keys: OVER}";
    let record = json!({"a": "{\"x\": 1, \"y\": 2}", "x": 0});
    check(&root.replace("OVER", "false"), &record, &json!({"a": record["a"], "x": 0, "y": 2}));
    check(&root.replace("OVER", "true"), &record, &json!({"a": record["a"], "x": 1, "y": 2}));
    let dissect =
        "- dissect: {field: a, tokenizer: '[%{ip}]:%{port} %{?skip}/%{rest}', target_prefix: d}";
    check(
        dissect,
        &json!({"a": "[::1]:80 x/y/z"}),
        &json!({"a": "[::1]:80 x/y/z", "d": {"ip": "::1", "port": "80", "rest": "y/z"}}),
    );
    check(dissect, &json!({"a": "nothing"}), &json!({"a": "nothing"}));
    check(
        dissect,
        &json!({"a": "[::1]:80 x/y", "d": {"ip": 1}}),
        &json!({"a": "[::1]:80 x/y", "d": {"ip": 1}}),
    );
    for (layout, text, time) in [
        ("2006-01-02T15:04:05", "2024-02-03T04:05:06", "2024-02-03T04:05:06Z"),
        ("2006-01-02T15:04:05Z07:00", "2024-02-03T04:05:06+01:00", "2024-02-03T03:05:06Z"),
        ("2006-01-02T15:04:05.999Z07:00", "2024-02-03T04:05:06.5Z", "2024-02-03T04:05:06.500Z"),
        ("01/02/2006 03:04:05 PM", "02/03/2024 04:05:06 PM", "2024-02-03T16:05:06Z"),
        ("02 Jan 2006 15:04:05 -0700", "03 Feb 2024 04:05:06 +0000", "2024-02-03T04:05:06Z"),
        ("UNIX", "1706933106", "2024-02-03T04:05:06Z"),
        ("UNIX_MS", "1706933106000", "2024-02-03T04:05:06Z"),
    ] {
        let processor =
            format!("- timestamp: {{field: a, target_field: t, layouts: ['nothing', '{layout}']}}");
        check(&processor, &json!({"a": text}), &json!({"a": text, "t": time}));
    }
}

#[test]
fn what_a_variable_cannot_do_any_more_is_told() {
    let notes = |text: &str| converted(text).notes.join("\n");
    let told = "must have no quotation mark";
    assert!(notes("processors: [{add_fields: {fields: {x: '${X}'}}}]").contains(told));
    assert!(notes("fields: {x: 'a ${X:y} b'}").contains(told));
    assert!(!notes("fields: {x: 'a $ b'}\no365beat: {client_secret: '${X}'}").contains(told));
    for pattern in ["contains: {a: '${X}'}", "regexp: {a: '^${X}$'}"] {
        let text = format!("processors: [{{drop_event: {{when: {{{pattern}}}}}}}]");
        assert!(notes(&text).contains("`drop_event` is not carried: a variable in a pattern"));
    }
    let text = "processors: [{dissect: {tokenizer: '${X} %{a}', field: b}}]";
    assert!(
        notes(text).contains("`dissect` is not carried: there is a variable"),
        "{}",
        notes(text)
    );
}

#[test]
fn no_value_leaves_its_place() {
    // Quotes of all sorts, a line break, a control character, a variable, a dollar sign.
    let odd = "a\nb = 1\u{7} ''' \" ${V:d} $";
    let text = json!({
        "o365beat": {
            "registry_file_path": odd, "tenant_domain": odd, "client_secret": odd,
            "certificate_path": "${P:}", "certificate_pwd": odd,
        },
        "processors": [
            {"add_fields": {"target": "", "fields": {"x": odd}}},
            {"drop_event": {"when": {"equals": {"k\n\"'": odd}}}},
        ],
    });
    // JSON is YAML.
    let converted = converted(&text.to_string());
    let topology: toml::Table = converted.toml.parse().expect("it is TOML");
    let ours = Some("a\nb = 1\u{7} ''' \" ${V:-d} $$");
    assert_eq!(topology["sources"]["office365"]["tenants"][0]["client_secret"].as_str(), ours);
    assert_eq!(topology.keys().collect::<Vec<_>>(), ["data_dir", "sinks", "sources", "transforms"]);
    let made = run(&converted, &json!({}));
    assert_eq!(made["x"], "a\nb = 1\u{7} ''' \" ${V:-d} $");
}
