//! The sign-in, and what the token says: is it for this API, of this tenant, and with which permissions?

use chrono::TimeDelta;
use office365::{CertificateInfo, Claims, ContentType, Credential, Origin, TenantClient, TenantId};
use pipeline_core::{Finding, Timestamp};

use super::{Patient, chain, failure};

/// The application id of Office 365 Management APIs, which a token may name instead of the address.
const API_APPLICATION: &str = "c5393580-f805-4401-95e8-94b7a6ef2fc2";

/// A certificate that ends within this time is to be replaced; as the warnings of a running source have it.
const RENEWAL: TimeDelta = TimeDelta::days(30);

impl Patient<'_> {
    /// Reads the certificate, where the tenant has one. Whether there is one, or none is needed.
    pub(super) async fn certificate(&mut self) -> bool {
        let Credential::Certificate(certificate) = &self.settings.credential else { return true };
        let now = self.clock.now();
        let info = certificate.info(now).await;
        let is_readable = info.is_ok();
        self.findings.push(match info {
            Ok(info) => validity(&info, now),
            Err(error) => {
                let hint = error.hint();
                Finding::fail("certificate", chain(&error)).cause(hint.cause).fix(hint.fix)
            }
        });
        is_readable
    }

    /// Whether there is a token.
    pub(super) async fn access(&mut self, client: &TenantClient) -> bool {
        let token = match client.sign_in().await {
            Ok(token) => token,
            Err(error) => {
                self.findings.push(failure("token", "", &error));
                return false;
            }
        };
        let minutes = token.expires_in.as_secs() / 60;
        self.findings.push(Finding::ok("token", format!("got one, good for {minutes} minutes")));
        let Some(claims) = token.claims else {
            let found = "the token cannot be read, so what it permits is not known";
            self.findings.push(Finding::warn("claims", found));
            return true;
        };
        let settings = client.settings();
        self.findings.push(audience(&claims, &settings.urls.resource));
        self.findings.push(tenant(&claims, settings.tenant_id));
        self.findings.extend(roles(&claims, &self.config.content_types));
        true
    }
}

fn validity(info: &CertificateInfo, now: Timestamp) -> Finding {
    const CHECK: &str = "certificate";
    let found = format!(
        "`{}` with the SHA-1 thumbprint {} ends on {}",
        info.path.display(),
        info.sha1_thumbprint,
        info.not_after.format("%F")
    );
    let fix = "make a new certificate, upload it to the app registration, and replace the file";
    match info.not_after - now {
        left if left <= TimeDelta::zero() => {
            Finding::fail(CHECK, found).cause("the certificate has ended").fix(fix)
        }
        left if left <= RENEWAL => Finding::warn(CHECK, found).fix(fix),
        _ => Finding::ok(CHECK, found),
    }
}

fn audience(claims: &Claims, resource: &Origin) -> Finding {
    let Some(audience) = &claims.audience else {
        return Finding::warn("audience", "the token does not say what it is for");
    };
    let is_url = audience.parse::<Origin>().is_ok_and(|origin| origin == *resource);
    if is_url || audience.eq_ignore_ascii_case(API_APPLICATION) {
        return Finding::ok("audience", format!("the token is for {audience}"));
    }
    Finding::fail("audience", format!("the token is for {audience}, not for {resource}"))
        .cause("the sign-in was asked for a token of another API")
        .fix("check resource_url and cloud")
}

fn tenant(claims: &Claims, tenant_id: TenantId) -> Finding {
    match claims.tenant.as_deref() {
        None => Finding::warn("tenant", "the token does not say of which tenant it is"),
        Some(tenant) if tenant.parse() == Ok(tenant_id) => {
            Finding::ok("tenant", "the token is of this tenant")
        }
        Some(tenant) => Finding::fail("tenant", format!("the token is of the tenant {tenant}"))
            .cause("tenant_id and the tenant in which the app signs in differ")
            .fix("make tenant_id the tenant's own GUID, and check login_url"),
    }
}

