//! The error numbers of Microsoft Entra's sign-in: what each means and what to do.
//!
//! For hints, and to tell passing trouble from wrong settings where the `error` field does not.

use crate::Hint;

/// One or more numbers with the same meaning.
#[derive(Clone, Copy, Debug)]
pub struct Aadsts {
    pub codes: &'static [u32],
    pub hint: Hint,
    /// Trying again helps.
    pub is_transient: bool,
}

/// What is known about AADSTS number `code`.
pub fn aadsts(code: u32) -> Option<&'static Aadsts> {
    AADSTS.iter().find(|row| row.codes.contains(&code))
}

const fn row(codes: &'static [u32], cause: &'static str, fix: &'static str) -> Aadsts {
    Aadsts { codes, hint: Hint { cause, fix }, is_transient: false }
}

const SIGNATURE_FIX: &str = "upload the public certificate to the app registration, and use the private key that belongs to it";
const APP_FIX: &str =
    "check tenant_id and client_id; for an app of another tenant, give admin consent in this one";
const SCOPE_FIX: &str = "check resource_url and cloud: the scope is made from them";

/// The numbers that an app-only sign-in is known to meet.
pub const AADSTS: &[Aadsts] = &[
    row(
        &[7_000_215, 70_002],
        "the client secret is wrong; often the secret's ID was copied instead of its value",
        "copy the Value of a client secret of this app, or make a new one",
    ),
    row(
        &[7_000_222],
        "the client secret has expired",
        "make a new client secret, or use a certificate",
    ),
    row(
        &[7_000_218],
        "no credential arrived",
        "check that the variable behind client_secret is set and not empty",
    ),
    row(&[700_016, 700_011], "the app is not known in this tenant", APP_FIX),
    row(
        &[7_000_112, 70_001],
        "the app is disabled in this tenant",
        "enable the enterprise application",
    ),
    row(&[700_027, 50_012], "the signature of the certificate is not accepted", SIGNATURE_FIX),
    row(&[700_024], "the assertion is outside its time", "set the clock of this machine right"),
    row(
        &[50_013, 500_133],
        "the assertion is not valid or outside its time",
        "set the clock of this machine right, and check the audience of the assertion",
    ),
    row(
        &[700_021, 700_023, 50_027, 5_002_723, 5_002_738],
        "the assertion is not in the form, or not for the endpoint, that the sign-in wants",
        "check login_url and cloud; try algorithm RS256 for an older cloud",
    ),
    row(&[50_048], "subject and issuer of the assertion differ", "make both the client id"),
    row(
        &[700_025],
        "the app is a public client",
        "make the app a confidential client: no public client flows",
    ),
    row(
        &[700_030],
        "the subject of the certificate is not authorised",
        "use a certificate that is registered for the app",
    ),
    row(
        &[70_021, 700_211, 700_212, 700_213],
        "no federated credential of the app matches the token",
        "make issuer, subject and audience of the federated credential those of the token",
    ),
    row(
        &[700_229],
        "the federated token is not app-only",
        "use a token of an app or a managed identity",
    ),
    row(&[90_002], "the tenant was not found", "check tenant_id and cloud"),
    row(
        &[90_038, 900_382, 900_432],
        "the tenant is in another national cloud",
        "set cloud to the tenant's cloud",
    ),
    row(
        &[900_144, 90_014],
        "a field of the sign-in request is missing",
        "check that client_id and the credential are not empty",
    ),
    row(
        &[9_001_023, 50_194, 90_124, 90_130],
        "the sign-in went to a shared endpoint instead of a tenant",
        "set tenant_id to the tenant's GUID",
    ),
    row(&[70_011, 28_002, 28_003, 700_022], "the scope is not valid", SCOPE_FIX),
    row(
        &[901_002],
        "the parameter of the v1 endpoint was sent to the v2 endpoint",
        "use the v1 token endpoint, or leave the default",
    ),
    row(
        &[500_011, 50_001, 650_057],
        "the API is not available in this tenant",
        "check cloud and resource_url, that the tenant has Office 365, and that the app has a permission of Office 365 \
         Management APIs",
    ),
    row(
        &[65_001, 650_056, 90_094],
        "nobody consented to the app's permissions",
        "grant admin consent for the app's application permissions",
    ),
    row(
        &[53_003, 530_032],
        "a Conditional Access policy blocks the app",
        "allow this app and this machine's address in the policy for workload identities",
    ),
    row(
        &[500_021, 500_022],
        "tenant restrictions of a proxy block the tenant",
        "allow the tenant in the proxy",
    ),
    row(
        &[50_034],
        "the account was not found; this is not an app-only sign-in",
        "use the credential of an app, not of a user",
    ),
    row(
        &[50_196],
        "the app signed in too often in a short time",
        "stop other programs that use the same app, then wait",
    ),
    Aadsts {
        codes: &[90_055, 90_024, 90_033, 90_006, 50_033, 90_012],
        hint: Hint {
            cause: "the sign-in service is busy or has passing trouble",
            fix: "nothing to do: it is tried again",
        },
        is_transient: true,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_number_has_one_meaning() {
        let mut seen = HashSet::new();
        for row in AADSTS {
            assert!(!row.hint.cause.is_empty() && !row.hint.fix.is_empty());
            for code in row.codes {
                assert!(seen.insert(code), "{code} twice");
            }
        }
        // Those that an app-only sign-in can meet.
        for code in [
            7_000_215, 7_000_222, 7_000_218, 70_002, 700_016, 700_011, 7_000_112, 70_001, 700_027,
            700_024, 50_012, 50_013, 500_133, 50_048, 700_025, 700_030, 70_021, 700_211, 700_212,
            700_213, 700_229, 90_002, 90_038, 900_382, 900_432, 900_144, 90_014, 9_001_023, 50_194,
            90_124, 90_130, 70_011, 28_002, 28_003, 700_022, 901_002, 500_011, 50_001, 650_057,
            65_001, 650_056, 90_094, 53_003, 530_032, 500_021, 500_022, 50_034, 50_196, 90_055,
            90_024, 90_033, 90_006, 50_033, 90_012,
        ] {
            assert!(seen.contains(&code), "{code} is not known");
        }
        assert!(aadsts(90_033).unwrap().is_transient);
        assert!(!aadsts(7_000_215).unwrap().is_transient);
        assert!(aadsts(1).is_none());
    }
}
