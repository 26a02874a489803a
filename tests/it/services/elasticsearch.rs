//! Elasticsearch, and what speaks like it, by the scripts in `tests/services`.

use std::{path::PathBuf, process::Command, sync::OnceLock, time::Duration};

use bytes::Bytes;
use http::Request;
use net::{ClientSettings, HttpClient, Timeouts, TlsSettings, Transport, read_body};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use super::{folder, script};

/// An answer larger than this is no answer to a test's question.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The setting of a server that takes bodies of 1 MB.
pub(super) const SMALL: &str = "http.max_content_length: 1mb";

/// Which server it is: the beginning of its scripts' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Elasticsearch,
    OpenSearch,
}

impl Product {
    fn script(self, action: &str) -> PathBuf {
        let product = match self {
            Product::Elasticsearch => "elasticsearch",
            Product::OpenSearch => "opensearch",
        };
        script(&format!("{product}-{action}.sh"))
    }
}

/// A running Elasticsearch or `OpenSearch`.
#[derive(Debug)]
pub(crate) struct Elasticsearch {
    pub(crate) product: Product,
    pub(crate) url: String,
    /// The authority that its certificate is from, when it is a secure one.
    pub(crate) ca_file: Option<PathBuf>,
    /// User and password, when it is a secure one.
    pub(crate) credentials: Option<(String, String)>,
    /// Where it lives, when it was started here.
    folder: PathBuf,
    settings: &'static str,
    /// It talks to nobody without a certificate.
    is_mutual: bool,
}

/// A server without security.
pub(crate) fn plain() -> &'static Elasticsearch {
    static SERVER: OnceLock<Elasticsearch> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("O365FLOW_TEST_ELASTICSEARCH_URL") {
        Ok(url) => Elasticsearch::at(&url),
        Err(_) => Elasticsearch::start("plain", false, ""),
    })
}

/// A server with TLS and users.
pub(crate) fn secure() -> &'static Elasticsearch {
    static SERVER: OnceLock<Elasticsearch> = OnceLock::new();
    let variable = |name| std::env::var(format!("O365FLOW_TEST_ELASTICSEARCH_{name}"));
    SERVER.get_or_init(|| match variable("SECURE_URL") {
        Ok(url) => Elasticsearch {
            ca_file: Some(variable("CA").expect("a secure server has an authority").into()),
            credentials: Some((
                variable("USER").expect("a secure server has a user"),
                variable("PASSWORD").expect("a secure server has a password"),
            )),
            ..Elasticsearch::at(&url)
        },
        Err(_) => Elasticsearch::start("secure", true, ""),
    })
}

/// A server with TLS and users that wants a client certificate, for one test, which stops it.
pub(crate) fn mutual() -> Elasticsearch {
    let folder = folder("mutual");
    let mut server = Elasticsearch {
        ca_file: Some(folder.join("ca.crt")),
        folder,
        is_mutual: true,
        ..Elasticsearch::at("")
    };
    server.start_again();
    server.read_password();
    server
}

/// A server that one test has to itself, to stop it or to change its limits. It takes bodies of 1 MB.
pub(crate) async fn own() -> MutexGuard<'static, Elasticsearch> {
    static SERVER: OnceLock<Mutex<Elasticsearch>> = OnceLock::new();
    let start = || Elasticsearch::start("own", false, SMALL);
    SERVER.get_or_init(|| Mutex::new(start())).lock().await
}

impl Elasticsearch {
    /// A server that somebody else has started, without credentials or trust.
    pub(crate) fn at(url: &str) -> Elasticsearch {
        Elasticsearch {
            product: Product::Elasticsearch,
            url: url.to_owned(),
            ca_file: None,
            credentials: None,
            folder: PathBuf::new(),
            settings: "",
            is_mutual: false,
        }
    }

    pub(super) fn of(self, product: Product) -> Elasticsearch {
        Elasticsearch { product, ..self }
    }

    /// Starts a server under a `name` that no other of this process has, with more lines in its settings.
    pub(crate) fn start(name: &str, is_secure: bool, settings: &'static str) -> Elasticsearch {
        Elasticsearch::start_product(Product::Elasticsearch, name, is_secure, settings)
    }

