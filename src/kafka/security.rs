//! Who to be and whom to trust: the tables `sasl` and `tls`, as librdkafka wants them.

use std::path::PathBuf;

use net::TlsError;
use pipeline_core::ComponentId;
use rdkafka::{ClientConfig, config::RDKafkaLogLevel};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::LibrdkafkaOptions;
use crate::delivery::OptionalTls;

/// Who to be.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: Mechanism,
    /// The user's name.
    pub username: String,
    /// The user's password.
    #[schemars(with = "String")]
    pub password: SecretString,
}

/// How the password is shown to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Mechanism {
    /// As it is.
    #[serde(rename = "PLAIN")]
    Plain,
    /// As a proof that it is known, by SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// As a proof that it is known, by SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl Mechanism {
    /// Its registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// The files of the table `tls` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS for kafka")]
pub struct SecurityError(#[from] TlsError);

/// What every client is told: where brokers are, and how much to say.
pub fn client(bootstrap_servers: &str, options: &LibrdkafkaOptions) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", bootstrap_servers);
    client.set("client.id", "o365flow");
    // Librdkafka explains itself only where the user asks for it.
    let level = match options.get("debug") {
        Some(_) => RDKafkaLogLevel::Debug,
        None => RDKafkaLogLevel::Info,
    };
    client.set_log_level(level);
    client
}

/// Adds to `config` how connections are secured. Reads the files that are named.
pub fn secure(
    config: &mut ClientConfig,
    sasl: Option<&Sasl>,
    tls: &OptionalTls,
) -> Result<(), SecurityError> {
    let protocol = match (sasl, tls.enabled) {
        (None, false) => "plaintext",
        (None, true) => "ssl",
        (Some(_), false) => "sasl_plaintext",
        (Some(_), true) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(sasl) = sasl {
        config.set("sasl.mechanism", sasl.mechanism.as_str());
        config.set("sasl.username", &sasl.username);
        config.set("sasl.password", sasl.password.expose_secret());
    }
    let Some(settings) = tls.settings() else { return Ok(()) };
    // Says of each file what is wrong with it, which librdkafka does not.
    net::client_config(&settings)?;
    let path = |file: &PathBuf| file.display().to_string();
    // Librdkafka trusts a file or the system; here both count, and the same authorities as everywhere else.
    config.set("ssl.ca.pem", net::trusted_authorities(tls.ca_file.as_deref())?);
    if let (Some(certificate), Some(key)) = (&tls.crt_file, &tls.key_file) {
        config.set("ssl.certificate.location", path(certificate));
        config.set("ssl.key.location", path(key));
    }
    config.set("enable.ssl.certificate.verification", tls.verify_certificate.to_string());
    let identification = if tls.verify_hostname { "https" } else { "none" };
    config.set("ssl.endpoint.identification.algorithm", identification);
    Ok(())
}

/// Warns of what is legal and unwise.
pub fn warn_of_risks(component_id: &ComponentId, sasl: Option<&Sasl>, tls: &OptionalTls) {
    if sasl.is_some_and(|sasl| sasl.mechanism == Mechanism::Plain) && !tls.enabled {
        warn!(%component_id, "the password travels in clear text: enable TLS, or use SCRAM");
    }
    if tls.enabled && !tls.verify_certificate {
        warn!(%component_id, "certificates are not verified: any host in between can read and change events");
    }
}
