//! What converted programs make of records, compared with what the processors are documented to do; and what is written
//! for the other settings.

use std::{sync::Arc, time::Duration};

use expect_test::{Expect, expect};
use pipeline_core::{Event, EventAck, Origin};
use serde_json::{Value as Json, json};
use vrl::value::{ObjectMap, Value};

use super::{Converted, convert};
use crate::program::{Place, Runner, builtin, compile, tests::record_schema};

const SINKS: [&str; 4] = ["blackhole", "console", "elasticsearch", "file"];

fn converted(text: &str) -> Converted {
    convert(text, &SINKS).expect("it is YAML")
}

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
fn what_has_no_counterpart_is_named() {
    let converted = converted(
        "processors:\n- script: {lang: javascript}\n- add_host_metadata: ~\n- drop_event: ~\n- fingerprint: {fields: [a]}\n\
         - drop_fields: {fields: ['/x/'], when: {network: {ip: private}}}\nname: x\nqueue.mem.events: 1\noutput.redis.hosts: [h]\nodd: 1\n",
    );
    expect![[r#"
        there is no section `o365beat`: fill in whose records to collect
        `o365beat.directory_id` is not set: fill in `tenant_id`
        `o365beat.client_id` is not set: fill in `client_id`
        there is neither a client secret nor a certificate: fill in `client_secret`
        the place where o365beat stopped is in `./o365beat.state`: take it over with `o365flow state import`, or up to seven days are collected again
        o365beat's own mapping is not among the processors: `@timestamp` is set from `CreationTime` as it was, and `event.id` from `Id`, so that no event is stored twice
        processor `script` is not carried: it is JavaScript; write what it does in VRL
        processor `add_host_metadata` is not carried: it tells of the machine that collects, not of the record
        processor `drop_event` is not carried: without a condition it would drop every event
        processor `fingerprint` is not carried: there is nothing like it here yet; write what it does in VRL
        processor `drop_fields` is not carried: the condition `network`
        `output.redis` is not carried: there is no sink like it
        there is no output: the result writes to the console
        `name` is not carried: Beats' own name is not set on events; add a field in VRL
        `queue` is not carried: there is no queue that loses what it holds; memory is bounded by `max_in_flight_bytes`
        `odd` is not carried: there is nothing like it here"#]].assert_eq(&converted.notes.join("\n"));
}

fn check_toml(text: &str, from: &str, expected: &Expect) {
    let converted = converted(text);
    let (_, rest) = converted.toml.split_once(from).expect("it is there");
    expected.assert_eq(&format!("{}\n{}", rest.trim(), converted.notes.join("\n")));
}

#[test]
fn the_source_is_carried() {
    let text = "
o365beat.period: 90s
o365beat:
  api_timeout: 1m30s
  content_max_age: 400h
  content_types: [Audit.General, DLP.All]
  tenant_domain: contoso.example
  directory_id: ${TENANT:?who}
  client_id: ${CLIENT:}
  certificate_path: /etc/app.pfx
  certificate_pwd: ${PASSWORD}
  login_url: login.microsoftonline.us
  resource_url: https://manage.office365.us/
  registry_file_path: /var/lib/o365beat.state
output.console.pretty: true
";
    check_toml(
        text,
        "data_dir = \"./o365flow-data\"",
        &expect![[r#"
        [sources.office365]
        type = "office365"
        content_types = ["Audit.General", "DLP.All"]
        poll_interval = "90s"
        request_timeout = "90s"
        lookback = "7d"

        [[sources.office365.tenants]]
        name = "contoso.example"
        tenant_id = "${TENANT}"
        client_id = "${CLIENT}"
        certificate = { path = "/etc/app.pfx", password = "${PASSWORD}", algorithm = "RS256" }
        cloud = "gcc-high"

        [transforms.processors]
        type = "remap"
        inputs = ["office365"]
        source = '''
        # As o365beat did before any processor, and the id that sinks go by.
        ."@timestamp" = parse_utc(.CreationTime) || now()
        .event.id = .Id
        '''

        [sinks.console]
        type = "console"
        inputs = ["processors"]
        encoding = "pretty"
        `lookback` is "7d", as near to `o365beat.content_max_age` as it can be
        the place where o365beat stopped is in `/var/lib/o365beat.state`: take it over with `o365flow state import`, or up to seven days are collected again
        o365beat's own mapping is not among the processors: `@timestamp` is set from `CreationTime` as it was, and `event.id` from `Id`, so that no event is stored twice
        `PASSWORD` may have come from a keystore of Beats, which only Beats can read: set variables of these names, or keep the values with `o365flow keystore add` and write `SECRET[backend.KEY]`"#]],
    );
}

#[test]
fn elasticsearch_is_carried() {
    let text = "
o365beat: {directory_id: a, client_id: b, client_secret: 'p$${X}', login_url: 'https://l', resource_url: 'https://r'}
output.elasticsearch:
  hosts: [a, 'b:9300', 'https://c/p', '[::1]', '${HOST}', '${H:x}:9200']
  protocol: https
  path: elastic
  username: elastic
  password: ${ES_PWD:changeme}
  index: 'o365beat-%{[agent.version]}-%{+yyyy.MM.dd}'
  pipeline: geo
  bulk_max_size: 500
  worker: 2
  compression_level: 5
  timeout: 90
  backoff.max: 2m
  ssl:
    certificate_authorities: [ca.pem, more.pem]
    certificate: c.pem
    key: c.key
    key_passphrase: x
    verification_mode: certificate
";
    check_toml(
        text,
        "[[sources.office365.tenants]]",
        &expect![[r#"
            name = "o365"
            tenant_id = "a"
            client_id = "b"
            client_secret = "p$$${X}"
            login_url = "https://l"
            resource_url = "https://r"

            [transforms.processors]
            type = "remap"
            inputs = ["office365"]
            source = '''
            # As o365beat did before any processor, and the id that sinks go by.
            ."@timestamp" = parse_utc(.CreationTime) || now()
            .event.id = .Id
            '''

            [sinks.elasticsearch]
            type = "elasticsearch"
            inputs = ["processors"]
            endpoints = ["https://a:9200/elastic", "https://b:9300/elastic", "https://c:9200/p", "https://[::1]:9200/elastic", "${HOST}", "https://${H:-x}:9200/elastic"]
            mode = "bulk"
            bulk = { index = "o365beat-%Y.%m.%d", action = "create" }
            id_field = "event.id"
            pipeline = "geo"
            auth = { strategy = "basic", user = "elastic", password = "${ES_PWD:-changeme}" }
            compression_level = 5
            batch = { max_events = 500 }
            request = { concurrency = 2, timeout = "90s", retry_max_backoff = "2m" }
            tls = { ca_file = "ca.pem", crt_file = "c.pem", key_file = "c.key", verify_hostname = false }
            `login_url` and `resource_url` are those of no cloud that is known, and are carried as they are
            the place where o365beat stopped is in `./o365beat.state`: take it over with `o365flow state import`, or up to seven days are collected again
            o365beat's own mapping is not among the processors: `@timestamp` is set from `CreationTime` as it was, and `event.id` from `Id`, so that no event is stored twice
            an Elasticsearch host that is a variable has to be a whole URL, as `https://host:9200`
            of several Elasticsearch hosts one is used at a time, and the next one when it does not answer
            `%{[agent.version]}` in the name of the index is left out
            of several `output.elasticsearch.ssl.certificate_authorities` the first is taken: put the others into the same file
            `output.elasticsearch.ssl.key_passphrase` is not carried
            `HOST`, `X` may have come from a keystore of Beats, which only Beats can read: set variables of these names, or keep the values with `o365flow keystore add` and write `SECRET[backend.KEY]`"#]],
    );
}

#[test]
fn the_other_outputs_are_carried() {
    let text = "
output.logstash: {hosts: ['a:5044', 'b:5044'], ssl.certificate_authorities: [ca.pem], compression_level: 3}
output.kafka: {hosts: ['k:9092', 'l:9092'], topic: 'o365-%{[cloud.account.id]}', key: '%{[event][id]}', compression: gzip, username: u}
output.file: {path: /var/log/, filename: o365, rotate_every_kb: 1000}
output.elasticsearch: {enabled: false}
";
    check_toml(
        text,
        "[sinks.logstash]",
        &expect![[r#"
        type = "lumberjack"
        inputs = ["processors"]
        hosts = ["a:5044", "b:5044"]
        compression_level = 3
        tls = { ca_file = "ca.pem" }

        [sinks.kafka]
        type = "kafka"
        inputs = ["processors"]
        bootstrap_servers = "k:9092,l:9092"
        topic = "o365-{{ cloud.account.id }}"
        key_field = "event.id"
        compression = "gzip"

        [sinks.file]
        type = "file"
        inputs = ["processors"]
        path = "/var/log/o365"
        max_bytes = "1000KiB"
        max_files = 7
        there is no section `o365beat`: fill in whose records to collect
        `o365beat.directory_id` is not set: fill in `tenant_id`
        `o365beat.client_id` is not set: fill in `client_id`
        there is neither a client secret nor a certificate: fill in `client_secret`
        the place where o365beat stopped is in `./o365beat.state`: take it over with `o365flow state import`, or up to seven days are collected again
        o365beat's own mapping is not among the processors: `@timestamp` is set from `CreationTime` as it was, and `event.id` from `Id`, so that no event is stored twice
        this version has no sink of type `lumberjack` yet, and says so when the result is checked
        `output.kafka.username` is not carried
        this version has no sink of type `kafka` yet, and says so when the result is checked
        the file's oldest parts are removed, as Beats did; with `max_files = 0` they are kept"#]],
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

#[test]
fn of_two_blocks_of_processors_the_last_counts_and_that_is_said() {
    let converted = converted(
        "processors: [{drop_fields: {fields: [a]}}]\nprocessors: [{drop_fields: {fields: [b]}}]\n",
    );
    assert!(!converted.toml.contains("del(.a)") && converted.toml.contains("del(.b)"));
    assert!(converted.notes.iter().any(|note| note.contains("`processors` stands there twice")));
}

#[test]
fn odd_files_are_refused_or_noted_and_never_shown() {
    for text in [
        "",
        "[]",
        "a: [",
        "o365beat: 5",
        "processors: {a: b}",
        "output: [x]",
        "\t- x",
        "a: !!x y",
        "processors: [5, ~, [a]]",
        "? [a]\n: b",
        "o365beat: &a {client_secret: *a}",
    ] {
        if let Ok(converted) = convert(text, &SINKS) {
            assert!(
                converted.checkable.parse::<toml::Table>().is_ok(),
                "{text}: {}",
                converted.toml
            );
        }
    }
    let error =
        convert("o365beat: {client_secret: hunter2\n  x: [", &SINKS).expect_err("it is no YAML");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    let converted = converted(
        "o365beat: {client_secret: hunter2, client_secret: hunter3, odd: hunter4}\noutput.elasticsearch: {password: hunter5, odd: hunter6, hosts: ['http://u:hunter7@h']}",
    );
    assert!(!converted.notes.join("\n").contains("hunter"), "{:?}", converted.notes);
}