    pub(super) fn start_product(
        product: Product,
        name: &str,
        is_secure: bool,
        settings: &'static str,
    ) -> Elasticsearch {
        let folder = folder(name);
        let mut server = Elasticsearch {
            product,
            ca_file: is_secure.then(|| folder.join("ca.crt")),
            folder,
            settings,
            ..Elasticsearch::at("")
        };
        server.start_again();
        if is_secure {
            server.read_password();
        }
        server
    }

    fn read_password(&mut self) {
        let password = std::fs::read_to_string(self.file("password"));
        let password = password.expect("a secure server has a password");
        self.credentials = Some(("elastic".to_owned(), password));
    }

    /// A file that the start of the server has left.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts a server that was stopped, with its data and its address.
    pub(crate) fn start_again(&mut self) {
        self.url = self.launch();
    }

    /// Runs the script that starts it, and gives its URL: the one that it had, if it had one.
    pub(crate) fn launch(&self) -> String {
        let owner = std::process::id().to_string();
        let output = Command::new(self.product.script("start"))
            .arg(&self.folder)
            .env("ES_SECURE", if self.ca_file.is_some() { "1" } else { "0" })
            .env("ES_CLIENT_AUTH", if self.is_mutual { "required" } else { "optional" })
            .env("ES_SETTINGS", self.settings)
            .env("ES_OWNER_PID", &owner)
            .env("OS_SETTINGS", self.settings)
            .env("OS_OWNER_PID", &owner)
            .output()
            .expect("the script runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?} does not start: {said}", self.product);
        let url = std::fs::read_to_string(self.folder.join("url")).expect("it has an address");
        url.trim().to_owned()
    }

    /// Stops the server; its data stays.
    pub(crate) fn stop(&self) {
        let status = Command::new(self.product.script("stop"))
            .arg(&self.folder)
            .status()
            .expect("the script runs");
        assert!(status.success(), "{:?} does not stop", self.product);
    }

    /// Kills a server that was started here, as a crash of its machine would.
    pub(crate) fn kill(&self) {
        let pid = std::fs::read_to_string(self.folder.join("pid")).expect("it runs");
        // The launcher leads the group; the server itself is in it.
        let group = Pid::from_raw(pid.trim().parse().expect("a number"));
        killpg(group, Signal::SIGKILL).expect("it is our child");
    }

    /// Asks the server; gives the status and the answer.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let timeout = Duration::from_mins(1);
        let client = HttpClient::new(&ClientSettings {
            timeouts: Timeouts { headers: timeout, idle: timeout },
            tls: TlsSettings { ca_file: self.ca_file.clone(), ..TlsSettings::default() },
            ..ClientSettings::default()
        });
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        if let Some((user, password)) = &self.credentials {
            use base64::{Engine, engine::general_purpose::STANDARD};
            let pair = STANDARD.encode(format!("{user}:{password}"));
            request = request.header("authorization", format!("Basic {pair}"));
        }
        let request = request.body(Bytes::from(body.to_owned())).expect("a request");
        let response = client.expect("a client").send(request).await.expect("it answers");
        let status = response.status().as_u16();
        let body = read_body(response.into_body(), ANSWER_BYTES_MAX).await.expect("it answers");
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// As [`Elasticsearch::call`], for what must succeed.
    pub(crate) async fn done(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Number of documents in an index or stream.
    pub(crate) async fn count(&self, index: &str) -> u64 {
        self.done("POST", &format!("/{index}/_refresh"), "").await;
        let answer = self.done("GET", &format!("/{index}/_count"), "").await;
        answer["count"].as_u64().expect("a count")
    }

    /// Makes an index in which no event that `o365beat.vrl` has mapped is refused. Its name begins with `o365-`.
    pub(crate) async fn create_index(&self, index: &str) {
        let template = include_str!("../../../config/elasticsearch/o365beat.json");
        self.done("PUT", "/_index_template/o365beat", template).await;
        self.done("PUT", &format!("/{index}"), "").await;
    }
}
