//! One tenant's table: whose records, and the app that may read them.

use std::path::PathBuf;

use office365::{Cloud, Credential, Origin, TenantId, TenantSettings, TokenEndpoint};
use pipeline_core::{Problem, RunError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Config,
    credential::{App, Certificate, ManagedIdentity, Options, client_id_problem},
};

/// One tenant, and the app that may read its records.
///
/// It has one credential, or none where there is a shared app.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// What logs, metrics and events call the tenant.
    pub name: String,
    /// The tenant's GUID (its directory id), not a domain.
    pub tenant_id: String,
    /// The GUID of the app registration (its application id).
    #[serde(default)]
    pub client_id: Option<String>,
    /// The value of a client secret of the app, not the secret's id.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub client_secret: Option<SecretString>,
    /// Instead of a secret: a certificate of the app, with its private key. `path` is a PFX container or PEM, `password`
    /// opens it, `key_path` is a PEM file with the key where that is not in `path`, `algorithm` is `PS256` or `RS256`. The
    /// files are read again when they change.
    #[serde(default)]
    pub certificate: Option<Certificate>,
    /// Instead of a secret: a file with a token that a federated credential of the app trusts. It is read before each
    /// sign-in.
    #[serde(default)]
    pub federated_token_file: Option<PathBuf>,
    /// Instead of an app: the managed identity of the machine in Azure that this runs on, `{}` for the system-assigned
    /// one, `client_id` for a user-assigned one. For the tenant that the machine belongs to.
    #[serde(default)]
    pub managed_identity: Option<ManagedIdentity>,
    /// Which form of Microsoft's token endpoint is used: `v2`, or `v1` as older programs did.
    #[serde(default, deserialize_with = "token_endpoint")]
    #[schemars(schema_with = "token_endpoints")]
    pub token_endpoint: TokenEndpoint,
    /// Where the tenant lives: `enterprise`, `gcc`, `gcc-high` or `dod`.
    #[serde(default, deserialize_with = "cloud")]
    #[schemars(schema_with = "clouds")]
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
    /// The files with secrets: its own, where it has one, and its private key's.
    pub fn private_files(&self) -> impl Iterator<Item = PathBuf> {
        self.file.iter().chain(self.certificate.iter().map(Certificate::key_file)).cloned()
    }

    /// Whether this is what a user means by `name`: its name in any case, or its GUID.
    pub fn is_called(&self, name: &str) -> bool {
        let id = self.tenant_id.parse::<TenantId>().ok();
        self.name.eq_ignore_ascii_case(name) || id.is_some_and(|id| name.parse() == Ok(id))
    }

    /// All that is wrong with the tenant by itself, at keys of its own table. `app` is what serves it if it has none.
    pub(in super::super) fn own_problems(&self, app: Option<&App>) -> Vec<Problem> {
        let mut problems = self.problems(0, app);
        for problem in &mut problems {
            // Without the name and the number of the list.
            problem.key.drain(..problem.key.len().min(2));
        }
        problems
    }

    /// What is wrong with the table at `index`. `app` is what serves a tenant that has none of its own.
    pub(super) fn problems(&self, index: usize, app: Option<&App>) -> Vec<Problem> {
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
        let fix = "set the tenant's GUID (directory id), not a domain";
        if self.tenant_id.trim().is_empty() {
            wrong("tenant_id", "it is empty".to_owned(), fix);
        } else if self.tenant_id.trim().parse::<Uuid>().is_err() {
            wrong("tenant_id", "it is not a GUID".to_owned(), fix);
        }
        for (key, url) in [("login_url", &self.login_url), ("resource_url", &self.resource_url)] {
            if let Some(Err(error)) = url.as_ref().map(|url| url.parse::<Origin>()) {
                wrong(key, error.to_string(), "leave the key out, or give scheme and host only");
            }
        }
        self.add_credential_problems(&format!("tenants.{index}"), app, &mut problems);
        problems
    }

    fn add_credential_problems(&self, place: &str, app: Option<&App>, problems: &mut Vec<Problem>) {
        let options = self.options();
        let client_id = self.client_id.as_deref();
        let is_app = match options.names().as_slice() {
            [] if app.is_some() && client_id.is_some() => {
                let message = "there is no credential with it";
                let fix = "set one of client_secret, certificate and federated_token_file, or leave client_id out, so that \
                           the shared app is used";
                problems.push(Problem::at(&format!("{place}.client_id"), message).fix(fix));
                false
            }
            [] if app.is_some() => false,
            [] => {
                let fix = "set one of client_secret, certificate, federated_token_file and managed_identity";
                problems.push(Problem::at(place, "there is no credential").fix(fix));
                true
            }
            names => names != ["managed_identity"],
        };
        if is_app || client_id.is_some() {
            problems.extend(client_id_problem(place, client_id));
        }
        options.add_problems(place, problems);
    }

    fn options(&self) -> Options<'_> {
        Options {
            client_secret: self.client_secret.as_ref(),
            certificate: self.certificate.as_ref(),
            federated_token_file: self.federated_token_file.as_deref(),
            managed_identity: self.managed_identity.as_ref(),
        }
    }

    /// Who signs in, and with what: the tenant's own app or identity, else the shared app.
    fn identity(&self, app: Option<&App>) -> Result<(Uuid, Credential), RunError> {
        let guid = |text: &str| {
            let wrong = |_| RunError::plain(format!("`client_id` for tenant `{}`", self.name));
            text.trim().parse::<Uuid>().map_err(wrong)
        };
        let options = self.options();
        if let (true, Some(app)) = (options.names().is_empty(), app) {
            return Ok((guid(&app.client_id)?, app.credential()?));
        }
        let client_id = match (&self.managed_identity, &self.client_id) {
            (Some(identity), _) => identity.client_id()?.unwrap_or_default(),
            (None, client_id) => guid(client_id.as_deref().unwrap_or_default())?,
        };
        Ok((client_id, options.credential()?))
    }

    /// The settings of a tenant's client. What does not parse was refused before.
    pub(in super::super) fn settings(&self, source: &Config) -> Result<TenantSettings, RunError> {
        let wrong = |key: &str| RunError::plain(format!("`{key}` of tenant `{}`", self.name));
        let tenant_id: TenantId = self.tenant_id.parse().map_err(|_| wrong("tenant_id"))?;
        let (client_id, credential) = self.identity(source.app.as_ref())?;
        let mut settings = TenantSettings::new(tenant_id, client_id, credential);
        settings.token_endpoint = self.token_endpoint;
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

fn clouds(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": Cloud::ALL.map(Cloud::name) })
}

fn token_endpoints(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["v1", "v2"] })
}

fn cloud<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Cloud, D::Error> {
    let name = String::deserialize(deserializer)?;
    Cloud::ALL.into_iter().find(|cloud| cloud.name() == name).ok_or_else(|| {
        let message = format!("`{name}` is not a cloud, expected enterprise, gcc, gcc-high or dod");
        serde::de::Error::custom(message)
    })
}

fn token_endpoint<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<TokenEndpoint, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "v1" => Ok(TokenEndpoint::V1),
        "v2" => Ok(TokenEndpoint::V2),
        other => {
            let message = format!("`{other}` is not a token endpoint, expected v2 or v1");
            Err(serde::de::Error::custom(message))
        }
    }
}
