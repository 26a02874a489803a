//! The small server: answers, limits, and a clean end.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::Response;
use net::{
    ClientSettings, ConnectionRefusal, Endless, Handler, HttpClient, ServerSettings, Service,
    Transport, full_body, read_body, serve, stream_body,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
    refused: mpsc::Receiver<ConnectionRefusal>,
}

async fn start(settings: ServerSettings) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let handler: Handler = Arc::new(|request| {
        let path = request.uri().path().to_owned();
        async move {
            if path != "/endless" {
                return Response::new(full_body(path));
            }
            let chunks = stream::repeat(Bytes::from(vec![b'x'; 65_536]));
            let mut response = Response::new(stream_body(chunks));
            response.extensions_mut().insert(Endless);
            response
        }
        .boxed()
    });
    let (refusals, refused) = mpsc::channel();
    let service = Service {
        refused: Arc::new(move |refusal| {
            refusals.send(refusal).ok();
        }),
        ..Service::new(handler)
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(serve(listener, service, settings, stopped.map(|_| ())));
    Server { address, stop, tasks, refused }
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

#[tokio::test]
async fn an_endless_answer_ends_when_nobody_takes_it() {
    let settings = ServerSettings {
        connection_timeout: Duration::from_millis(100),
        stall_timeout: Duration::from_millis(300),
        ..ServerSettings::default()
    };
    let server = start(settings).await;
    let mut reader = TcpStream::connect(server.address).await.unwrap();
    reader.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let (mut read, mut chunk) = (0, vec![0; 65_536]);
    // It lasts longer than a connection may otherwise.
    let reading = tokio::time::Instant::now();
    while reading.elapsed() < Duration::from_millis(400) {
        read += reader.read(&mut chunk).await.unwrap();
    }
    assert!(read > 1_000_000, "{read}");
    let refused =
        tokio::task::spawn_blocking(move || server.refused.recv_timeout(Duration::from_secs(10)));
    assert_eq!(refused.await.unwrap(), Ok(ConnectionRefusal::TooSlow));
    drop(reader);
}

#[tokio::test]
async fn what_is_no_request_is_told_to_whoever_counts() {
    let server = start(ServerSettings::default()).await;
    let mut caller = TcpStream::connect(server.address).await.unwrap();
    caller.write_all(b"no request\r\n\r\n").await.unwrap();
    caller.read_to_end(&mut Vec::new()).await.unwrap();
    let refused =
        tokio::task::spawn_blocking(move || server.refused.recv_timeout(Duration::from_secs(10)));
    assert_eq!(refused.await.unwrap(), Ok(ConnectionRefusal::Malformed));
}
