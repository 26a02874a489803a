//! Who a server says it is over TLS. Its files can be read again while it serves; connections that stand are untouched.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tokio_rustls::TlsAcceptor;

use crate::TlsError;
use crate::tls::certificates;

/// PEM files of a server's certificate (with its chain) and its private key, not encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerCertificate {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

/// The TLS of a server. Clones are the same one.
#[derive(Clone)]
pub struct ServerTls(Arc<Inner>);

struct Inner {
    files: ServerCertificate,
    config: RwLock<Arc<ServerConfig>>,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ServerTls").field(&self.0.files).finish()
    }
}

impl ServerTls {
    /// Reads the files.
    pub fn open(files: ServerCertificate) -> Result<ServerTls, TlsError> {
        let config = RwLock::new(Arc::new(config(&files)?));
        Ok(ServerTls(Arc::new(Inner { files, config })))
    }

    /// Reads the files again, for the connections that come. What cannot be read changes nothing.
    pub fn reread(&self) -> Result<(), TlsError> {
        let config = Arc::new(config(&self.0.files)?);
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let config = self.0.config.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&config))
    }
}

fn config(files: &ServerCertificate) -> Result<ServerConfig, TlsError> {
    let chain = certificates(&files.certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(&files.key_file)
        .map_err(|source| TlsError::Key { path: files.key_file.clone(), source })?;
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Provider { source })?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|source| TlsError::Identity { path: files.certificate_file.clone(), source })
}
