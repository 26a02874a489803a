//! `[api]`: where the program is watched and told what to do, and by whom.
//!
//! Invariant: audit data leave the machine only to whoever has the token, and never in clear text. What is served at any
//! other address than loopback has both, or is a fault.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use pipeline_core::Problem;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::units;

/// A token of fewer characters could be found by trying.
const TOKEN_CHARACTERS_MIN: usize = 16;

/// Where the status page and the API are served, and who may use them.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Address and port, as `127.0.0.1:8686`. Any other than a loopback address needs `token` and `tls`.
    #[serde(with = "units::listen_address")]
    pub address: SocketAddr,
    /// What everybody must show who asks for more than `/health` and `/ready`: 16 characters or more.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub token: Option<SecretString>,
    /// Names by which the page is called besides `localhost` and the address itself, as `o365flow.example.com`. Requests
    /// to any other name are refused, so that no web page can reach this one through a name of its own.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Whether the status page may write the files of programs.
    #[serde(default)]
    pub allow_edit: bool,
    /// What the API is served with over TLS: PEM files with its certificate (and chain) and with the private key, not
    /// encrypted. They are read again with each reload.
    #[serde(default)]
    pub tls: ApiTls,
}

/// Who the API says it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApiTls {
    /// A PEM file with the certificate of the API and its chain.
    pub crt_file: Option<PathBuf>,
    /// A PEM file with the private key of `crt_file`, not encrypted.
    pub key_file: Option<PathBuf>,
}

impl fmt::Debug for ApiConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApiConfig")
            .field("address", &self.address)
            .field("token", &self.token.as_ref().map(|_| "set"))
            .field("hosts", &self.hosts)
            .field("allow_edit", &self.allow_edit)
            .field("tls", &self.tls)
            .finish()
    }
}

impl PartialEq for ApiConfig {
    fn eq(&self, other: &ApiConfig) -> bool {
        let token = |config: &ApiConfig| {
            config.token.as_ref().map(|token| token.expose_secret().to_owned())
        };
        self.address == other.address
            && token(self) == token(other)
            && self.hosts == other.hosts
            && self.allow_edit == other.allow_edit
            && self.tls == other.tls
    }
}

impl ApiConfig {
    /// The files of the certificate and of its key, where TLS is spoken.
    pub fn certificate(&self) -> Option<(PathBuf, PathBuf)> {
        self.tls.crt_file.clone().zip(self.tls.key_file.clone())
    }

    /// What is wrong with the table, besides what its types say.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !is_loopback(self.address.ip()) {
            let missing = match (&self.token, self.certificate()) {
                (None, None) => Some("`token` and `tls`"),
                (None, Some(_)) => Some("`token`"),
                (Some(_), None) => Some("`tls`"),
                (Some(_), Some(_)) => None,
            };
            problems.extend(missing.map(|missing| {
                let message = format!("anybody who reaches {} could read audit data", self.address);
                Problem::at("api.address", message).fix(format!(
                    "set {missing} in `[api]`, or use a loopback address, as 127.0.0.1:8686; `/health` and `/ready` are \
                     served at the address of `[metrics]` too"
                ))
            }));
        }
        problems.extend(self.token.as_ref().and_then(token_problem));
        for (index, host) in self.hosts.iter().enumerate() {
            if !is_host_name(host) {
                let key = format!("api.hosts.{index}");
                let message = format!("`{host}` is not the name of a host");
                let fix = "give the name alone, as `o365flow.example.com`: no scheme, no port";
                problems.push(Problem::at(&key, message).fix(fix));
            }
        }
        match (&self.tls.crt_file, &self.tls.key_file) {
            (Some(_), None) => problems.push(alone("crt_file", "key_file")),
            (None, Some(_)) => problems.push(alone("key_file", "crt_file")),
            (Some(_), Some(_)) | (None, None) => {}
        }
        problems
    }
}

fn alone(given: &str, missing: &str) -> Problem {
    Problem::at(&format!("api.tls.{given}"), format!("`{given}` is set without `{missing}`"))
        .fix(format!("set both, or remove `{given}`"))
}

fn token_problem(token: &SecretString) -> Option<Problem> {
    let token = token.expose_secret();
    let message = if token.chars().count() < TOKEN_CHARACTERS_MIN {
        format!("the token has fewer than {TOKEN_CHARACTERS_MIN} characters")
    } else if !token.chars().all(|character| character.is_ascii_graphic()) {
        "the token has characters that no HTTP header can carry".to_owned()
    } else {
        return None;
    };
    let fix = "make one by `openssl rand -hex 32`, and keep it as a secret or in a variable";
    Some(Problem::at("api.token", message).fix(fix))
}

/// Whether only this machine can reach what listens there.
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn is_host_name(host: &str) -> bool {
    let is_part = |part: &str| {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        !part.is_empty() && part.chars().all(is_letter)
    };
    host.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let config: ApiConfig = toml::from_str(text).expect("it can be read");
        config.problems().into_iter().map(|problem| problem.key.join(".")).collect()
    }

    #[test]
    fn what_others_reach_needs_a_token_and_tls() {
        const TOKEN: &str = "token = '0123456789abcdef'\n";
        const TLS: &str = "tls = { crt_file = 'a.pem', key_file = 'a.key' }\n";
        for address in ["0.0.0.0:1", "[::]:1", "192.0.2.7:1", "[2001:db8::1]:1"] {
            let address = format!("address = '{address}'\n");
            for (more, faults) in [("", 1), (TOKEN, 1), (TLS, 1), (&*format!("{TOKEN}{TLS}"), 0)] {
                assert_eq!(problems(&format!("{address}{more}")).len(), faults, "{address}{more}");
            }
        }
        for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(problems(&format!("address = '{address}'")), Vec::<String>::new());
        }
    }

    #[test]
    fn mistakes_are_found_at_their_key() {
        let local = "address = '127.0.0.1:1'\n";
        for (more, key) in [
            ("token = 'short'", "api.token"),
            ("token = 'sixteen letters or more'", "api.token"),
            ("hosts = ['a.example', 'https://b.example']", "api.hosts.1"),
            ("hosts = ['b.example:8686']", "api.hosts.0"),
            ("tls = { crt_file = 'a.pem' }", "api.tls.crt_file"),
            ("tls = { key_file = 'a.key' }", "api.tls.key_file"),
        ] {
            assert_eq!(problems(&format!("{local}{more}")), [key]);
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let text = "address = '127.0.0.1:1'\ntoken = 'do-not-show-this-one'";
        let config: ApiConfig = toml::from_str(text).expect("it can be read");
        assert!(!format!("{config:?}").contains("show"));
    }
}
