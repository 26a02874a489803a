//! The one place where the TLS configuration of clients is made.
//!
//! Provider: ring. Roots: those of the system, and those of `ca_file`. Turning verification off is possible because
//! people ask for it in labs; both switches are off unless a user writes them down.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tracing::warn;

/// Characters of a line of PEM, as RFC 7468 wants them.
const PEM_LINE_CHARACTERS: usize = 64;

/// Whom a client trusts and who it says it is.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// PEM file with authorities to trust besides those of the system.
    pub ca_file: Option<PathBuf>,
    pub client_certificate: Option<ClientCertificate>,
    /// `false` accepts any certificate, so any host in between can read and change everything.
    pub verify_certificate: bool,
    /// `false` accepts a trusted certificate of any name.
    pub verify_hostname: bool,
}

/// PEM files of a client certificate (with its chain) and its private key, not encrypted.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

impl Default for TlsSettings {
    fn default() -> Self {
        TlsSettings {
            ca_file: None,
            client_certificate: None,
            verify_certificate: true,
            verify_hostname: true,
        }
    }
}

/// Why no TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read certificates from `{}`", path.display())]
    Certificates {
        path: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("`{}` holds no certificate", path.display())]
    NoCertificate { path: PathBuf },
    #[error("`{}` holds a certificate that cannot be trusted", path.display())]
    Authority {
        path: PathBuf,
        #[source]
        source: Error,
    },
    #[error("cannot read a private key from `{}`", path.display())]
    Key {
        path: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("certificate `{}` and its key do not make an identity", path.display())]
    Identity {
        path: PathBuf,
        #[source]
        source: Error,
    },
    #[error("cannot make a TLS configuration")]
    Provider {
        #[source]
        source: Error,
    },
}

/// Makes the configuration; reads the files, touches no network.
pub fn client_config(settings: &TlsSettings) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Provider { source })?;
    let roots = roots(settings.ca_file.as_deref())?;
    let builder = if settings.verify_certificate && settings.verify_hostname {
        builder.with_root_certificates(roots)
    } else {
        let roots = settings.verify_certificate.then_some(roots);
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(LaxVerifier { provider, roots }))
    };
    let Some(identity) = &settings.client_certificate else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(&identity.certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(&identity.key_file)
        .map_err(|source| TlsError::Key { path: identity.key_file.clone(), source })?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|source| TlsError::Identity { path: identity.certificate_file.clone(), source })
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    // A system store holds the odd certificate that nobody can parse; the others still count.
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        for certificate in certificates(path)? {
            roots
                .add(certificate)
                .map_err(|source| TlsError::Authority { path: path.to_owned(), source })?;
        }
    }
    if roots.is_empty() {
        warn!(
            errors = system.errors.len(),
            "no trusted certificate authority found, every TLS connection will fail: install the system's CA \
             certificates or set a CA file"
        );
    }
    Ok(roots)
}

/// The authorities that are trusted, as PEM, for a library that has TLS of its own: those of the system and those of
/// `ca_file`.
pub fn trusted_authorities(ca_file: Option<&Path>) -> Result<String, TlsError> {
    let mut authorities = rustls_native_certs::load_native_certs().certs;
    if let Some(path) = ca_file {
        authorities.extend(certificates(path)?);
    }
    let mut pem = String::new();
    for authority in authorities {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = STANDARD.encode(authority);
        for line in text.as_bytes().chunks(PEM_LINE_CHARACTERS) {
            pem.extend(line.iter().copied().map(char::from));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    Ok(pem)
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| TlsError::Certificates { path: path.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

/// Checks the chain but not the name, or nothing when it has no roots. Signatures are always checked.
#[derive(Debug)]
struct LaxVerifier {
    provider: Arc<CryptoProvider>,
    roots: Option<RootCertStore>,
}

impl ServerCertVerifier for LaxVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                roots,
                intermediates,
                now,
                algorithms,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
