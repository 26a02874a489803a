//! What the configuration says of itself.

use pipeline_core::SinkConfig;

use super::{super::Config, config};

fn check_problems(table: &str, expected: &[&str]) {
    let config: Config = toml::from_str(table).expect("it parses");
    let problems = config.problems();
    let problems: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.key.join("."), problem.message))
        .collect();
    assert_eq!(problems, expected);
}

#[test]
fn what_can_never_work_is_found_before_the_start() {
    const HOST: &str = "endpoints = [\"https://es:9200\"]\n";
    let with = |more: &str| format!("{HOST}{more}");
    check_problems("", &["endpoints: no endpoint is given"]);
    check_problems(HOST, &[]);
    check_problems(&with("bulk = {}"), &["bulk: `bulk` is set but not used in this mode"]);
    check_problems(
        &with("mode = \"bulk\"\nbulk = { index = \"O365\" }"),
        &["bulk.index: `O365` can't be the name of an index: it has upper-case letters"],
    );
    check_problems(
        &with("data_stream = { dataset = \"o365-audit\" }\ncompression_level = 0"),
        &[
            "data_stream.dataset: `o365-audit` can't be part of a data stream's name: it has a hyphen, which separates \
             the parts",
            "compression_level: 0 is not a level from 1 to 9",
        ],
    );
    check_problems(
        &with("mode = \"bulk\"\nbulk = { index = \"O365-{{ a }}\" }"),
        &["bulk.index: `O365-x` can't be the name of an index: it has upper-case letters"],
    );
    check_problems(
        &with("mode = \"bulk\"\nid_field = \"\"\nbulk = { version_field = \"v\" }"),
        &[
            "bulk.version_field: `create` never replaces a document, so that versions mean nothing",
            "bulk.version_field: the server takes versions of documents alone that have an id",
        ],
    );
    let api_key = "auth = { strategy = \"api_key\", api_key = \"x\" }\nsniff = true";
    let no_proof = "sniff: the credentials would go to any address that an answer names";
    check_problems(&with(api_key), &[]);
    check_problems(&with(&format!("{api_key}\ntls.verify_hostname = false")), &[no_proof]);
    check_problems(&format!("endpoints = [\"http://es:9200\"]\n{api_key}"), &[no_proof]);
    check_problems(
        "endpoints = [\"https://proxy/es\"]\nsniff = true",
        &[
            "sniff: an endpoint with a path is no node of a cluster, so that its nodes are behind a proxy",
        ],
    );
    check_problems(
        &with("sniff = true\nsniff_interval = \"0s\""),
        &["sniff_interval: nodes can't be looked up more often than every second"],
    );
    check_problems(
        &with("tls = { crt_file = \"a.pem\" }"),
        &["tls.crt_file: `crt_file` is set without `key_file`"],
    );
}

#[test]
fn a_sink_says_which_fields_it_needs() {
    let needs = |more: &str| -> Vec<String> {
        config(more)
            .needs()
            .iter()
            .map(|need| format!("{} for {}", need.path, need.option))
            .collect()
    };
    assert_eq!(needs(""), ["id for id_field", "@timestamp for mode"]);
    assert_eq!(needs("mode = \"bulk\"\nbulk.index = \"o365\""), ["id for id_field"]);
    assert_eq!(
        needs("mode = \"bulk\"\nbulk = { timestamp_field = \"CreationTime\" }"),
        ["id for id_field", "CreationTime for bulk.timestamp_field"]
    );
    assert_eq!(
        needs("pipeline = \"{{ p }}\"\ndata_stream = { dataset = \"o365.{{ a.b }}\" }"),
        ["id for id_field", "@timestamp for mode", "a.b for data_stream.dataset", "p for pipeline"]
    );
}
