//! What a configuration may say, and what is reported when it is wrong.

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::*;

const TENANT: &str = "
    [[tenants]]
    name = 'contoso'
    tenant_id = '2d6f1f0c-9c4e-4f0b-8a58-0d4b1c3c7a11'
    client_id = '7f1c9c58-55cb-4a3c-9a3e-5a1c1f5b2d22'
    client_secret = 'a~secret'
";

fn check(toml: &str, expected: &Expect) {
    let shown = match toml::from_str::<Config>(toml) {
        Err(error) => error.message().to_owned(),
        Ok(config) => {
            let mut shown = String::new();
            for problem in config.problems() {
                writeln!(shown, "{}: {}", problem.key.join("."), problem.message).unwrap();
            }
            shown
        }
    };
    expected.assert_eq(&shown);
}

#[test]
fn a_tenant_is_all_that_is_needed() {
    check(TENANT, &expect![""]);
}

#[test]
fn every_option_can_be_set() {
    let options = "
        content_types = ['audit.exchange', 'DLP.ALL']
        poll_interval = '1m'
        request_timeout = '10s'
        lookback = '1d'
        settle_time = '0s'
        relist_overlap = '24h'
        publisher_id = '2d6f1f0c-9c4e-4f0b-8a58-0d4b1c3c7a11'
        max_requests_per_minute = 60
        fetch_concurrency = 2
        record_path = 'o365.audit'
        dedupe_window = '0s'
        max_in_flight_bytes = '8MiB'
        record_bytes_max = '1MB'
        tls = { ca_file = 'ca.pem' }
    ";
    let more =
        "cloud = 'gcc-high'\nlogin_url = 'http://127.0.0.1:9'\nresource_url = 'https://a.example'";
    check(&format!("{options}{TENANT}{more}"), &expect![""]);
}

#[test]
fn every_problem_is_named_at_its_key() {
    check(
        "
        content_types = []
        poll_interval = '0s'
        lookback = '8d'
        publisher_id = 'me'
        record_path = 'a[1]'
        record_bytes_max = '0B'
        [[tenants]]
        name = ''
        tenant_id = 'contoso.example'
        client_id = ''
        client_secret = ' '
        login_url = 'http://login.example'
        ",
        &expect![[r"
            content_types: it is empty
            poll_interval: it is too short
            lookback: it is too long
            record_bytes_max: it is zero
            publisher_id: it is not a GUID
            record_path: it holds an array index
            tenants.0.name: it is empty
            tenants.0.tenant_id: it is not a GUID
            tenants.0.client_id: it is empty
            tenants.0.client_secret: it is empty
            tenants.0.login_url: `http://login.example` must be https; http is for loopback addresses only
        "]],
    );
    check(
        "content_types = ['Audit.General', 'audit.general']",
        &expect![[r"
        content_types: a type is named twice
        tenants: there is no tenant
    "]],
    );
}

#[test]
fn a_tenant_stands_there_once() {
    check(
        &format!("{TENANT}{TENANT}"),
        &expect![[r"
        tenants.1.name: another tenant is named `contoso` as well
        tenants.1.tenant_id: another table is for the same tenant
    "]],
    );
}

#[test]
fn mistakes_of_form_are_parse_errors() {
    check(
        "poll_intervall = '5m'",
        &expect![
            "unknown field `poll_intervall`, expected one of `content_types`, `poll_interval`, `request_timeout`, `lookback`, `settle_time`, `relist_overlap`, `relist_all_interval`, `publisher_id`, `max_requests_per_minute`, `fetch_concurrency`, `record_path`, `dedupe_window`, `max_in_flight_bytes`, `record_bytes_max`, `tls`, `tenants_dir`, `tenants`"
        ],
    );
    check(
        "content_types = ['Audit.Teams']",
        &expect![
            "`Audit.Teams` is not a content type, expected Audit.AzureActiveDirectory, Audit.Exchange, Audit.SharePoint, Audit.General or DLP.All"
        ],
    );
    check(
        &format!("{TENANT}cloud = 'germany'"),
        &expect!["`germany` is not a cloud, expected enterprise, gcc, gcc-high or dod"],
    );
    check("fetch_concurrency = 0", &expect!["invalid value: integer `0`, expected a nonzero u16"]);
}

#[test]
fn the_secret_is_not_printed() {
    let config: Config = toml::from_str(TENANT).unwrap();
    assert!(!format!("{config:?}").contains("a~secret"));
}
