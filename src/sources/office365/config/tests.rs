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
            tenants.0.login_url: `http://login.example` must be https; http is for loopback addresses only
            tenants.0.client_id: it is empty
            tenants.0.client_secret: it is empty
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

/// A tenant without client id and credential, and the client id.
const BARE: &str = "
    [[tenants]]
    name = 'contoso'
    tenant_id = '2d6f1f0c-9c4e-4f0b-8a58-0d4b1c3c7a11'
";
const CLIENT: &str = "client_id = '7f1c9c58-55cb-4a3c-9a3e-5a1c1f5b2d22'\n";
const APP: &str = "
    app = { client_id = '7f1c9c58-55cb-4a3c-9a3e-5a1c1f5b2d22', federated_token_file = 'token' }
";

#[test]
fn each_credential_is_enough_alone() {
    for credential in [
        "client_secret = 'a~secret'",
        "certificate = { path = 'app.pfx' }",
        "certificate = { path = 'a.crt', key_path = 'a.key', password = 'x', algorithm = 'RS256' }",
        "federated_token_file = 'token'",
    ] {
        check(&format!("{BARE}{CLIENT}{credential}"), &expect![""]);
        check(&format!("{BARE}{credential}"), &expect!["tenants.0.client_id: it is missing\n"]);
    }
    check(&format!("{BARE}managed_identity = {{}}\ntoken_endpoint = 'v1'"), &expect![""]);
    let user_assigned = CLIENT.trim();
    check(&format!("{BARE}managed_identity = {{ {user_assigned} }}"), &expect![""]);
    check(&format!("{APP}{BARE}"), &expect![""]);
    check(&format!("{APP}{TENANT}"), &expect![""]);
}

#[test]
fn no_credential_and_two_are_problems() {
    let shown = expect![[r"
        tenants.0: there is no credential
    "]];
    check(&format!("{BARE}{CLIENT}"), &shown);
    check(
        &format!("{TENANT}federated_token_file = ''\nmanaged_identity = {{ client_id = 'me' }}"),
        &expect![[r"
            tenants.0.federated_token_file: `client_secret` is set as well, and one credential is enough
            tenants.0.managed_identity: `client_secret` is set as well, and one credential is enough
            tenants.0.federated_token_file: it is empty
            tenants.0.managed_identity.client_id: it is not a GUID
        "]],
    );
    check(
        &format!("{BARE}{CLIENT}certificate = {{ path = '', key_path = '' }}"),
        &expect![[r"
            tenants.0.certificate.path: it is empty
            tenants.0.certificate.key_path: it is empty
        "]],
    );
    check(
        &format!("{APP}{BARE}{CLIENT}"),
        &expect![[r"
            tenants.0.client_id: there is no credential with it
        "]],
    );
    check(
        &format!("app = {{ client_id = '' }}\n{BARE}"),
        &expect![[r"
            app.client_id: it is empty
            app: it has no credential
        "]],
    );
    check(
        &format!("{BARE}certificate = {{ path = 'x', algorithm = 'ES256' }}"),
        &expect!["`ES256` is not an algorithm, expected PS256 or RS256"],
    );
    check(
        &format!("{BARE}token_endpoint = 'v3'"),
        &expect!["`v3` is not a token endpoint, expected v2 or v1"],
    );
}

#[test]
fn tenants_of_the_shared_app_share_its_certificate() {
    let app = "app = { client_id = '7f1c9c58-55cb-4a3c-9a3e-5a1c1f5b2d22', certificate = { path = 'x' } }";
    let other = BARE.replace("contoso", "fabrikam").replace("11'", "12'");
    let config: Config = toml::from_str(&format!("{app}{BARE}{other}")).unwrap();
    assert!(config.problems().is_empty());
    let credentials =
        config.tenants.iter().map(|tenant| match tenant.settings(&config).unwrap().credential {
            office365::Credential::Certificate(certificate) => certificate,
            other => panic!("{other:?}"),
        });
    let credentials: Vec<_> = credentials.collect();
    assert!(std::sync::Arc::ptr_eq(&credentials[0], &credentials[1]));
}

#[test]
fn mistakes_of_form_are_parse_errors() {
    check(
        "poll_intervall = '5m'",
        &expect![
            "unknown field `poll_intervall`, expected one of `content_types`, `poll_interval`, `request_timeout`, `lookback`, `settle_time`, `relist_overlap`, `relist_all_interval`, `publisher_id`, `max_requests_per_minute`, `fetch_concurrency`, `record_path`, `dedupe_window`, `max_in_flight_bytes`, `record_bytes_max`, `tls`, `proxy`, `app`, `tenants`"
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
