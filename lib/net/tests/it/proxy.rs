//! Requests through a proxy, which is a small one of the tests' own: it serves what it would fetch, and notes what it
//! is asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use net::{
    ClientSettings, DirectHosts, HttpClient, ProxyServer, ProxySettings, SendError, SendErrorKind,
    TlsSettings, Transport, read_body,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::peer::{chain, get};

const CREDENTIALS: &str = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";

/// How a proxy answers.
#[derive(Clone)]
struct Manners {
    /// Speaks TLS itself.
    tls: Option<TlsAcceptor>,
    /// Inspects: stands for the host at the end of a tunnel.
    inspects: Option<TlsAcceptor>,
    wants_credentials: bool,
    /// Answers this instead, and closes; nothing is never an answer.
    answer: Option<&'static str>,
}

struct TestProxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl TestProxy {
    async fn start(manners: Manners) -> TestProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&heads);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (manners, noted) = (manners.clone(), Arc::clone(&noted));
                connections.spawn(async move {
                    match manners.tls.clone() {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, manners, noted).await,
                            Err(_) => None,
                        },
                        None => serve(stream, manners, noted).await,
                    }
                });
            }
        });
        TestProxy { port, heads, _tasks: tasks }
    }

    fn heads(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }
}

/// Serves one connection; nothing when its peer is gone.
async fn serve<S>(mut stream: S, manners: Manners, heads: Arc<Mutex<Vec<String>>>) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let head = read_head(&mut stream).await?;
    heads.lock().unwrap().push(head.clone());
    match manners.answer {
        Some("") => std::future::pending().await,
        Some(answer) => return stream.write_all(answer.as_bytes()).await.ok(),
        None => {}
    }
    let is_known = head.contains(&format!("proxy-authorization: {CREDENTIALS}\r\n"));
    if manners.wants_credentials && !is_known {
        let answer =
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 6\r\n\r\nsecret";
        return stream.write_all(answer).await.ok();
    }
    if !head.starts_with("CONNECT ") {
        return answer(&mut stream).await;
    }
    stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n").await.ok()?;
    let mut inside = manners.inspects?.accept(stream).await.ok()?;
    while let Some(head) = read_head(&mut inside).await {
        heads.lock().unwrap().push(head);
        answer(&mut inside).await?;
    }
    Some(())
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin)) -> Option<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await.ok()?;
    stream.flush().await.ok()
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

fn plain() -> Manners {
    Manners { tls: None, inspects: None, wants_credentials: false, answer: None }
}

fn inspecting(authority: &Authority) -> Manners {
    Manners { inspects: Some(authority.acceptor("manage.example", false)), ..plain() }
}

fn through(url: &str) -> ProxySettings {
    ProxySettings::through(ProxyServer::parse(url).unwrap(), DirectHosts::default())
}

fn client(proxy: ProxySettings, tls: TlsSettings) -> HttpClient {
    let connect_timeout = Duration::from_millis(300);
    let settings = ClientSettings { connect_timeout, tls, proxy, ..ClientSettings::default() };
    HttpClient::new(&settings).unwrap()
}

async fn ask(client: &HttpClient, uri: &str) -> Result<(), SendError> {
    let response = client.send(get(uri)).await?;
    assert_eq!(read_body(response.into_body(), 10).await.unwrap(), "hello");
    Ok(())
}

fn has_secret(text: &str) -> bool {
    ["hunter2", "sesame", "QWxh"].iter().any(|secret| text.contains(secret))
}

#[tokio::test]
async fn https_goes_through_a_tunnel_that_is_used_again() {
    let authority = Authority::new();
    for speaks_tls in [false, true] {
        let tls = speaks_tls.then(|| authority.acceptor("localhost", false));
        let wants_credentials = true;
        let proxy =
            TestProxy::start(Manners { tls, wants_credentials, ..inspecting(&authority) }).await;
        let scheme = if speaks_tls { "https" } else { "http" };
        let url = format!("{scheme}://Aladdin:open%20sesame@localhost:{}", proxy.port);
        let client = client(through(&url), authority.trusted());
        ask(&client, "https://manage.example/path?secret=hunter2").await.unwrap();
        ask(&client, "https://manage.example/again").await.unwrap();
        let heads = proxy.heads();
        assert_eq!(heads.len(), 3, "{heads:?}");
        assert!(heads[0].starts_with("CONNECT manage.example:443 HTTP/1.1\r\n"), "{heads:?}");
        assert!(heads[0].contains("host: manage.example:443\r\n"), "{heads:?}");
        assert!(!heads[0].contains("hunter2"), "the proxy saw what is the server's: {heads:?}");
        assert!(heads[1].starts_with("GET /path?secret=hunter2 HTTP/1.1\r\n"), "{heads:?}");
        assert!(!heads[1].contains("proxy-authorization"), "the server saw what is the proxy's");
        assert!(heads[2].starts_with("GET /again HTTP/1.1\r\n"), "{heads:?}");
        assert!(!has_secret(&format!("{client:?}")), "{client:?}");
    }
}

#[tokio::test]
async fn http_is_handed_over_whole() {
    let proxy = TestProxy::start(Manners { wants_credentials: true, ..plain() }).await;
    let url = format!("http://Aladdin:open%20sesame@127.0.0.1:{}", proxy.port);
    let client = client(through(&url), TlsSettings::default());
    ask(&client, "http://es.example:9200/_bulk").await.unwrap();
    let heads = proxy.heads();
    assert!(heads[0].starts_with("GET http://es.example:9200/_bulk HTTP/1.1\r\n"), "{heads:?}");
    assert!(heads[0].contains("host: es.example:9200\r\n"), "{heads:?}");
}

