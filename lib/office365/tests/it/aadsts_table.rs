//! Every number of Microsoft Entra's that an app-only sign-in is known to meet: what becomes of it, and what the user is
//! told.

use office365::{AADSTS, ErrorClass, aadsts};

use crate::script::scripted;

const USER: ErrorClass = ErrorClass::Misconfigured;
const WAIT: ErrorClass = ErrorClass::Retry { after: None };

/// Numbers, class, a word of the cause, a word of the fix.
const TABLE: &[(&[u32], ErrorClass, &str, &str)] = &[
    (&[7_000_215, 70_002], USER, "secret is wrong", "copy the Value"),
    (&[7_000_222], USER, "expired", "new client secret"),
    (&[7_000_218], USER, "no credential", "variable"),
    (&[700_016, 700_011], USER, "not known in this tenant", "consent"),
    (&[7_000_112, 70_001], USER, "disabled", "enable"),
    (&[700_027, 50_012], USER, "signature", "public certificate"),
    (&[700_024], USER, "outside its time", "clock"),
    (&[50_013, 500_133], USER, "assertion", "clock"),
    (&[50_048], USER, "issuer", "client id"),
    (&[700_025], USER, "public client", "confidential"),
    (&[700_030], USER, "subject", "certificate"),
    (&[70_021, 700_211, 700_212, 700_213], USER, "federated credential", "issuer"),
    (&[700_229], USER, "app-only", "token of an app"),
    (&[90_002], USER, "not found", "tenant_id and cloud"),
    (&[90_038, 900_382, 900_432], USER, "national cloud", "set cloud"),
    (&[900_144, 90_014], USER, "missing", "not empty"),
    (&[9_001_023, 50_194, 90_124, 90_130], USER, "shared endpoint", "tenant_id"),
    (&[70_011, 28_002, 28_003, 700_022], USER, "scope", "resource_url"),
    (&[901_002], USER, "v1 endpoint", "token endpoint"),
    (&[500_011, 50_001, 650_057], USER, "not available", "cloud"),
    (&[65_001, 650_056, 90_094], USER, "consent", "admin consent"),
    (&[53_003, 530_032], USER, "Conditional Access", "allow"),
    (&[500_021, 500_022], USER, "tenant restrictions", "proxy"),
    (&[50_034], USER, "account", "credential of an app"),
    (&[50_196], USER, "too often", "wait"),
    (&[90_055, 90_024, 90_033, 90_006, 50_033, 90_012], WAIT, "passing", "tried again"),
];

#[tokio::test]
async fn every_number_has_its_class_its_cause_and_its_fix() {
    let (client, script) = scripted();
    for (codes, class, cause, fix) in TABLE {
        for code in *codes {
            // Where the list of numbers is missing, the text has it.
            for numbers in [format!(r#","error_codes":[{code}]"#), String::new()] {
                let body = format!(
                    r#"{{"error":"invalid_client","error_description":"AADSTS{code}: Some wording. Trace ID: t"{numbers}}}"#
                );
                script.sign_in(400, body);
                let error = client.sign_in().await.unwrap_err();
                assert_eq!(error.class(), *class, "{code}");
                let hint = error.hint().expect("it has a hint");
                assert!(hint.cause.contains(cause), "{code}: {}", hint.cause);
                assert!(hint.fix.contains(fix), "{code}: {}", hint.fix);
            }
        }
    }
}

#[test]
fn the_table_is_the_programs() {
    let known: usize = AADSTS.iter().map(|row| row.codes.len()).sum();
    let listed: Vec<u32> = TABLE.iter().flat_map(|(codes, ..)| codes.iter().copied()).collect();
    assert!(listed.iter().all(|code| aadsts(*code).is_some()));
    assert_eq!(listed.len(), known);
}
