//! One proxy: where it is, whether it speaks TLS, and what it is told about who asks.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

/// A proxy.
#[derive(Clone)]
pub struct ProxyServer {
    uri: Uri,
    authorization: Option<HeaderValue>,
}

/// Why a text names no [`ProxyServer`]. The text is not repeated: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyServerError {
    #[error("it is not a URL such as http://proxy:3128")]
    NotUrl,
    #[error("only http:// and https:// proxies are known")]
    Scheme,
    #[error("the credentials hold a character that cannot be sent, or a colon in the name")]
    Credentials,
}

impl ProxyServer {
    /// Reads `http://host:port`, `https://host:port`, where the proxy itself speaks TLS, or `host:port`. Without a port it
    /// is the scheme's own. Credentials stand before an `@`, percent-encoded; a path means nothing.
    pub fn parse(text: &str) -> Result<ProxyServer, ProxyServerError> {
        let text = text.trim();
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let (scheme, _) = url.split_once("://").ok_or(ProxyServerError::NotUrl)?;
        if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
            return Err(ProxyServerError::Scheme);
        }
        let uri: Uri = url.parse().map_err(|_| ProxyServerError::NotUrl)?;
        let authority = uri.authority().ok_or(ProxyServerError::NotUrl)?;
        let (user, place) = match authority.as_str().rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, authority.as_str()),
        };
        let place: Authority = place.parse().map_err(|_| ProxyServerError::NotUrl)?;
        // A colon and no number that is a port: what is meant must not be guessed.
        if place.host().is_empty()
            || place.port_u16().is_none() && place.host().len() != place.as_str().len()
        {
            return Err(ProxyServerError::NotUrl);
        }
        let mut parts = uri.clone().into_parts();
        parts.scheme =
            Some(if uri.scheme() == Some(&Scheme::HTTPS) { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(place);
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        let uri = Uri::from_parts(parts).map_err(|_| ProxyServerError::NotUrl)?;
        let server = ProxyServer { uri, authorization: None };
        let Some(user) = user else { return Ok(server) };
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let decode = |text| {
            percent_decode_str(text).decode_utf8().map_err(|_| ProxyServerError::Credentials)
        };
        let password = SecretString::from(decode(password)?.into_owned());
        server.with_credentials(&decode(name)?, &password)
    }

    /// The same proxy, which is told this name and password, by the scheme Basic.
    pub fn with_credentials(
        self,
        name: &str,
        password: &SecretString,
    ) -> Result<ProxyServer, ProxyServerError> {
        let password = password.expose_secret();
        if name.contains(':') || name.chars().chain(password.chars()).any(char::is_control) {
            return Err(ProxyServerError::Credentials);
        }
        let encoded = STANDARD.encode(format!("{name}:{password}"));
        let mut value = HeaderValue::try_from(format!("Basic {encoded}"))
            .map_err(|_| ProxyServerError::Credentials)?;
        value.set_sensitive(true);
        Ok(ProxyServer { authorization: Some(value), ..self })
    }

    pub fn has_credentials(&self) -> bool {
        self.authorization.is_some()
    }

    /// Where to connect to; without the credentials.
    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The value of `Proxy-Authorization`.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

/// Host and port, as messages name it.
impl fmt::Display for ProxyServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.uri.authority().map_or("", Authority::as_str))
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ProxyServer").field("uri", &self.uri).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, uri: &str, authorization: Option<&str>) {
        let server = ProxyServer::parse(text).expect(text);
        assert_eq!(server.uri(), uri, "{text}");
        let shown = server.authorization().map(|value| value.to_str().expect("text"));
        assert_eq!(shown, authorization, "{text}");
        assert!(!format!("{server} {server:?}").contains("opensesame"), "{server:?}");
    }

    #[test]
    fn reads_what_users_and_curl_write() {
        check("http://proxy:3128", "http://proxy:3128/", None);
        check(" proxy:3128 ", "http://proxy:3128/", None);
        check("HTTPS://proxy.example", "https://proxy.example/", None);
        check("http://[2001:db8::1]:3128/ignored?x", "http://[2001:db8::1]:3128/", None);
        let basic = Some("Basic QWxhZGRpbjpvcGVuc2VzYW1l");
        check("http://Aladdin:opensesame@proxy:1", "http://proxy:1/", basic);
        check("Aladdin:open%73esame@proxy:1", "http://proxy:1/", basic);
        check("http://Aladdin@proxy", "http://proxy/", Some("Basic QWxhZGRpbjo="));
    }

    #[test]
    fn refuses_the_rest_without_repeating_it() {
        for (text, expected) in [
            ("", ProxyServerError::NotUrl),
            ("http://", ProxyServerError::NotUrl),
            ("http://geheim@", ProxyServerError::NotUrl),
            ("http://proxy:geheim", ProxyServerError::NotUrl),
            ("http://proxy:99999", ProxyServerError::NotUrl),
            ("http://proxy:", ProxyServerError::NotUrl),
            ("http://a:gehe im@proxy", ProxyServerError::NotUrl),
            ("socks5://geheim@proxy:1080", ProxyServerError::Scheme),
            ("http://a:%00geheim@proxy", ProxyServerError::Credentials),
            ("http://a%3Ab:geheim@proxy", ProxyServerError::Credentials),
            ("http://a:%ffgeheim@proxy", ProxyServerError::Credentials),
        ] {
            let error = ProxyServer::parse(text).expect_err(text);
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("geheim"));
        }
    }
}
