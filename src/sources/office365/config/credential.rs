//! How an app, or this machine, proves who it is: the options of which a tenant or the shared app has exactly one.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use office365::{CertificateFiles, Credential, IdentityEndpoint, SigningAlgorithm};
use pipeline_core::{Problem, RunError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

/// One app that serves every tenant which has no `client_id` and no credential of its own: a multi-tenant app that each
/// of them has given admin consent to. It has one of `client_secret`, `certificate` and `federated_token_file`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The GUID of the app registration (its application id).
    pub client_id: String,
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
    /// Made once, so that all tenants share one certificate and its warnings.
    #[serde(skip)]
    made: Arc<OnceLock<Credential>>,
}

/// A certificate and its private key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The file with the certificate: PFX or PEM.
    pub path: PathBuf,
    /// What the container, or the key, is encrypted with.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub password: Option<SecretString>,
    /// The PEM file with the private key, where that is not in `path`.
    #[serde(default)]
    pub key_path: Option<PathBuf>,
    /// How assertions are signed: `PS256`, or `RS256` for a cloud that does not know it.
    #[serde(default, deserialize_with = "algorithm")]
    #[schemars(schema_with = "algorithms")]
    pub algorithm: SigningAlgorithm,
}

impl Certificate {
    /// The file with the private key.
    pub(super) fn key_file(&self) -> &PathBuf {
        self.key_path.as_ref().unwrap_or(&self.path)
    }
}

/// The managed identity of the machine.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ManagedIdentity {
    /// The client id of a user-assigned identity; the system-assigned one needs none.
    pub client_id: Option<String>,
}

/// The credentials that one table may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options<'a> {
    pub(super) client_secret: Option<&'a SecretString>,
    pub(super) certificate: Option<&'a Certificate>,
    pub(super) federated_token_file: Option<&'a Path>,
    pub(super) managed_identity: Option<&'a ManagedIdentity>,
}

impl App {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = client_id_problem("app", Some(&self.client_id)).into_iter().collect();
        let options = self.options();
        options.add_problems("app", &mut problems);
        if options.names().is_empty() {
            let fix = "set one of client_secret, certificate and federated_token_file";
            problems.push(Problem::at("app", "it has no credential").fix(fix));
        }
        problems
    }

    /// What all tenants of the app sign in with.
    pub(super) fn credential(&self) -> Result<Credential, RunError> {
        if let Some(made) = self.made.get() {
            return Ok(made.clone());
        }
        let made = self.options().credential()?;
        Ok(self.made.get_or_init(|| made).clone())
    }

    fn options(&self) -> Options<'_> {
        Options {
            client_secret: self.client_secret.as_ref(),
            certificate: self.certificate.as_ref(),
            federated_token_file: self.federated_token_file.as_deref(),
            managed_identity: None,
        }
    }
}

/// What is wrong with the client id of the table at `place`.
pub(super) fn client_id_problem(place: &str, text: Option<&str>) -> Option<Problem> {
    let message = match text.map(str::trim) {
        None => "`client_id` is missing",
        Some("") => "it is empty",
        Some(text) if text.parse::<Uuid>().is_err() => "it is not a GUID",
        Some(_) => return None,
    };
    let fix = "set the GUID of the app registration (application id)";
    Some(Problem::at(&format!("{place}.client_id"), message).fix(fix))
}

impl Options<'_> {
    /// The names of those that are set.
    pub(super) fn names(&self) -> Vec<&'static str> {
        [
            ("client_secret", self.client_secret.is_some()),
            ("certificate", self.certificate.is_some()),
            ("federated_token_file", self.federated_token_file.is_some()),
            ("managed_identity", self.managed_identity.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_set)| is_set.then_some(name))
        .collect()
    }

    /// What is wrong with those that are set, and that more than one is. `place` is the table's own key.
    pub(super) fn add_problems(&self, place: &str, problems: &mut Vec<Problem>) {
        let mut wrong = |key: &str, message: String, fix: &str| {
            problems.push(Problem::at(&format!("{place}.{key}"), message).fix(fix));
        };
        if let [first, others @ ..] = self.names().as_slice() {
            for other in others {
                let message = format!("`{first}` is set as well, and one credential is enough");
                wrong(other, message, "keep one of them");
            }
        }
        let is_empty = |path: &Path| path.as_os_str().is_empty();
        if self.client_secret.is_some_and(|secret| secret.expose_secret().trim().is_empty()) {
            let fix = "set the value of a client secret; is the variable behind it set?";
            wrong("client_secret", "it is empty".to_owned(), fix);
        }
        if let Some(certificate) = self.certificate {
            let fix = "name the PFX or PEM file; is the variable behind it set?";
            if is_empty(&certificate.path) {
                wrong("certificate.path", "it is empty".to_owned(), fix);
            }
            if certificate.key_path.as_deref().is_some_and(is_empty) {
                let fix = "name the PEM file with the key, or leave the key out";
                wrong("certificate.key_path", "it is empty".to_owned(), fix);
            }
        }
        if self.federated_token_file.is_some_and(is_empty) {
            let fix = "name the file with the token; is the variable behind it set?";
            wrong("federated_token_file", "it is empty".to_owned(), fix);
        }
        let identity = self.managed_identity.and_then(|identity| identity.client_id.as_deref());
        if identity.is_some_and(|client_id| client_id.trim().parse::<Uuid>().is_err()) {
            let fix = "set the client id of the user-assigned identity, or leave the key out";
            wrong("managed_identity.client_id", "it is not a GUID".to_owned(), fix);
        }
    }

    /// The one credential that is set.
    pub(super) fn credential(&self) -> Result<Credential, RunError> {
        if let Some(secret) = self.client_secret {
            return Ok(Credential::ClientSecret(secret.clone()));
        }
        if let Some(certificate) = self.certificate {
            let files = CertificateFiles {
                path: certificate.path.clone(),
                key_path: certificate.key_path.clone(),
                password: certificate.password.clone(),
                algorithm: certificate.algorithm,
            };
            return Ok(Credential::Certificate(Arc::new(office365::Certificate::new(files))));
        }
        if let Some(path) = self.federated_token_file {
            return Ok(Credential::FederatedToken(path.to_owned()));
        }
        let Some(identity) = self.managed_identity else {
            return Err(RunError::plain("there is no credential"));
        };
        let endpoint = IdentityEndpoint::from_environment(&|name| std::env::var(name).ok())
            .map_err(|error| RunError::new("cannot use the managed identity", error))?;
        let client_id = identity.client_id()?;
        Ok(Credential::ManagedIdentity(office365::ManagedIdentity { endpoint, client_id }))
    }
}

impl ManagedIdentity {
    pub(super) fn client_id(&self) -> Result<Option<Uuid>, RunError> {
        let parse = |text: &String| text.trim().parse();
        let wrong = |_| RunError::plain("`managed_identity.client_id` is not a GUID");
        self.client_id.as_ref().map(parse).transpose().map_err(wrong)
    }
}

fn algorithms(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["PS256", "RS256"] })
}

fn algorithm<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<SigningAlgorithm, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "PS256" => Ok(SigningAlgorithm::Ps256),
        "RS256" => Ok(SigningAlgorithm::Rs256),
        other => {
            let message = format!("`{other}` is not an algorithm, expected PS256 or RS256");
            Err(serde::de::Error::custom(message))
        }
    }
}
