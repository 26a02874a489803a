//! Credentials that are no secret of the app: tokens of other issuers, and the identity of a machine.

use std::time::Duration;

use fake_tenant::ManagedIdentity as Known;
use office365::{
    Credential, ErrorClass, IdentityEndpoint, ManagedIdentity, TenantSettings, TokenEndpoint,
};
use uuid::Uuid;

use crate::entra::{Entra, spec};
use crate::openssl_tool::Kit;
use crate::script::chain;

const HEADER: &str = "hush-identity-header-853b9a84";
const USER_ASSIGNED: Uuid = Uuid::from_u128(77);

fn federated(number: u32) -> String {
    format!(
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQifQ.hush-federated-{number}"
    )
}

#[tokio::test(start_paused = true)]
async fn a_federated_token_is_read_before_each_exchange() {
    let kit = Kit::new();
    let path = kit.path("token");
    let entra = Entra::new(spec());
    entra.change(|tenant| tenant.federated_tokens = vec![federated(1)]);
    kit.put(federated(1) + "\n", &path);
    for token_endpoint in [TokenEndpoint::V1, TokenEndpoint::V2] {
        let settings =
            entra.settings(Credential::FederatedToken(path.clone()), chrono::TimeDelta::zero());
        let client = entra.client_with(TenantSettings { token_endpoint, ..settings });
        client.sign_in().await.unwrap();
        kit.put(federated(2), &path);
        entra.change(|tenant| tenant.federated_tokens = vec![federated(2)]);
        tokio::time::advance(Duration::from_mins(61)).await;
        client.sign_in().await.unwrap();
        kit.put(federated(1), &path);
        entra.change(|tenant| tenant.federated_tokens = vec![federated(1)]);
    }
    assert_eq!(entra.fake.stats().tokens_issued, 4);
}

#[tokio::test]
async fn a_file_without_a_token_says_so_and_shows_nothing() {
    let kit = Kit::new();
    let path = kit.path("token");
    let entra = Entra::new(spec());
    for (content, says) in [
        (None, "cannot read"),
        (Some(""), "does not hold a token"),
        (Some("hush"), "does not hold a token"),
        (Some("hush.hush.hush hush"), "does not hold a token"),
        (Some("a.b.c"), "AADSTS50027"),
        (Some("eyJhbGciOiJSUzI1NiJ9.e30.hush"), "AADSTS70021"),
    ] {
        if let Some(content) = content {
            kit.put(content, &path);
        }
        let client = entra.client(Credential::FederatedToken(path.clone()));
        let error = client.sign_in().await.unwrap_err();
        let text = chain(&error);
        assert!(text.contains(says) && !text.contains("hush"), "{text}");
        assert_eq!(error.class(), ErrorClass::Misconfigured);
        assert!(error.hint().is_some(), "{text}");
    }
}

/// The identity of an app service, if `is_app_service`, else of a virtual machine.
fn identity(is_app_service: bool, header: &str, client_id: Option<Uuid>) -> Credential {
    let variable = |name: &str| match (is_app_service, name) {
        (true, "IDENTITY_ENDPOINT") => Some("http://127.0.0.1:41155/msi/token".to_owned()),
        (true, "IDENTITY_HEADER") => Some(header.to_owned()),
        (true | false, _) => None,
    };
    let endpoint = IdentityEndpoint::from_environment(&variable).unwrap();
    Credential::ManagedIdentity(ManagedIdentity { endpoint, client_id })
}

#[tokio::test(start_paused = true)]
async fn both_endpoints_of_managed_identities_give_tokens() {
    for client_id in [None, Some(USER_ASSIGNED)] {
        let mut spec = spec();
        let known = client_id.map(|id| id.to_string());
        spec.managed_identity = Some(Known { client_id: known, header: HEADER.to_owned() });
        let entra = Entra::new(spec);
        for is_app_service in [false, true] {
            let client = entra.client(identity(is_app_service, HEADER, client_id));
            let token = client.sign_in().await.unwrap();
            assert_eq!(token.expires_in.as_secs(), 3600, "{is_app_service}");
            tokio::time::advance(Duration::from_mins(56)).await;
            client.sign_in().await.unwrap();
            assert!(client.certificate().await.unwrap().is_none());
            assert!(!format!("{client:?}").contains("hush"));
        }
        assert_eq!(entra.fake.stats().tokens_issued, 4);
    }
}

#[tokio::test]
async fn an_identity_that_is_not_there_says_what_to_do() {
    let mut spec = spec();
    spec.managed_identity = Some(Known { client_id: None, header: HEADER.to_owned() });
    let entra = Entra::new(spec);
    for credential in [
        identity(false, "", Some(USER_ASSIGNED)),
        identity(true, HEADER, Some(USER_ASSIGNED)),
        identity(true, "hush-another", None),
    ] {
        let error = entra.client(credential).sign_in().await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Misconfigured);
        let text = chain(&error);
        assert!(text.contains("managed identity refused: 400") && !text.contains("hush"), "{text}");
        assert!(error.hint().unwrap().fix.contains("client_id"));
    }
}

#[test]
fn an_environment_that_makes_no_sense_is_refused() {
    let endpoint = |url: &str, header: Option<&str>| {
        let variable = |name: &str| match name {
            "IDENTITY_ENDPOINT" => Some(url.to_owned()),
            _ => header.map(str::to_owned),
        };
        let endpoint = IdentityEndpoint::from_environment(&variable);
        endpoint.map_or_else(|error| error.to_string(), |endpoint| format!("{endpoint:?}"))
    };
    assert_eq!(endpoint("", Some("x")), "Machine");
    assert!(endpoint("http://127.0.0.1:1/x", None).contains("but not IDENTITY_HEADER"));
    assert!(endpoint("127.0.0.1", Some("hush")).contains("IDENTITY_ENDPOINT does not hold"));
    assert!(endpoint("http://127.0.0.1/?x=1", Some("hush")).contains("does not hold a URL"));
    assert!(endpoint("http://127.0.0.1/", Some("hu\nsh")).contains("does not hold a header"));
    assert!(!endpoint("http://127.0.0.1/", Some("hush")).contains("hush"));
    assert!(endpoint("ftp://127.0.0.1/", Some("hush")).contains("does not hold a URL"));
}

#[test]
fn what_proves_the_identity_leaves_the_machine_only_over_tls() {
    let endpoint = |url: &str| {
        let variable = |name: &str| match name {
            "IDENTITY_ENDPOINT" => Some(url.to_owned()),
            _ => Some("hush".to_owned()),
        };
        IdentityEndpoint::from_environment(&variable).map(drop).map_err(|error| error.to_string())
    };
    for url in [
        "http://localhost:42356/msi/token/",
        "http://127.0.0.1:41155/msi/token",
        "http://[::1]:1/msi/token",
        "http://169.254.129.2:8081/msi/token",
        "https://10.0.0.4:2377/metadata/identity/oauth2/token",
    ] {
        assert_eq!(endpoint(url), Ok(()), "{url}");
    }
    for url in [
        "http://10.0.0.4/msi/token",
        "http://identity.example/msi/token",
        "http://127.0.0.1.example/msi/token",
        "http://localhost@identity.example/msi/token",
    ] {
        let error = endpoint(url).unwrap_err();
        assert!(error.contains("IDENTITY_ENDPOINT") && !error.contains("hush"), "{error}");
    }
}
