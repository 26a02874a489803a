//! The proxies that a machine's environment names, read as curl reads them.

use super::{DirectHosts, ProxyServer, ProxyServerError, ProxySettings};

/// A variable that names no usable proxy. It is an error, as going directly instead is not what its author wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment's `{variable}` names no proxy")]
pub struct ProxyVariableError {
    variable: &'static str,
    #[source]
    source: ProxyServerError,
}

impl ProxySettings {
    /// The proxies of `https_proxy`, `http_proxy` and, where one of those is missing, `all_proxy`; `no_proxy` excepts
    /// hosts. Each may be in capitals; the one in small letters comes first. An empty one is as good as none.
    pub fn from_variables(
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<ProxySettings, ProxyVariableError> {
        let server = |names: [&'static str; 4]| {
            let found = names.into_iter().find_map(|name| {
                variable(name).filter(|value| !value.trim().is_empty()).map(|value| (name, value))
            });
            let Some((variable, value)) = found else { return Ok(None) };
            ProxyServer::parse(&value)
                .map(Some)
                .map_err(|source| ProxyVariableError { variable, source })
        };
        let direct = variable("no_proxy").or_else(|| variable("NO_PROXY")).unwrap_or_default();
        Ok(ProxySettings {
            for_http: server(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])?,
            for_https: server(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            direct: read_direct(&direct),
        })
    }
}

/// Reads a list with commas or spaces. An entry that names no host excepts none, as with curl: the proxy is used.
fn read_direct(list: &str) -> DirectHosts {
    let entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    let mut direct = DirectHosts::default();
    for entry in entries {
        match DirectHosts::new([entry]) {
            Ok(hosts) => direct = direct.and(hosts),
            Err(error) => {
                tracing::warn!(%error, "an entry of the environment's `no_proxy` is left out")
            }
        }
    }
    direct
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy for each of `uris`, in an environment of these variables.
    fn check(variables: &[(&str, &str)], uris: &[(&str, Option<&str>)]) {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let settings = ProxySettings::from_variables(&lookup).expect("it can be read");
        for (uri, expected) in uris {
            let server = settings.server_for(&uri.parse().expect(uri)).map(ToString::to_string);
            assert_eq!(server.as_deref(), *expected, "{variables:?} {uri}");
        }
    }

    #[test]
    fn each_scheme_has_its_own_and_all_proxy_stands_in() {
        check(&[], &[("https://a.example", None), ("http://a.example", None)]);
        check(
            &[("HTTPS_PROXY", "http://s:1"), ("http_proxy", "h:2"), ("ALL_PROXY", "http://a:3")],
            &[("https://a.example", Some("s:1")), ("http://a.example", Some("h:2"))],
        );
        check(
            &[("https_proxy", "http://small:1"), ("HTTPS_PROXY", "http://large:1")],
            &[("https://a.example", Some("small:1")), ("http://a.example", None)],
        );
        check(&[("all_proxy", "a:3"), ("HTTP_PROXY", " ")], &[("http://a.example", Some("a:3"))]);
    }

    #[test]
    fn no_proxy_excepts_hosts() {
        check(
            &[("ALL_PROXY", "p:1"), ("NO_PROXY", "a.example, 10.0.0.0/8 es:9200,!")],
            &[
                ("https://a.example/x", None),
                ("https://b.example", Some("p:1")),
                ("http://10.1.1.1:9200", None),
                ("http://es:9200", None),
                ("http://es", Some("p:1")),
                ("http://localhost:9200", None),
                ("http://169.254.169.254/metadata", None),
            ],
        );
        check(&[("ALL_PROXY", "p:1"), ("no_proxy", "*")], &[("https://a.example", None)]);
    }

    #[test]
    fn what_cannot_be_used_is_an_error() {
        let lookup = |name: &str| {
            (name == "ALL_PROXY").then(|| "socks5://user:geheim@proxy:1080".to_owned())
        };
        let error = ProxySettings::from_variables(&lookup).expect_err("it is SOCKS");
        assert_eq!(error.to_string(), "the environment's `ALL_PROXY` names no proxy");
        assert!(!format!("{error:?}").contains("geheim"));
    }
}
