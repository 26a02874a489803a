//! Is everything as it must be for a tenant's records to arrive? One check after the other, from the network to the
//! first record of a blob; each failure with its cause and what to do about it.
//!
//! Invariants: nothing is changed, at the API or here; no subscription is started. No secret, no token and no record is
//! in a finding. What a failed check makes impossible is left out; the rest goes on.

mod access;
mod content;
mod network;

use std::sync::Arc;

use net::{ProxySettings, SendError, Transport};
use office365::{ApiError, Credential, SignInError, TenantClient, TenantSettings};
use pipeline_core::{Clock, Finding};

use super::{
    blob::chain,
    config::{Config, Tenant},
};

/// A tenant under examination.
struct Patient<'a> {
    config: &'a Config,
    settings: TenantSettings,
    transport: Arc<dyn Transport>,
    proxies: ProxySettings,
    clock: &'a dyn Clock,
    findings: Vec<Finding>,
}

/// Examines one tenant of `config`.
pub async fn examine(config: &Config, tenant: &Tenant, clock: &dyn Clock) -> Vec<Finding> {
    let settings = match tenant.settings(config) {
        Ok(settings) => settings,
        Err(error) => return vec![Finding::fail("config", chain(&error))],
    };
    let summary = summary(&settings);
    let way = config.transport().and_then(|transport| Ok((transport, config.proxy.settings()?)));
    let (transport, proxies) = match way {
        Ok(way) => way,
        Err(error) => {
            let fix =
                "name a readable PEM file with certificates in tls.ca_file, and check the proxy";
            return vec![summary, Finding::fail("config", chain(&error)).fix(fix)];
        }
    };
    let findings = vec![summary];
    let mut patient = Patient { config, settings, transport, proxies, clock, findings };
    let has_certificate = patient.certificate().await;
    let reached = patient.network().await;
    if !reached.login || !has_certificate {
        return patient.findings;
    }
    let client = TenantClient::new(
        patient.settings.clone(),
        Arc::clone(&patient.transport),
        None,
        fastrand::Rng::new(),
    );
    if patient.access(&client).await && reached.api {
        patient.content(&client).await;
    }
    patient.findings
}

fn summary(settings: &TenantSettings) -> Finding {
    let TenantSettings { tenant_id, client_id, urls, credential, .. } = settings;
    let credential = match credential {
        Credential::ClientSecret(_) => "a client secret",
        Credential::Certificate(_) => "a certificate",
        Credential::FederatedToken(_) => "a federated token",
        Credential::ManagedIdentity(_) => "the managed identity of this machine",
    };
    Finding::ok(
        "config",
        format!(
            "tenant {tenant_id}, app {client_id} with {credential}; sign-in at {}, API at {}",
            urls.login, urls.resource
        ),
    )
}

/// A failure of the API or the sign-in, with what is known about it.
fn failure(check: &'static str, about: &str, error: &ApiError) -> Finding {
    let said = match error {
        ApiError::SignIn { source, .. } => chain(&**source),
        error => chain(error),
    };
    let finding = Finding::fail(check, format!("{about}{said}"));
    match (error.hint(), send_error(error)) {
        (Some(hint), _) => finding.cause(hint.cause).fix(hint.fix),
        (None, Some(error)) => finding.cause(error.kind().cause()).fix(error.kind().fix()),
        (None, None) => finding,
    }
}

/// Why a request got no answer, where that is what failed.
fn send_error(error: &ApiError) -> Option<&SendError> {
    match error {
        ApiError::Send { source, .. } => Some(source),
        ApiError::SignIn { source, .. } => match &**source {
            SignInError::Send { source } => Some(source),
            SignInError::Body { .. }
            | SignInError::Slow { .. }
            | SignInError::Malformed { .. }
            | SignInError::Refused { .. }
            | SignInError::IdentityRefused { .. }
            | SignInError::NoManagedIdentity { .. }
            | SignInError::Certificate { .. }
            | SignInError::FederatedToken { .. } => None,
        },
        ApiError::Refused { .. }
        | ApiError::Body { .. }
        | ApiError::Slow { .. }
        | ApiError::Malformed { .. }
        | ApiError::ForeignHost { .. } => None,
    }
}
