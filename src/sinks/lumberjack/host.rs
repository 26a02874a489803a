//! The address of a receiver, as Beats write it.

use net::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where Logstash listens unless told otherwise.
const DEFAULT_PORT: u16 = 5044;

/// The address of a receiver: a name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Host(Address);

/// Why a text is not a [`Host`].
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// It is something else, such as a URL.
    #[error(
        "a host is not like \"logstash:5044\" or \"[::1]:5044\": it has no scheme, user or path"
    )]
    NoHost,
    /// The port is not one.
    #[error("a host has a port that is no number from 1 to 65535")]
    NoPort,
}

impl TryFrom<String> for Host {
    type Error = HostError;

    fn try_from(text: String) -> Result<Host, HostError> {
        // The text is not repeated in the error: it may hold a password.
        let (host, port) = split(&text).ok_or(HostError::NoHost)?;
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(HostError::NoPort)?,
            None => DEFAULT_PORT,
        };
        let is_address = host.contains(':');
        let is_name = !host.is_empty()
            && host
                .chars()
                .all(|one| one.is_ascii_alphanumeric() || matches!(one, '.' | '-' | '_'));
        if is_address && host.parse::<std::net::Ipv6Addr>().is_err() || !is_address && !is_name {
            return Err(HostError::NoHost);
        }
        Ok(Host(Address { host: host.to_owned(), port }))
    }
}

/// A host and what may be a port.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').filter(|(host, _)| host.contains(':'))?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match text.split_once(':') {
        // More than one colon makes an address of IPv6 without a port.
        Some((_, rest)) if rest.contains(':') => Some((text, None)),
        Some((host, port)) => Some((host, Some(port))),
        None => Some((text, None)),
    }
}

impl From<Host> for String {
    fn from(host: Host) -> String {
        host.0.to_string()
    }
}

impl Host {
    pub(super) fn address(&self) -> &Address {
        &self.0
    }

    /// Whether it is this machine.
    pub(super) fn is_local(&self) -> bool {
        let host = &self.0.host;
        let is_loopback = |address: std::net::IpAddr| address.is_loopback();
        host == "localhost" || host.parse().is_ok_and(is_loopback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let host = Host::try_from(text.to_owned());
        let shown = host.map_or_else(|error| error.to_string(), |host| host.0.to_string());
        assert!(shown.contains(expected), "{text}: {shown}");
        assert!(!shown.contains("geheim"), "{shown}");
    }

    #[test]
    fn hosts_are_written_as_beats_write_them() {
        check("logstash-a:5045", "logstash-a:5045");
        check("logstash.example", "logstash.example:5044");
        check("10.0.0.1:5044", "10.0.0.1:5044");
        check("[::1]:5045", "[::1]:5045");
        check("[::1]", "[::1]:5044");
        check("fe80::1", "[fe80::1]:5044");
        for text in ["", ":5044", "tcp://geheim:5044", "user:geheim@host:5044", "a b:1", "a/b:1"] {
            check(text, "a host is not like");
        }
        for text in ["[::1", "[::1]x", "[a]:1", "1::2::3"] {
            check(text, "a host is not like");
        }
        for text in ["host:0", "host:65536", "host:geheim", "host:"] {
            check(text, "no number from 1 to 65535");
        }
    }
}
