//! One pass over a real socket, with the real HTTP client.

use std::sync::{Arc, Mutex};

use net::{ClientSettings, HttpClient};
use office365::{ContentType, Started, TenantClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::script::settings;

#[tokio::test]
async fn an_empty_post_says_its_length() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    let seen = Arc::clone(&heads);
    tasks.spawn(async move {
        for body in [r#"{"access_token":"abc","expires_in":"3600"}"#, "{}"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 8192];
            let length = stream.read(&mut head).await.unwrap();
            seen.lock().unwrap().push(String::from_utf8_lossy(&head[..length]).to_lowercase());
            let head = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    let mut settings = settings();
    settings.urls.login = format!("http://{address}").parse().unwrap();
    settings.urls.resource = format!("http://localhost:{}", address.port()).parse().unwrap();
    let transport = Arc::new(HttpClient::new(&ClientSettings::default()).unwrap());
    let client = TenantClient::new(settings, transport, None, fastrand::Rng::with_seed(1));
    assert_eq!(client.start_subscription(ContentType::Dlp).await.unwrap(), Started::Now);
    let heads = heads.lock().unwrap();
    assert!(
        heads[0]
            .starts_with("post /0b7a1f7e-58d9-4c9c-8b1a-9f2f9d6c2d11/oauth2/v2.0/token http/1.1")
    );
    assert!(heads[1].contains("\r\ncontent-length: 0\r\n"), "{}", heads[1]);
    assert!(heads[1].contains("\r\nauthorization: bearer abc\r\n"));
    assert_eq!(heads[1].matches("content-length").count(), 1);
}
