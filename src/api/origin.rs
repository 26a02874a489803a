//! Whether a request was meant for this server, by its own page or by no page at all.
//!
//! A browser sends what any web page tells it to, also to loopback. `Host` shows by which name the server was called: a
//! page that has pointed a name of its own at this machine cannot hide it. `Origin` and `Sec-Fetch-Site` show whose page
//! has asked. No page can forge any of them.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue, StatusCode, Uri, header, uri::Authority};

use super::refusal::{Reason, Refusal};
use crate::config::{ApiConfig, is_loopback};

/// The names by which the server may be called.
#[derive(Clone, Debug)]
pub(super) struct Names {
    address: SocketAddr,
    hosts: Vec<String>,
}

impl Names {
    pub(super) fn new(config: &ApiConfig) -> Names {
        Names { address: config.address, hosts: config.hosts.clone() }
    }

    /// Refuses what came by another name. Gives that by which it came.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<Authority, Refusal> {
        let refusal = |status, error| {
            Refusal::new(status, Reason::Host, error)
                .fix("use http://localhost, or add the name to `hosts` in `[api]`")
        };
        let mut given = headers.get_all(header::HOST).into_iter();
        let (Some(host), None) = (given.next(), given.next()) else {
            let error = "the request does not say once by which name it came";
            return Err(refusal(StatusCode::BAD_REQUEST, error));
        };
        let host = Authority::try_from(host.as_bytes())
            .map_err(|_| refusal(StatusCode::BAD_REQUEST, "`Host` is not the name of a host"))?;
        let both = [Some(&host), uri.authority()];
        if both.into_iter().flatten().all(|authority| self.are_ours(authority)) {
            return Ok(host);
        }
        Err(refusal(StatusCode::MISDIRECTED_REQUEST, "this server is not called by that name"))
    }

    fn are_ours(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            // Where the server listens at all addresses, it does not know them; and no page can point an address anywhere.
            let own = self.address.ip();
            return is_loopback(ip)
                || own.is_unspecified()
                || ip.to_canonical() == own.to_canonical();
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        host.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }
}

/// How strictly a route looks at whose page has asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// A link on another page may lead here.
    Anywhere,
    /// Only the server's own page, or no page, may ask.
    Here,
}

/// Refuses what another site's page has sent to the server, which was called as `host`.
pub(super) fn check_origin(
    headers: &HeaderMap,
    host: &Authority,
    from: From,
) -> Result<(), Refusal> {
    let mut origins = headers.get_all(header::ORIGIN).into_iter();
    let is_own = origins.all(|origin| is_origin_of(origin, host));
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_from_here = matches!(site, None | Some(b"same-origin" | b"none"));
    if is_own && (is_from_here || from == From::Anywhere) {
        return Ok(());
    }
    let error = "another site's page has sent this";
    Err(Refusal::new(StatusCode::FORBIDDEN, Reason::Origin, error)
        .fix("only the status page itself and programs may ask"))
}

fn is_origin_of(origin: &HeaderValue, host: &Authority) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn names(address: &str) -> Names {
        Names { address: address.parse().unwrap(), hosts: vec!["watch.example".to_owned()] }
    }

    #[track_caller]
    fn check_names(address: &str, ours: &[&str], others: &[&str]) {
        for (hosts, is_ours) in [(ours, true), (others, false)] {
            for host in hosts {
                let checked =
                    names(address).check(&"/".parse().unwrap(), &headers(&[("host", host)]));
                assert_eq!(checked.is_ok(), is_ours, "{host} at {address}");
            }
        }
    }

    #[test]
    fn a_name_that_is_not_ours_is_refused() {
        let ours = [
            "localhost",
            "LocalHost:8686",
            "127.0.0.1",
            "[::1]:9",
            "watch.example.",
            "localhost:1",
        ];
        let others = [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "192.0.2.9",
            "",
            "a b",
            "x@y",
        ];
        check_names("127.0.0.1:8686", &ours, &others);
        check_names("192.0.2.7:8686", &["192.0.2.7", "127.0.0.1"], &["192.0.2.8", "evil.example"]);
        check_names("0.0.0.0:8686", &["192.0.2.8", "[2001:db8::1]"], &["evil.example"]);
    }

    #[test]
    fn a_whole_url_is_held_to_the_same() {
        let uri: Uri = "http://evil.example/".parse().unwrap();
        let local = headers(&[("host", "localhost")]);
        assert!(names("127.0.0.1:1").check(&uri, &local).is_err());
        let twice = headers(&[("host", "localhost"), ("host", "localhost")]);
        assert!(names("127.0.0.1:1").check(&"/".parse().unwrap(), &twice).is_err());
    }

    #[track_caller]
    fn check_pages(from: From, pairs: &[(&'static str, &str)], is_fine: bool) {
        let host = Authority::from_static("localhost:8686");
        assert_eq!(check_origin(&headers(pairs), &host, from).is_ok(), is_fine, "{pairs:?}");
    }

    #[test]
    fn other_pages_are_refused() {
        for (pairs, is_fine) in [
            (&[][..], true),
            (&[("origin", "http://localhost:8686")], true),
            (&[("origin", "https://localhost:8686")], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("origin", "http://localhost:8687")], false),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "localhost:8686")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
        ] {
            check_pages(From::Here, pairs, is_fine);
        }
        check_pages(From::Anywhere, &[("sec-fetch-site", "cross-site")], true);
        check_pages(From::Anywhere, &[("origin", "http://evil.example")], false);
    }
}