/// For each permission that is needed, whether the token has it.
fn roles(claims: &Claims, content_types: &[ContentType]) -> Vec<Finding> {
    let mut needed: Vec<&'static str> = content_types.iter().map(|of| of.role()).collect();
    needed.sort_unstable();
    needed.dedup();
    let held = match claims.roles.as_slice() {
        [] => "none at all".to_owned(),
        roles => roles.join(", "),
    };
    let finding = |role: &str| {
        if claims.roles.iter().any(|held| held == role) {
            return Finding::ok("permission", format!("the token has {role}"));
        }
        let of_role = content_types.iter().filter(|of| of.role() == role).map(|of| of.name());
        let types = of_role.collect::<Vec<_>>().join(", ");
        Finding::fail("permission", format!("the token lacks {role}, which {types} needs; it has {held}"))
            .cause("the app has no such application permission, or nobody consented to it")
            .fix(format!(
                "in the app registration add the Application permission {role} of Office 365 Management APIs (not a \
                 delegated one), grant admin consent, and wait some minutes"
            ))
    };
    needed.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use pipeline_core::Health;

    use super::*;

    const TENANT: &str = "2d6f1f0c-9c4e-4f0b-8a58-0d4b1c3c7a11";

    fn claims(audience: &str, tenant: &str, roles: &[&str]) -> Claims {
        Claims {
            audience: Some(audience.to_owned()),
            tenant: Some(tenant.to_owned()),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            expires: None,
        }
    }

    #[test]
    fn a_token_for_something_else_is_told() {
        let resource: Origin = "https://manage.office.com".parse().unwrap();
        for (audience_claim, health) in [
            ("https://manage.office.com", Health::Ok),
            ("https://manage.office.com/", Health::Ok),
            ("C5393580-f805-4401-95e8-94b7a6ef2fc2", Health::Ok),
            ("https://graph.microsoft.com", Health::Fail),
            ("00000003-0000-0000-c000-000000000000", Health::Fail),
        ] {
            let found = audience(&claims(audience_claim, TENANT, &[]), &resource);
            assert_eq!(found.health, health, "{audience_claim}");
        }
        let id: TenantId = TENANT.parse().unwrap();
        assert_eq!(tenant(&claims("", &TENANT.to_uppercase(), &[]), id).health, Health::Ok);
        let other = "5e0a9b7e-0f4d-4a8e-b7f1-3f0c8d1e2b22";
        let found = tenant(&claims("", other, &[]), id);
        assert_eq!(found.health, Health::Fail);
        assert!(found.found.contains(other));
        assert_eq!(tenant(&Claims::default(), id).health, Health::Warn);
    }

    #[test]
    fn a_certificate_is_judged_by_the_days_that_are_left() {
        let now = DateTime::UNIX_EPOCH;
        for (days, health) in
            [(400, Health::Ok), (30, Health::Warn), (1, Health::Warn), (0, Health::Fail)]
        {
            let info = CertificateInfo {
                path: "app.pfx".into(),
                sha1_thumbprint: "AB12".to_owned(),
                sha256_thumbprint: String::new(),
                not_after: now + TimeDelta::days(days),
            };
            let finding = validity(&info, now);
            assert_eq!(finding.health, health, "{days}");
            assert!(finding.found.contains("AB12 ends on 19"), "{}", finding.found);
        }
    }

    #[test]
    fn each_missing_permission_is_named_with_what_needs_it() {
        let types = [ContentType::Exchange, ContentType::Dlp, ContentType::General];
        let found = |roles: &[&str]| {
            let findings = super::roles(&claims("", "", roles), &types);
            findings.into_iter().map(|found| (found.health, found.found)).collect::<Vec<_>>()
        };
        let both = found(&["ActivityFeed.Read", "ActivityFeed.ReadDlp"]);
        assert!(both.iter().all(|(health, _)| *health == Health::Ok) && both.len() == 2);
        let one = found(&["ActivityFeed.Read", "ServiceHealth.Read"]);
        assert_eq!(one[0].0, Health::Ok);
        let lacks = "the token lacks ActivityFeed.ReadDlp, which DLP.All needs; it has ActivityFeed.Read, ServiceHealth.Read";
        assert_eq!(one[1], (Health::Fail, lacks.to_owned()));
        assert!(
            found(&[])[0]
                .1
                .ends_with("which Audit.Exchange, Audit.General needs; it has none at all")
        );
    }
}
