//! A peer that answers each connection with fixed bytes, and what tests ask of it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What the peer does once its bytes are out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Close,
    Hang,
}

/// A peer that lives as long as this value.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Peer {
    pub(crate) async fn start(reply: impl Into<Vec<u8>>, then: Then) -> Peer {
        let reply: Arc<[u8]> = reply.into().into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut kept = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 4096];
                let _read = stream.read(&mut head).await.unwrap();
                stream.write_all(&reply).await.unwrap();
                if then == Then::Hang {
                    kept.push(stream);
                }
            }
        });
        Peer { address, _tasks: tasks }
    }

    pub(crate) fn request(&self) -> Request<Bytes> {
        get(&format!("http://{}/path?secret=hunter2", self.address))
    }
}

pub(crate) fn get(uri: &str) -> Request<Bytes> {
    Request::get(uri).header("authorization", "Bearer hunter2").body(Bytes::new()).unwrap()
}

/// The message and those of all its sources, as a log would print them, and the debug form.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error:?}");
    let mut next = Some(error);
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}
