//! One tenant's table: whose records, and the app that may read them.

use std::path::PathBuf;

use office365::{Cloud, Credential, Origin, TenantId, TenantSettings};
use pipeline_core::{Problem, RunError};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use super::Config;

/// One tenant, and the app that may read its records.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// What logs, metrics and events call the tenant.
    pub name: String,
    /// The tenant's GUID (its directory id), not a domain.
    pub tenant_id: String,
    /// The GUID of the app registration (its application id).
    pub client_id: String,
    /// The value of a client secret of the app, not the secret's id.
    pub client_secret: SecretString,
    /// Where the tenant lives: `enterprise`, `gcc`, `gcc-high` or `dod`.
    #[serde(default, deserialize_with = "cloud")]
    pub cloud: Cloud,
    /// Where to sign in, instead of the cloud's own host.
    #[serde(default)]
    pub login_url: Option<String>,
    /// Where the API is, instead of the cloud's own host.
    #[serde(default)]
    pub resource_url: Option<String>,
    /// The file that declares the tenant; nothing where the main configuration does.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

impl Tenant {
    /// All that is wrong with the tenant by itself, at keys of its own table.
    pub(in super::super) fn own_problems(&self) -> Vec<Problem> {
        let mut problems = self.problems(0);
        for problem in &mut problems {
            // Without the name and the number of the list.
            problem.key.drain(..problem.key.len().min(2));
        }
        problems
    }

    pub(super) fn problems(&self, index: usize) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |key: &str, message: String, fix: &str| {
            problems.push(Problem::at(&format!("tenants.{index}.{key}"), message).fix(fix));
        };
        if self.name.trim().is_empty() {
            wrong(
                "name",
                "it is empty".to_owned(),
                "name the tenant as logs and metrics shall call it",
            );
        }
        for (key, text, fix) in [
            ("tenant_id", &self.tenant_id, "set the tenant's GUID (directory id), not a domain"),
            ("client_id", &self.client_id, "set the GUID of the app registration (application id)"),
        ] {
            if text.trim().is_empty() {
                wrong(key, "it is empty".to_owned(), fix);
            } else if text.trim().parse::<Uuid>().is_err() {
                wrong(key, "it is not a GUID".to_owned(), fix);
            }
        }
        if self.client_secret.expose_secret().trim().is_empty() {
            let fix = "set the value of a client secret; is the variable behind it set?";
            wrong("client_secret", "it is empty".to_owned(), fix);
        }
        for (key, url) in [("login_url", &self.login_url), ("resource_url", &self.resource_url)] {
            if let Some(Err(error)) = url.as_ref().map(|url| url.parse::<Origin>()) {
                wrong(key, error.to_string(), "leave the key out, or give scheme and host only");
            }
        }
        problems
    }

    /// The settings of a tenant's client. What does not parse was refused before.
    pub(in super::super) fn settings(&self, source: &Config) -> Result<TenantSettings, RunError> {
        let wrong = |key: &str| RunError::plain(format!("`{key}` of tenant `{}`", self.name));
        let tenant_id: TenantId = self.tenant_id.parse().map_err(|_| wrong("tenant_id"))?;
        let client_id = self.client_id.trim().parse().map_err(|_| wrong("client_id"))?;
        let secret = Credential::ClientSecret(self.client_secret.clone());
        let mut settings = TenantSettings::new(tenant_id, client_id, secret);
        settings.urls = self.cloud.urls();
        if let Some(url) = &self.login_url {
            settings.urls.login = url.parse().map_err(|_| wrong("login_url"))?;
        }
        if let Some(url) = &self.resource_url {
            settings.urls.resource = url.parse().map_err(|_| wrong("resource_url"))?;
        }
        if !source.publisher_id.is_empty() {
            settings.publisher_id =
                source.publisher_id.parse().map_err(|_| wrong("publisher_id"))?;
        }
        settings.timeouts = source.timeouts();
        settings.record_bytes_max = source.record_bytes_max;
        Ok(settings)
    }
}

fn cloud<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Cloud, D::Error> {
    let name = String::deserialize(deserializer)?;
    Cloud::ALL.into_iter().find(|cloud| cloud.name() == name).ok_or_else(|| {
        let message = format!("`{name}` is not a cloud, expected enterprise, gcc, gcc-high or dod");
        serde::de::Error::custom(message)
    })
}
