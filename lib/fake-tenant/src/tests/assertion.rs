//! Assertions: what Entra accepts, and the number by which it refuses the rest.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use serde_json::{Value, json};

use super::client::{CLIENT_ID, Client, OTHER_TENANT, TENANT, noon, tenant};
use crate::assertion::ASSERTION_TYPE;
use crate::{ManagedIdentity, Settings};

const HOST: &str = "https://login.microsoftonline.com";
const RESOURCE: &str = "https://manage.office.com";

/// A key, and its certificate in DER.
struct App {
    key: KeyPair,
    certificate: Vec<u8>,
}

impl App {
    fn new(folder: &Path, name: &str) -> App {
        let openssl = |arguments: String| {
            let output =
                Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
            let output = output.expect("openssl is installed; `make test` does that");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        openssl(format!(
            "req -x509 -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.crt"
        ));
        openssl(format!("x509 -in {name}.crt -outform DER -out {name}.crt.der"));
        openssl(format!("pkcs8 -topk8 -nocrypt -in {name}.key -outform DER -out {name}.key.der"));
        let read =
            |kind: &str| fs::read(folder.join(format!("{name}.{kind}.der"))).expect("a file");
        let key = KeyPair::from_pkcs8(&read("key")).expect("a key");
        App { key, certificate: read("crt") }
    }

    fn header(&self, algorithm: &str) -> Value {
        match algorithm {
            "PS256" => {
                let thumbprint = digest(&SHA256, &self.certificate);
                json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(thumbprint) })
            }
            other => {
                let thumbprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.certificate);
                json!({ "alg": other, "typ": "JWT", "x5t": URL_SAFE_NO_PAD.encode(thumbprint) })
            }
        }
    }

    fn sign(&self, encoding: &'static dyn RsaEncoding, header: &Value, claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = SystemRandom::new();
        self.key.sign(encoding, &random, signed.as_bytes(), &mut signature).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn path(version: &str) -> String {
    format!("/{TENANT}/oauth2/{version}token")
}

/// Good claims for the v2 endpoint, with one of them changed.
fn claims(id: &str, change: Option<(&str, Value)>) -> Value {
    let now = noon().timestamp();
    let mut claims = json!({
        "aud": format!("{HOST}{}", path("v2.0/")), "iss": CLIENT_ID, "sub": CLIENT_ID, "jti": id,
        "nbf": now, "iat": now, "exp": now + 600,
    });
    if let Some((name, value)) = change {
        claims[name] = value;
    }
    claims
}

/// Asks for a token, and gives `ok` or the error, as `401 invalid_client 700027`.
async fn ask(client: &Client, version: &str, kind: &str, assertion: &str) -> String {
    let target = match version {
        "" => ("resource", RESOURCE.to_owned()),
        _ => ("scope", format!("{RESOURCE}/.default")),
    };
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_assertion_type", kind),
        ("client_assertion", assertion),
        (target.0, &target.1),
    ];
    let answer = client.post_form(&format!("{HOST}{}", path(version)), &fields).await;
    let body = answer.json();
    if body["access_token"].is_string() {
        return "ok".to_owned();
    }
    let error = body["error"].as_str().unwrap_or_default();
    format!("{} {error} {}", answer.status, body["error_codes"][0])
}

