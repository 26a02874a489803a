//! The `tls` table of the sinks that speak to a server.

use std::path::PathBuf;

use net::{ClientCertificate, TlsSettings};
use pipeline_core::Problem;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whom to trust, and who to be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
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

impl Default for Tls {
    fn default() -> Self {
        Tls {
            ca_file: None,
            crt_file: None,
            key_file: None,
            verify_certificate: true,
            verify_hostname: true,
        }
    }
}

impl Tls {
    /// What is wrong with the table, which stands at `key`.
    pub fn problems(&self, key: &str) -> Vec<Problem> {
        let alone = match (&self.crt_file, &self.key_file) {
            (Some(_), None) => ("crt_file", "key_file"),
            (None, Some(_)) => ("key_file", "crt_file"),
            (Some(_), Some(_)) | (None, None) => return Vec::new(),
        };
        let (given, missing) = alone;
        vec![
            Problem::at(&format!("{key}.{given}"), format!("`{given}` is set without `{missing}`"))
                .fix(format!("set both, or remove `{given}`")),
        ]
    }

    /// The settings for the network.
    pub fn settings(&self) -> TlsSettings {
        let client_certificate = self.crt_file.clone().zip(self.key_file.clone());
        TlsSettings {
            ca_file: self.ca_file.clone(),
            client_certificate: client_certificate.map(|(certificate_file, key_file)| {
                ClientCertificate { certificate_file, key_file }
            }),
            verify_certificate: self.verify_certificate,
            verify_hostname: self.verify_hostname,
        }
    }
}
