//! The small server: answers, limits, and a clean end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::Response;
use net::{
    ClientSettings, Handler, HttpClient, ServerSettings, Service, Transport, full_body, read_body,
    serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
}

async fn start(settings: ServerSettings) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let handler: Handler = Arc::new(|request| {
        let path = request.uri().path().to_owned();
        async move { Response::new(full_body(path)) }.boxed()
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, Service::new(handler), settings, stopped.map(|_| ())));
    Server { address, stop, tasks }
}

async fn ask(address: SocketAddr) -> Bytes {
    let client = HttpClient::new(&ClientSettings::default()).unwrap();
    let request = crate::peer::get(&format!("http://{address}/health"));
    read_body(client.send(request).await.unwrap().into_body(), 100).await.unwrap()
}

#[tokio::test]
async fn answers_and_stops_when_told() {
    let mut server = start(ServerSettings::default()).await;
    assert_eq!(ask(server.address).await, "/health");
    assert_eq!(ask(server.address).await, "/health");
    server.stop.send(()).unwrap();
    server.tasks.join_next().await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_caller_that_says_nothing_is_cut_and_others_get_its_place() {
    let settings = ServerSettings {
        connections_max: 1,
        header_read_timeout: Duration::from_millis(100),
        ..ServerSettings::default()
    };
    let server = start(settings).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    silent.write_all(b"GET / HT").await.unwrap();
    assert_eq!(ask(server.address).await, "/health");
    let mut answer = Vec::new();
    silent.read_to_end(&mut answer).await.unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
}