#[tokio::test]
async fn a_proxy_that_inspects_is_trusted_by_the_ca_file_only() {
    let authority = Authority::new();
    let proxy = TestProxy::start(inspecting(&authority)).await;
    let settings = through(&format!("http://127.0.0.1:{}", proxy.port));
    ask(&client(settings.clone(), authority.trusted()), "https://manage.example/").await.unwrap();
    let stranger = client(settings.clone(), TlsSettings::default());
    let error = ask(&stranger, "https://manage.example/").await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::Tls, "{}", chain(&error));
    let wrong_name = client(settings, authority.trusted());
    let error = ask(&wrong_name, "https://login.example/").await.unwrap_err();
    assert_eq!(error.kind(), SendErrorKind::Tls, "{}", chain(&error));
}

#[tokio::test]
async fn a_proxy_that_speaks_tls_must_be_trusted_itself() {
    let authority = Authority::new();
    let tls = Some(authority.acceptor("elsewhere.example", false));
    let proxy = TestProxy::start(Manners { tls, ..inspecting(&authority) }).await;
    let settings = through(&format!("https://Aladdin:sesame@localhost:{}", proxy.port));
    // What a server is forgiven, the proxy is not: it is told credentials.
    for tls in [
        authority.trusted(),
        TlsSettings { verify_hostname: false, ..authority.trusted() },
        TlsSettings { verify_certificate: false, ..TlsSettings::default() },
    ] {
        let client = client(settings.clone(), tls);
        let error = ask(&client, "https://manage.example/").await.unwrap_err();
        assert_eq!(error.kind(), SendErrorKind::Proxy, "{}", chain(&error));
        assert!(proxy.heads().is_empty(), "the proxy was told something before it was trusted");
    }
}

#[tokio::test]
async fn what_is_excepted_and_what_is_local_goes_directly() {
    let authority = Authority::new();
    let proxy = TestProxy::start(plain()).await;
    let peer = crate::peer::Peer::start(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        crate::peer::Then::Close,
    )
    .await;
    let url = format!("http://Aladdin:sesame@127.0.0.1:{}", proxy.port);
    let server = ProxyServer::parse(&url).unwrap();
    let direct = DirectHosts::new(["*.invalid"]).unwrap();
    let client = client(ProxySettings::through(server, direct), authority.trusted());
    ask(&client, &format!("http://{}/", peer.address)).await.unwrap();
    let error = ask(&client, "http://no-such-host.invalid/").await.unwrap_err();
    assert!(error.is_connect(), "{}", chain(&error));
    assert!(proxy.heads().is_empty());
}

/// The proxy's answer, and what the error says; nothing else is tried.
async fn check_refusal(answer: &'static str, kind: SendErrorKind, text: &str) {
    // A request that is handed over whole is the proxy's to answer; only its 407 cannot be the server's.
    let is_told_apart = kind == SendErrorKind::ProxyCredentials;
    for scheme in if is_told_apart { &["https", "http"][..] } else { &["https"] } {
        let proxy = TestProxy::start(Manners { answer: Some(answer), ..plain() }).await;
        let place = format!("127.0.0.1:{}", proxy.port);
        let client = client(
            through(&format!("http://Aladdin:open%20sesame@{place}")),
            TlsSettings::default(),
        );
        let uri = format!("{scheme}://no-such-host.invalid/?secret=hunter2");
        let error = ask(&client, &uri).await.unwrap_err();
        let shown = chain(&error);
        assert_eq!(error.kind(), kind, "{shown}");
        assert_eq!(error.host(), "no-such-host.invalid");
        assert!(shown.contains(text) && shown.contains(&place), "{shown}");
        assert!(!has_secret(&shown), "{shown}");
        assert_eq!(proxy.heads().len(), 1, "{answer}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_with_its_reason() {
    let denied = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    check_refusal(denied, SendErrorKind::ProxyCredentials, "wants credentials").await;
    let forbidden = "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno!!";
    check_refusal(forbidden, SendErrorKind::Proxy, "answered 403 Forbidden").await;
    let redirect = "HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\n\r\n";
    check_refusal(redirect, SendErrorKind::Proxy, "answered 302 Found").await;
    check_refusal("", SendErrorKind::Proxy, "took more than 0.3 s").await;
    check_refusal("SSH-2.0-OpenSSH_9.6\r\n\r\n", SendErrorKind::Proxy, "no sensible answer").await;
    check_refusal("HTTP/1.1 200", SendErrorKind::Proxy, "no sensible answer").await;
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let filler = "X-Filler: 0123456789\r\n".repeat(10_000);
    let endless: &'static str = format!("HTTP/1.1 200 OK\r\n{filler}").leak();
    check_refusal(endless, SendErrorKind::Proxy, "no sensible answer").await;
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_an_error_and_not_passed_by() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    drop(listener);
    for (scheme, target) in [
        ("http", "https://localhost.example/"),
        ("https", "https://a.example/"),
        ("http", "http://a.example/"),
    ] {
        let client =
            client(through(&format!("{scheme}://a:sesame@{place}")), TlsSettings::default());
        let error = ask(&client, target).await.unwrap_err();
        let shown = chain(&error);
        assert_eq!(error.kind(), SendErrorKind::Proxy, "{shown}");
        assert!(shown.contains(&format!("cannot reach the proxy `{place}`")), "{shown}");
        assert!(!has_secret(&shown), "{shown}");
    }
}
