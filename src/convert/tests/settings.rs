//! What is written for the settings besides processors, and what is said of those that can't be carried.

use expect_test::{Expect, expect};

use super::{SINKS, convert, converted};

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
output.kafka: {hosts: ['k:9092', 'l:9092'], topic: 'o365-%{[cloud.account.id]}', key: '%{[event][id]}', headers: [{key: org, value: '%{[cloud.account.id]}'}], username: u, password: '${KAFKA_PASSWORD}', sasl.mechanism: SCRAM-SHA-512, ssl.enabled: true, max_message_bytes: 2000000}
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
        tls = { enabled = true, ca_file = "ca.pem" }

        [sinks.kafka]
        type = "kafka"
        inputs = ["processors"]
        bootstrap_servers = "k:9092,l:9092"
        topic = "o365-{{ cloud.account.id }}"
        key_field = "event.id"
        headers = { "org" = "{{ cloud.account.id }}" }
        compression = "gzip"
        librdkafka_options = { "message.max.bytes" = "2000000" }
        sasl = { mechanism = "SCRAM-SHA-512", username = "u", password = "${KAFKA_PASSWORD}" }
        tls = { enabled = true }

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
        of several Logstash hosts the first one that works is used, where Beats chose one at random
        a key can get another partition than Beats gave it
        the file's oldest parts are removed, as Beats did; with `max_files = 0` they are kept"#]],
    );
}

#[test]
fn logstash_is_carried() {
    let text = "
output.logstash:
  hosts: ['a:5044', '${HOST}']
  worker: 2
  loadbalance: true
  compression_level: 0
  bulk_max_size: 4096
  pipelining: 0
  ttl: 1h
  timeout: 90
  backoff: {init: 2s, max: 5m}
  index: custom
  slow_start: true
  max_retries: 3
  proxy_url: socks5://proxy:1080
  ssl.enabled: true
";
    let converted = converted(text);
    let (_, sink) = converted.toml.split_once("[sinks.logstash]").expect("it is there");
    expect![[r#"

        type = "lumberjack"
        inputs = ["processors"]
        hosts = ["a:5044", "${HOST}", "a:5044", "${HOST}"]
        loadbalance = true
        compression_level = 0
        window_size = 4096
        batch = { max_events = 4096 }
        pipelining = 1
        ttl = "1h"
        metadata = { beat = "custom" }
        request = { timeout = "90s", retry_initial_backoff = "2s", retry_max_backoff = "5m" }
        tls = { enabled = true }

    "#]]
    .assert_eq(sink);
    let note = "`output.logstash.proxy_url` is not carried";
    assert!(converted.notes.iter().any(|one| one == note), "{:?}", converted.notes);
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
    let many = "- 0\n".repeat(5000);
    let aliases = "- *a\n".repeat(5000);
    let long = "x".repeat(100_000);
    for bomb in
        [format!("a: &a\n{many}b:\n{aliases}"), format!("a: &a {long}\nb: [*a, *a, *a, *a, *a]\n")]
    {
        assert!(convert(&bomb, &SINKS).is_err(), "{}", bomb.len());
    }
    let deep = convert(&format!("o365beat:\n  ? x{}\n  : 1\n", ".x".repeat(100_000)), &SINKS);
    let notes = deep.map(|converted| converted.notes.join("\n"));
    assert!(notes.is_ok_and(|notes| notes.contains("a key of 100001 steps is not carried")));
    let error =
        convert("o365beat: {client_secret: hunter2\n  x: [", &SINKS).expect_err("it is no YAML");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    let converted = converted(
        "o365beat: {client_secret: hunter2, client_secret: hunter3, odd: hunter4}\noutput.elasticsearch: {password: hunter5, odd: hunter6, hosts: ['http://u:hunter7@h']}",
    );
    assert!(!converted.notes.join("\n").contains("hunter"), "{:?}", converted.notes);
}
