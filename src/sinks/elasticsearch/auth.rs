//! How the sink says who it is. The header that comes of it is marked as sensitive, so that nothing prints it.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, header::InvalidHeaderValue};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The `auth` table.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(tag = "strategy", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// Nobody in particular.
    #[default]
    None,
    /// A user with a password.
    Basic {
        /// The user's name.
        user: String,
        /// The user's password.
        #[schemars(with = "String")]
        password: SecretString,
    },
    /// An API key.
    ApiKey {
        /// The key as the server gave it in `encoded`, or as `id:api_key`.
        #[schemars(with = "String")]
        api_key: SecretString,
    },
}

impl Auth {
    /// The value of the header `Authorization`.
    pub(super) fn header(&self) -> Result<Option<HeaderValue>, InvalidHeaderValue> {
        let text = match self {
            Auth::None => return Ok(None),
            Auth::Basic { user, password } => {
                let pair = format!("{user}:{}", password.expose_secret());
                format!("Basic {}", STANDARD.encode(pair))
            }
            Auth::ApiKey { api_key } => match api_key.expose_secret() {
                // Base64 has no colon, so that this is the pair itself.
                pair if pair.contains(':') => format!("ApiKey {}", STANDARD.encode(pair)),
                encoded => format!("ApiKey {encoded}"),
            },
        };
        let mut value = HeaderValue::try_from(text)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(table: &str, expected: Option<&str>) {
        let auth: Auth = toml::from_str(table).expect("it parses");
        let header = auth.header().expect("it is a header");
        assert_eq!(header.as_ref().map(|value| value.to_str().expect("text")), expected);
        assert!(!format!("{auth:?} {header:?}").contains("c2Vj"), "a secret was printed");
        assert!(!format!("{auth:?}").contains("secret"), "a secret was printed");
    }

    #[test]
    fn each_strategy_has_its_header() {
        check("strategy = \"none\"", None);
        check(
            "strategy = \"basic\"\nuser = \"elastic\"\npassword = \"secret\"",
            Some("Basic ZWxhc3RpYzpzZWNyZXQ="),
        );
        check("strategy = \"api_key\"\napi_key = \"aWQ6c2VjcmV0\"", Some("ApiKey aWQ6c2VjcmV0"));
        check("strategy = \"api_key\"\napi_key = \"id:secret\"", Some("ApiKey aWQ6c2VjcmV0"));
    }
}
