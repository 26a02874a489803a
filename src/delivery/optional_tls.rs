//! The `tls` table of the sinks whose addresses do not say whether TLS is spoken.

use std::path::PathBuf;

use net::TlsSettings;
use pipeline_core::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Tls;

/// Whether to speak TLS, whom to trust, and who to be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OptionalTls {
    /// Whether TLS is spoken; the rest of the table says how.
    pub enabled: bool,
    /// A PEM file with certificate authorities to trust besides those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// A PEM file with a client certificate and its chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crt_file: Option<PathBuf>,
    /// A PEM file with the private key of `crt_file`, not encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// `false` accepts any certificate, so that any host in between can read and change everything.
    pub verify_certificate: bool,
    /// `false` accepts a trusted certificate of any name.
    pub verify_hostname: bool,
}

impl Default for OptionalTls {
    fn default() -> Self {
        OptionalTls {
            enabled: false,
            ca_file: None,
            crt_file: None,
            key_file: None,
            verify_certificate: true,
            verify_hostname: true,
        }
    }
}

impl OptionalTls {
    /// The table without its switch.
    fn table(&self) -> Tls {
        Tls {
            ca_file: self.ca_file.clone(),
            crt_file: self.crt_file.clone(),
            key_file: self.key_file.clone(),
            verify_certificate: self.verify_certificate,
            verify_hostname: self.verify_hostname,
        }
    }

    /// What is wrong with the table, which stands at `key`.
    pub fn problems(&self, key: &str) -> Vec<Problem> {
        let mut problems = self.table().problems(key);
        if !self.enabled && self.table() != Tls::default() {
            // Whoever names an authority believes that events are encrypted.
            let message = format!("the table `{key}` says how, but TLS is not switched on");
            problems.push(Problem::at(key, message).fix("add enabled = true"));
        }
        problems
    }

    /// The settings for the network; nothing where TLS is not spoken.
    pub fn settings(&self) -> Option<TlsSettings> {
        self.enabled.then(|| self.table().settings())
    }
}
