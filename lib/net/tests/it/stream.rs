//! Connections without HTTP, on loopback.

use std::time::Duration;

use net::{Address, ConnectError, SendErrorKind, StreamConnector, TlsSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::authority::Authority;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A server that answers `ping` with `pong`, by TLS if it has an authority, whose certificate is for `localhost`.
async fn server(authority: Option<&Authority>) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = authority.map(|authority| authority.acceptor("localhost", false));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            match &acceptor {
                None => answer(&mut tcp).await,
                Some(acceptor) => {
                    let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
                    answer(&mut tls).await;
                }
            }
        }
    });
    (port, tasks)
}

async fn answer<S: AsyncReadExt + AsyncWriteExt + Unpin>(stream: &mut S) {
    let mut ping = [0; 4];
    if stream.read_exact(&mut ping).await.is_ok() && &ping == b"ping" {
        stream.write_all(b"pong").await.unwrap();
        stream.flush().await.unwrap();
    }
}

async fn ask(host: &str, port: u16, tls: Option<&TlsSettings>) -> Result<(), ConnectError> {
    let connector = StreamConnector::new(tls, TIMEOUT).unwrap();
    let mut stream = connector.connect(&Address { host: host.to_owned(), port }).await?;
    stream.write_all(b"ping").await.unwrap();
    stream.flush().await.unwrap();
    let mut pong = [0; 4];
    stream.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"pong");
    Ok(())
}

#[tokio::test]
async fn connects_by_name_and_address() {
    let (port, _server) = server(None).await;
    ask("localhost", port, None).await.unwrap();
    ask("127.0.0.1", port, None).await.unwrap();
}

#[tokio::test]
async fn checks_authority_and_name() {
    let authority = Authority::new();
    let (port, _server) = server(Some(&authority)).await;
    ask("localhost", port, Some(&authority.trusted())).await.unwrap();
    for (host, settings) in [
        ("localhost", TlsSettings::default()),
        ("localhost", Authority::new().trusted()),
        ("127.0.0.1", authority.trusted()),
    ] {
        let error = ask(host, port, Some(&settings)).await.unwrap_err();
        assert_eq!(error.kind(), SendErrorKind::Tls, "{host}");
    }
    let any_name = TlsSettings { verify_hostname: false, ..authority.trusted() };
    ask("127.0.0.1", port, Some(&any_name)).await.unwrap();
}

#[tokio::test]
async fn says_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = ask("127.0.0.1", port, None).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::Connect);
    assert_eq!(error.to_string(), format!("cannot connect to `127.0.0.1:{port}`"));
}

#[tokio::test]
async fn a_handshake_that_nobody_answers_ends_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let connector =
        StreamConnector::new(Some(&TlsSettings::default()), Duration::from_millis(200)).unwrap();
    let address = Address { host: "localhost".to_owned(), port };
    let error = connector.connect(&address).await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::Timeout);
}

#[test]
fn addresses_are_written_with_their_brackets() {
    let shown = |host: &str| Address { host: host.to_owned(), port: 5044 }.to_string();
    assert_eq!((shown("a.example"), shown("::1")), ("a.example:5044".into(), "[::1]:5044".into()));
}
