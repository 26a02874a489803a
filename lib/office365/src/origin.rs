//! Scheme, host and port: what a bearer token may be sent to, and nothing else.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use http::uri::Scheme;

/// Where a service lives. Plain http is possible for loopback only, so no token crosses a network in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    is_https: bool,
    /// In lower case; an IPv6 address in brackets.
    host: String,
    port: u16,
}

/// Why a text is not an [`Origin`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    #[error("`{text}` is not a URL such as https://manage.office.com")]
    NotUrl { text: String },
    #[error("`{text}` must be a scheme and host only, without user, path or query")]
    NotBare { text: String },
    #[error("`{text}` must be https; http is for loopback addresses only")]
    NotHttps { text: String },
}

impl Origin {
    /// The origin of a URL, if it is one that a request could go to. A user part makes it none: it only hides the host.
    pub(crate) fn of(uri: &Uri) -> Option<Origin> {
        let is_https = *uri.scheme()? == Scheme::HTTPS;
        if !is_https && *uri.scheme()? != Scheme::HTTP {
            return None;
        }
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let port = match authority.port() {
            Some(port) => port.as_str().parse().ok()?,
            // A colon and no number that is a port: what is meant must not be guessed.
            None if authority.as_str().len() != authority.host().len() => return None,
            None if is_https => 443,
            None => 80,
        };
        Some(Origin { is_https, host: authority.host().to_ascii_lowercase(), port })
    }

    /// `https`, or `http` for loopback.
    pub fn scheme(&self) -> &'static str {
        if self.is_https { "https" } else { "http" }
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost"
            || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    /// With or without the scheme, which is https then, and with or without a slash at the end.
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let trimmed = text.trim();
        let url =
            if trimmed.contains("://") { trimmed.to_owned() } else { format!("https://{trimmed}") };
        let uri: Uri = url.parse().map_err(|_| OriginError::NotUrl { text: text.to_owned() })?;
        if uri.path_and_query().is_some_and(|path| path.as_str() != "/") || url.contains(['@', '#'])
        {
            // What stands before an `@` may be a password, so the text is not repeated.
            let text = uri.host().unwrap_or_default().to_owned();
            return Err(OriginError::NotBare { text });
        }
        let origin =
            Origin::of(&uri).ok_or_else(|| OriginError::NotUrl { text: text.to_owned() })?;
        if !origin.is_https && !origin.is_loopback() {
            return Err(OriginError::NotHttps { text: text.to_owned() });
        }
        Ok(origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, default_port) = if self.is_https { ("https", 443) } else { ("http", 80) };
        write!(formatter, "{scheme}://{}", self.host)?;
        if self.port != default_port {
            write!(formatter, ":{}", self.port)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let origin = text.parse::<Origin>();
        let shown =
            origin.map_or_else(|error| format!("error: {error}"), |origin| origin.to_string());
        assert!(shown.contains(expected), "{text}: {shown}");
    }

    #[test]
    fn accepts_hosts_with_and_without_scheme() {
        check("manage.office.com", "https://manage.office.com");
        check(" HTTPS://Manage.Office.com/ ", "https://manage.office.com");
        check("https://manage.office.com:443", "https://manage.office.com");
        check("manage.office.com:8443", "https://manage.office.com:8443");
        check("http://localhost:1234/", "http://localhost:1234");
        check("http://127.0.0.9:80", "http://127.0.0.9");
        check("http://[::1]:9", "http://[::1]:9");
    }

    #[test]
    fn refuses_clear_text_paths_and_users() {
        check("http://manage.office.com", "must be https");
        check("http://127.0.0.1.example.com", "must be https");
        check("ftp://manage.office.com", "not a URL");
        check("https://manage.office.com/api", "without user, path");
        check("https://manage.office.com?x=1", "without user, path");
        check("https://hunter2@manage.office.com", "`manage.office.com` must be");
        check("", "not a URL");
        check("https://", "not a URL");
        check("https://manage.office.com:99999", "error");
    }
}