#[tokio::test]
async fn accepts_both_algorithms_at_both_endpoints() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = App::new(folder.path(), "app");
    let spec = tenant().with_certificate(app.certificate.clone());
    let client = Client::with(Settings::default(), spec).await;
    let algorithms: [(&str, &'static dyn RsaEncoding); 2] =
        [("PS256", &RSA_PSS_SHA256), ("RS256", &RSA_PKCS1_SHA256)];
    for (algorithm, encoding) in algorithms {
        for version in ["", "v2.0/"] {
            let audience = json!(format!("{HOST}{}", path(version)));
            let claims = claims(&format!("{algorithm}{version}"), Some(("aud", audience)));
            let assertion = app.sign(encoding, &app.header(algorithm), &claims);
            assert_eq!(
                ask(&client, version, ASSERTION_TYPE, &assertion).await,
                "ok",
                "{algorithm}"
            );
            let again = ask(&client, version, ASSERTION_TYPE, &assertion).await;
            assert_eq!(again, "401 invalid_client 50013", "an assertion is good once");
        }
    }
}

/// A name, the claim that is changed, its value, and what Entra says.
fn claims_and_verdicts() -> [(&'static str, &'static str, Value, &'static str); 9] {
    let now = noon().timestamp();
    let v1_audience = json!(format!("{HOST}{}", path("")));
    [
        ("a little early", "nbf", json!(now + 299), "ok"),
        ("too early", "nbf", json!(now + 301), "401 invalid_client 700024"),
        ("over", "exp", json!(now - 301), "401 invalid_client 700024"),
        ("for years", "exp", json!(now + 90_000), "401 invalid_client 700024"),
        ("other audience", "aud", json!(HOST), "401 invalid_client 700023"),
        ("v1's audience", "aud", v1_audience, "401 invalid_client 700023"),
        ("other issuer", "iss", json!(OTHER_TENANT), "401 invalid_client 700021"),
        ("other subject", "sub", json!(OTHER_TENANT), "401 invalid_client 50048"),
        ("no id", "jti", json!(null), "400 invalid_request 50027"),
    ]
}

#[tokio::test]
async fn refuses_an_assertion_that_is_wrong_in_one_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let (app, other) = (App::new(folder.path(), "app"), App::new(folder.path(), "other"));
    let spec = tenant().with_certificate(app.certificate.clone());
    let client = Client::with(Settings::default(), spec).await;
    let good = app.header("PS256");
    for (what, claim, value, expected) in claims_and_verdicts() {
        let claims = claims(what, Some((claim, value)));
        let assertion = app.sign(&RSA_PSS_SHA256, &good, &claims);
        assert_eq!(ask(&client, "v2.0/", ASSERTION_TYPE, &assertion).await, expected, "{what}");
    }
    let (others, padded) = (other.header("PS256"), app.header("RS256"));
    let (nameless, unsigned) = (json!({ "alg": "PS256" }), app.header("none"));
    for (what, signer, header, expected) in [
        ("another's key", &other, &good, "401 invalid_client 700027"),
        ("unregistered", &other, &others, "401 invalid_client 700027"),
        ("other padding", &app, &padded, "401 invalid_client 700027"),
        ("no thumbprint", &app, &nameless, "401 invalid_client 5002723"),
        ("no signature", &app, &unsigned, "401 invalid_client 5002738"),
    ] {
        let assertion = signer.sign(&RSA_PSS_SHA256, header, &claims(what, None));
        assert_eq!(ask(&client, "v2.0/", ASSERTION_TYPE, &assertion).await, expected, "{what}");
    }
    let assertion = app.sign(&RSA_PSS_SHA256, &good, &claims("last", None));
    let kind = ask(&client, "v2.0/", "urn:something", &assertion).await;
    assert_eq!(kind, "400 invalid_request 90023");
    // The claims of another, under this signature.
    let mut parts: Vec<&str> = assertion.split('.').collect();
    let foreign = URL_SAFE_NO_PAD.encode(claims("first", None).to_string());
    parts[1] = &foreign;
    let forged = ask(&client, "v2.0/", ASSERTION_TYPE, &parts.join(".")).await;
    assert_eq!(forged, "401 invalid_client 700027");
    // What was refused did not use the id up.
    assert_eq!(ask(&client, "v2.0/", ASSERTION_TYPE, &assertion).await, "ok");
}

#[tokio::test]
async fn a_managed_identity_wants_its_header_and_resource() {
    let mut spec = tenant();
    spec.managed_identity = Some(ManagedIdentity { client_id: None, header: "proof".to_owned() });
    let client = Client::with(Settings::default(), spec).await;
    let machine = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01";
    let service = "http://127.0.0.1:41155/msi/token?api-version=2019-08-01";
    let wanted = format!("&resource={RESOURCE}");
    for (url, header, resource, expected) in [
        (machine, ("metadata", "true"), wanted.as_str(), "ok"),
        (machine, ("metadata", "false"), &wanted, "400 bad_request_102"),
        (machine, ("x-identity-header", "proof"), &wanted, "400 bad_request_102"),
        (machine, ("metadata", "true"), "", "400 invalid_resource"),
        (machine, ("metadata", "true"), "&resource=https://graph.example", "400 invalid_resource"),
        (service, ("x-identity-header", "proof"), &wanted, "ok"),
        (service, ("x-identity-header", "guess"), &wanted, "400 bad_request_102"),
        (service, ("metadata", "true"), &wanted, "400 bad_request_102"),
    ] {
        let request = http::Request::get(format!("{url}{resource}")).header(header.0, header.1);
        let answer = client.send(request.body("".into()).expect("a request")).await;
        let body = answer.json();
        let got = match (body["access_token"].as_str(), body["error"].as_str()) {
            (Some(_), _) => "ok".to_owned(),
            (None, error) => format!("{} {}", answer.status, error.unwrap_or_default()),
        };
        assert_eq!(got, expected, "{url} {header:?} {resource}");
        assert_eq!(body["expires_in"].is_string(), got == "ok" && url == machine);
    }
}
