//! The API of a running program, as `tap` and `top` ask it.
//!
//! Invariant: the token goes over TLS, or to this machine.

mod messages;

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use bytes::Bytes;
use clap::Args;
use http::{Request, StatusCode, header::AUTHORIZATION};
use net::{
    Body, BodyError, ClientSettings, HttpClient, SendError, Timeouts, TlsError, TlsSettings,
    Transport, read_body, read_body_prefix,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use url::{Host, Url};

pub(super) use self::messages::{Message, Messages};
use super::{Failure, load};
use crate::{
    components::REGISTRY,
    config::{self, Ask},
};

/// Where a program listens that is set up as the documentation has it.
const URL_DEFAULT: &str = "http://127.0.0.1:8686";

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams have no end; whether they live is seen by their pings.
const STREAM_TIMEOUT: Duration = Duration::from_hours(24);

/// Bytes of a refusal that are read.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Bytes of an answer that are read: that of all feeds is the largest.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Which running program to ask.
#[derive(Clone, Debug, Args)]
pub(super) struct Target {
    /// The address of its API. By default what `[api]` of the configuration says, or else <http://127.0.0.1:8686>.
    #[arg(long, value_name = "URL", env = "O365FLOW_API_URL")]
    url: Option<Url>,
    /// The configuration that it runs with.
    #[arg(
        short = 'c',
        long = "config",
        value_name = "FILE",
        env = "O365FLOW_CONFIG",
        value_delimiter = ','
    )]
    config: Vec<PathBuf>,
    /// The `token` of `[api]`, where it has one. Other users see arguments; they do not see the variable.
    #[arg(long, value_name = "TOKEN", env = "O365FLOW_API_TOKEN", hide_env_values = true)]
    token: Option<SecretString>,
    /// A PEM file with an authority to trust besides those of the system, or with the API's own certificate.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// Why a running program cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    /// It has no API.
    #[error("the configuration has no table `[api]`; add one with an `address`, or give `--url`")]
    NoApi,
    /// Everybody could read the token.
    #[error(
        "the token would go to `{host}` for everybody to read: use https, or an address of this machine"
    )]
    OpenToken { host: String },
    /// The token cannot be sent.
    #[error("the token has letters that no token can have")]
    Token,
    /// There is no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why the API gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// It is not there.
    #[error("cannot reach the API at {url}")]
    Unreachable { url: String, source: SendError },
    /// It refuses.
    #[error("{refusal}")]
    Refused { status: StatusCode, refusal: Refusal },
    /// It ended a stream.
    #[error("the API at {url} has ended the stream")]
    Ended { url: String },
    /// A stream broke off.
    #[error("the stream from the API at {url} broke off")]
    BrokeOff { url: String, source: BodyError },
    /// A stream says nothing any more.
    #[error("the API at {url} is silent")]
    Silent { url: String },
    /// It sends something else than is expected.
    #[error("the API at {url} does not answer as that of this version does")]
    NotJson { url: String, source: serde_json::Error },
    /// It sends what is no message.
    #[error("the API at {url} sends a message of more than {bytes_max} bytes")]
    TooLarge { url: String, bytes_max: usize },
}

impl ApiError {
    /// Whether asking again can help.
    pub(super) fn can_pass(&self) -> bool {
        match self {
            ApiError::Refused { status, .. } => *status == StatusCode::SERVICE_UNAVAILABLE,
            ApiError::NotJson { .. } => false,
            ApiError::Unreachable { .. }
            | ApiError::Ended { .. }
            | ApiError::BrokeOff { .. }
            | ApiError::Silent { .. }
            | ApiError::TooLarge { .. } => true,
        }
    }

    /// The error as the end of a command: what was asked for wrongly is a mistake in the arguments.
    pub(super) fn failure(self) -> Failure {
        match self {
            ApiError::Refused { status, .. }
                if status == StatusCode::NOT_FOUND || status == StatusCode::BAD_REQUEST =>
            {
                Failure::usage(self)
            }
            other => other.into(),
        }
    }
}

/// What the API says when it does not answer.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Refusal {
    error: String,
    fix: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.error.trim_end())?;
        match &self.fix {
            Some(fix) => write!(formatter, "; {fix}"),
            None => Ok(()),
        }
    }
}

