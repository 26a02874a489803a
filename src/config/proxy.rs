//! The `proxy` table of the components that speak HTTP.

use net::{DirectHosts, DirectHostsError, ProxyServer, ProxyServerError, ProxySettings};
use pipeline_core::{BuildError, Problem};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::Variables;

/// The way out of this network.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {
    /// `false` connects directly, whatever the environment says.
    pub enabled: bool,
    /// The proxy, as `http://proxy:3128`, or with `https://` where it speaks TLS itself. Without it, the variables
    /// `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of the environment apply, as with curl.
    pub url: Option<ProxyUrl>,
    /// The name that the proxy wants, if it wants one.
    pub username: Option<String>,
    /// The password for it.
    #[schemars(with = "Option<String>")]
    pub password: Option<SecretString>,
    /// What is reached directly: names, each with all below it, addresses, networks such as `10.0.0.0/8`, `*` for
    /// everything; with `:port` for that port only. Names are not resolved. This machine always is.
    pub no_proxy: Vec<String>,
}

/// The address of a proxy, without credentials.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct ProxyUrl(ProxyServer);

/// Why a text is not a [`ProxyUrl`]. The text is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ProxyUrlError {
    /// Not an address of a proxy.
    #[error("this is no address of a proxy: {0}")]
    Server(#[from] ProxyServerError),
    /// They have another place.
    #[error("a proxy's URL holds credentials: they belong into `username` and `password`")]
    Credentials,
}

impl TryFrom<String> for ProxyUrl {
    type Error = ProxyUrlError;

    fn try_from(text: String) -> Result<ProxyUrl, ProxyUrlError> {
        let server = ProxyServer::parse(&text)?;
        if server.has_credentials() {
            return Err(ProxyUrlError::Credentials);
        }
        Ok(ProxyUrl(server))
    }
}

impl Default for Proxy {
    fn default() -> Proxy {
        Proxy { enabled: true, url: None, username: None, password: None, no_proxy: Vec::new() }
    }
}

impl Proxy {
    /// What is wrong with the table, which stands at `key`.
    pub fn problems(&self, key: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |option: &str, message: String, fix: &str| {
            problems.push(Problem::at(&format!("{key}.{option}"), message).fix(fix));
        };
        if self.password.is_some() && self.username.is_none() {
            let fix = "set both, or remove `password`";
            wrong("password", "`password` is set without `username`".to_owned(), fix);
        }
        if self.username.is_some() && self.url.is_none() {
            let fix = "set `url`, or put the credentials into the variable of the environment";
            wrong("username", "`username` is set without `url`".to_owned(), fix);
        }
        if let Err(error) = self.server() {
            wrong("username", error.to_string(), "check `username` and `password`");
        }
        if let Err(error) = self.direct() {
            wrong("no_proxy", error.to_string(), "correct or remove the entry");
        }
        problems
    }

    /// The settings for the network; the environment is asked where the table says so.
    pub fn settings(&self) -> Result<ProxySettings, BuildError> {
        self.settings_in(&|name| std::env::var(name).ok())
    }

    /// As [`Proxy::settings`], in an environment of these variables.
    fn settings_in(&self, variables: &Variables<'_>) -> Result<ProxySettings, BuildError> {
        if !self.enabled {
            return Ok(ProxySettings::default());
        }
        let wrong = "cannot use the proxy";
        let direct = self.direct().map_err(|error| BuildError::new(wrong, error))?;
        if let Some(server) = self.server().map_err(|error| BuildError::new(wrong, error))? {
            return Ok(ProxySettings::through(server, direct));
        }
        let mut settings = ProxySettings::from_variables(variables)
            .map_err(|error| BuildError::new(wrong, error))?;
        settings.direct = settings.direct.and(direct);
        Ok(settings)
    }

    fn server(&self) -> Result<Option<ProxyServer>, ProxyServerError> {
        let Some(ProxyUrl(server)) = self.url.clone() else { return Ok(None) };
        let Some(username) = &self.username else { return Ok(Some(server)) };
        let password = self.password.clone().unwrap_or_default();
        server.with_credentials(username, &password).map(Some)
    }

    fn direct(&self) -> Result<DirectHosts, DirectHostsError> {
        DirectHosts::new(self.no_proxy.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(table: &str) -> Proxy {
        toml::from_str(table).expect(table)
    }

    /// The proxies for https and for http, where the environment names some.
    fn check(table: &str, https: Option<&str>, http: Option<&str>) {
        let variables = |name: &str| match name {
            "https_proxy" => Some("http://user:geheim@environment:1".to_owned()),
            "no_proxy" => Some("excepted.example".to_owned()),
            _ => None,
        };
        let proxy = parse(table);
        assert!(proxy.problems("proxy").is_empty(), "{table}");
        let settings = proxy.settings_in(&variables).expect(table);
        for (uri, expected) in [
            ("https://a.example/", https),
            ("http://a.example/", http),
            ("https://b.example/", None),
        ] {
            let server = settings.server_for(&uri.parse().expect(uri)).map(ToString::to_string);
            assert_eq!(server.as_deref(), expected, "{table} {uri}");
        }
        assert!(!format!("{proxy:?} {settings:?}").contains("geheim"));
    }

    #[test]
    fn the_table_comes_before_the_environment() {
        let environment = Some("environment:1");
        check("no_proxy = ['b.example']", environment, None);
        check("no_proxy = ['b.example', '.a.example']", None, None);
        check("enabled = false\nurl = 'http://table:2'", None, None);
        let table = Some("table:2");
        check("url = 'http://table:2'\nno_proxy = ['b.example']", table, table);
        check(
            "url = 'https://table:2'\nusername = 'me'\npassword = 'geheim'\nno_proxy = ['b.example']",
            table,
            table,
        );
    }

    #[test]
    fn every_mistake_is_named_at_its_key_and_no_password_shown() {
        for (table, key) in [
            ("password = 'geheim'", "proxy.password"),
            ("username = 'me'", "proxy.username"),
            ("url = 'http://p'\nusername = 'a:b'\npassword = 'geheim'", "proxy.username"),
            ("no_proxy = ['10.0.0.0/40']", "proxy.no_proxy"),
        ] {
            let problems = parse(table).problems("proxy");
            assert_eq!(problems.len(), 1, "{table}: {problems:?}");
            assert_eq!(problems[0].key.join("."), key, "{table}");
            assert!(!format!("{problems:?}").contains("geheim"));
        }
        for table in ["url = 'http://me:geheim@proxy:1'", "url = 'socks5://geheim'", "url = ''"] {
            let error = toml::from_str::<Proxy>(table).expect_err(table);
            assert!(!error.message().contains("geheim"), "{error}");
        }
    }
}
