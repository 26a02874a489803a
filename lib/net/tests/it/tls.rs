//! TLS on loopback, with an authority made for the test.

use std::path::PathBuf;

use net::{
    ClientCertificate, ClientSettings, HttpClient, SendError, SendErrorKind, TlsSettings,
    Transport, read_body,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::peer::get;

struct TlsPeer {
    port: u16,
    authority: Authority,
    _tasks: JoinSet<()>,
}

impl TlsPeer {
    /// A server whose certificate is for `name`, and that asks for a client certificate of the same authority if told.
    async fn start(name: &str, asks_client: bool) -> TlsPeer {
        let authority = Authority::new();
        authority.write_identity("client");
        let acceptor = authority.acceptor(name, asks_client);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor));
        TlsPeer { port, authority, _tasks: tasks }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.authority.file(name)
    }

    fn trusting(&self) -> TlsSettings {
        self.authority.trusted()
    }

    async fn ask(&self, tls: TlsSettings) -> Result<u16, SendError> {
        let client = HttpClient::new(&ClientSettings { tls, ..ClientSettings::default() }).unwrap();
        let response = client.send(get(&format!("https://localhost:{}/", self.port))).await?;
        let status = response.status().as_u16();
        assert_eq!(read_body(response.into_body(), 10).await.unwrap(), "hello");
        Ok(status)
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        let mut head = vec![0; 4096];
        let Ok(_read) = stream.read(&mut head).await else { continue };
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await.unwrap();
        stream.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn trusts_the_authority_of_the_ca_file_only() {
    let peer = TlsPeer::start("localhost", false).await;
    assert_eq!(peer.ask(peer.trusting()).await.unwrap(), 200);
    let error = peer.ask(TlsSettings::default()).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::Tls);
}

#[tokio::test]
async fn checks_the_name_unless_told_otherwise() {
    let peer = TlsPeer::start("elsewhere.example", false).await;
    assert_eq!(peer.ask(peer.trusting()).await.unwrap_err().kind(), SendErrorKind::Tls);
    let any_name = TlsSettings { verify_hostname: false, ..peer.trusting() };
    assert_eq!(peer.ask(any_name).await.unwrap(), 200);
    let unknown = TlsSettings { verify_hostname: false, ..TlsSettings::default() };
    assert_eq!(peer.ask(unknown).await.unwrap_err().kind(), SendErrorKind::Tls);
}

#[tokio::test]
async fn accepts_anything_when_verification_is_off() {
    let peer = TlsPeer::start("elsewhere.example", false).await;
    let off = TlsSettings { verify_certificate: false, ..TlsSettings::default() };
    assert_eq!(peer.ask(off).await.unwrap(), 200);
}

#[tokio::test]
async fn shows_its_own_certificate() {
    let peer = TlsPeer::start("localhost", true).await;
    assert!(peer.ask(peer.trusting()).await.is_err());
    let identity = ClientCertificate {
        certificate_file: peer.file("client.pem"),
        key_file: peer.file("client.key"),
    };
    let known = TlsSettings { client_certificate: Some(identity), ..peer.trusting() };
    assert_eq!(peer.ask(known).await.unwrap(), 200);
}

#[tokio::test]
async fn names_the_file_that_is_not_what_it_should_be() {
    let peer = TlsPeer::start("localhost", false).await;
    for (file, wanted) in [("missing.pem", "cannot read"), ("client.key", "no certificate")] {
        let tls = TlsSettings { ca_file: Some(peer.file(file)), ..TlsSettings::default() };
        let error =
            HttpClient::new(&ClientSettings { tls, ..ClientSettings::default() }).unwrap_err();
        assert!(error.to_string().contains(wanted) && error.to_string().contains(file), "{error}");
    }
}