impl Target {
    /// The way to the program.
    pub(super) fn api(&self) -> Result<Api, Failure> {
        let mut ca_file = self.ca_file.clone();
        let mut token = self.token.clone();
        let url = match &self.url {
            Some(url) => url.clone(),
            None if self.config.is_empty() => URL_DEFAULT.parse()?,
            None => {
                let configured = configured(&self.config)?;
                ca_file = ca_file.or(configured.tls.crt_file.clone());
                token = token.or(configured.token.clone());
                url_of(&configured)?
            }
        };
        Ok(Api::new(&url, token, ca_file)?)
    }
}

/// The table `[api]` of a configuration.
fn configured(paths: &[PathBuf]) -> Result<config::ApiConfig, Failure> {
    let files = config::read_files(paths)?;
    let variables = |name: &str| load::environment(name).or_else(|| Some(String::new()));
    // What is wrong elsewhere is no matter of this command's.
    let (config, _) = config::parse_asking(&files, REGISTRY, &variables, Ask::Files);
    Ok(config.global.api.ok_or(TargetError::NoApi)?)
}

fn url_of(api: &config::ApiConfig) -> Result<Url, url::ParseError> {
    let scheme = if api.certificate().is_some() { "https" } else { "http" };
    let mut address = api.address;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("{scheme}://{address}").parse()
}

/// The API of one program.
pub(super) struct Api {
    client: HttpClient,
    url: Url,
    token: Option<http::HeaderValue>,
}

impl Api {
    fn new(
        url: &Url,
        token: Option<SecretString>,
        ca_file: Option<PathBuf>,
    ) -> Result<Api, TargetError> {
        if token.is_some() && url.scheme() != "https" && !is_here(url) {
            return Err(TargetError::OpenToken { host: url.host_str().unwrap_or("").to_owned() });
        }
        let header = |token: SecretString| {
            let mut value =
                http::HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
                    .map_err(|_| TargetError::Token)?;
            value.set_sensitive(true);
            Ok::<_, TargetError>(value)
        };
        let settings = ClientSettings {
            timeouts: Timeouts { headers: ANSWER_TIMEOUT, idle: STREAM_TIMEOUT },
            tls: TlsSettings { ca_file, ..TlsSettings::default() },
            ..ClientSettings::default()
        };
        let token = token.map(header).transpose()?;
        Ok(Api { client: HttpClient::new(&settings)?, url: url.clone(), token })
    }

    /// Where it is, for people.
    pub(super) fn shown(&self) -> String {
        self.url.as_str().trim_end_matches('/').to_owned()
    }

    /// The messages that are sent at `path`.
    pub(super) async fn open(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Messages, ApiError> {
        Ok(Messages::new(self.shown(), self.ask(path, query).await?))
    }

    /// What stands at `path`.
    pub(super) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let url = || self.shown();
        let body = read_body(self.ask(path, &[]).await?, ANSWER_BYTES_MAX).await;
        let body = body.map_err(|source| ApiError::BrokeOff { url: url(), source })?;
        serde_json::from_slice(&body).map_err(|source| ApiError::NotJson { url: url(), source })
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Body, ApiError> {
        let mut url = self.url.clone();
        url.set_path(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = Request::get(url.as_str());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let request = request.body(Bytes::new()).expect("an address and a header make a request");
        let unreachable = |source| ApiError::Unreachable { url: self.shown(), source };
        let response = self.client.send(request).await.map_err(unreachable)?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response.into_body());
        }
        let body = read_body_prefix(response.into_body(), REFUSAL_BYTES_MAX).await;
        let refusal = serde_json::from_slice(&body).unwrap_or_else(|_| Refusal {
            error: format!("the API at {} answers {status}", self.shown()),
            fix: None,
        });
        Err(ApiError::Refused { status, refusal })
    }
}

/// Whether a URL leads to this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_sent_for_everybody_to_read() {
        let check = |url: &str| {
            let token = Some(SecretString::from("0123456789abcdef"));
            Api::new(&url.parse().expect("a URL"), token, None).map(drop)
        };
        for url in
            ["http://127.0.0.1:8686", "http://[::1]:1", "http://localhost:1", "https://a.example"]
        {
            assert!(check(url).is_ok(), "{url}");
        }
        for url in ["http://192.0.2.1:8686", "http://a.example", "http://localhost.example"] {
            assert!(matches!(check(url), Err(TargetError::OpenToken { .. })), "{url}");
        }
    }
}
