//! Connections for protocols that are not HTTP: TCP, with TLS where it is wanted.
//!
//! No proxy is asked: those that components take speak HTTP.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::SendErrorKind;
use crate::error::kind_of;
use crate::tls::{TlsError, TlsSettings, client_config};

/// After how long without traffic a connection is tested: before most firewalls forget it.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);

/// A connection, encrypted or not.
pub type Stream = Box<dyn Io>;

/// What a connection can do.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug> Io for T {}

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name, or an address; one of IPv6 without brackets.
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

/// Why there is no connection. The kind is one of those of requests; the message names the address.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to `{address}`")]
pub struct ConnectError {
    address: Address,
    kind: SendErrorKind,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl ConnectError {
    pub fn kind(&self) -> SendErrorKind {
        self.kind
    }
}

/// Makes connections of one kind.
#[derive(Clone, Debug)]
pub struct StreamConnector {
    tcp: HttpConnector,
    tls: Option<Arc<rustls::ClientConfig>>,
    connect_timeout: Duration,
}

impl StreamConnector {
    /// Reads the files that the TLS settings name; connects to nothing. `connect_timeout` is for a connection with all that
    /// belongs to it: the name, each of its addresses, the handshake.
    pub fn new(
        tls: Option<&TlsSettings>,
        connect_timeout: Duration,
    ) -> Result<StreamConnector, TlsError> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE_AFTER));
        tcp.set_connect_timeout(Some(connect_timeout));
        let tls = tls.map(client_config).transpose()?.map(Arc::new);
        Ok(StreamConnector { tcp, tls, connect_timeout })
    }

    /// Connects. With TLS the certificate must be for the host of the address.
    pub async fn connect(&self, address: &Address) -> Result<Stream, ConnectError> {
        let failed = |kind, source| ConnectError { address: address.clone(), kind, source };
        match timeout(self.connect_timeout, self.attempt(address)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => {
                let kind = kind_of(error.as_ref()).unwrap_or(SendErrorKind::Connect);
                Err(failed(kind, error))
            }
            Err(elapsed) => Err(failed(SendErrorKind::Timeout, elapsed.into())),
        }
    }

    async fn attempt(&self, address: &Address) -> Result<Stream, Box<dyn Error + Send + Sync>> {
        // The connector takes addresses as those of the web, and tries all that a name has.
        let uri = format!("http://{address}").parse()?;
        let tcp = self.tcp.clone().call(uri).await?.into_inner();
        let Some(config) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = ServerName::try_from(address.host.clone())?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?;
        Ok(Box::new(stream))
    }
}
