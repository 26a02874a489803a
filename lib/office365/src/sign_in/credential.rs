//! How an app proves who it is, and the form that says so.

use http::Uri;
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;
use uuid::Uuid;

use crate::{ApiUrls, TenantId};

/// The proof of an app's identity.
#[derive(Clone, Debug)]
pub enum Credential {
    ClientSecret(SecretString),
}

/// Which form of the token endpoint is used; the same tokens come from both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenEndpoint {
    V1,
    #[default]
    V2,
}

/// A request body that holds a credential, and the forms in which a peer could echo it.
pub(super) struct Form {
    pub(super) body: String,
    pub(super) secrets: Vec<String>,
}

impl Credential {
    /// The form fields of the proof. Made anew for each sign-in, so that an assertion is fresh.
    fn proof(&self) -> Vec<(&'static str, SecretString)> {
        match self {
            Credential::ClientSecret(secret) => vec![("client_secret", secret.clone())],
        }
    }
}

impl TokenEndpoint {
    pub(super) fn uri(self, urls: &ApiUrls, tenant: TenantId) -> Uri {
        let path = match self {
            TokenEndpoint::V1 => "oauth2/token",
            TokenEndpoint::V2 => "oauth2/v2.0/token",
        };
        let uri = format!("{}/{tenant}/{path}", urls.login);
        uri.parse().expect("an origin, a GUID and a fixed path make a valid URI")
    }

    pub(super) fn form(self, urls: &ApiUrls, client_id: Uuid, credential: &Credential) -> Form {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("client_id", &client_id.to_string());
        match self {
            TokenEndpoint::V1 => form.append_pair("resource", &urls.resource.to_string()),
            TokenEndpoint::V2 => form.append_pair("scope", &format!("{}/.default", urls.resource)),
        };
        let mut secrets = Vec::new();
        for (field, secret) in credential.proof() {
            let secret = secret.expose_secret();
            form.append_pair(field, secret);
            secrets.push(secret.to_owned());
            secrets.push(form_urlencoded::byte_serialize(secret.as_bytes()).collect());
        }
        Form { body: form.finish(), secrets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cloud;

    #[test]
    fn both_endpoints_get_their_own_form() {
        let urls = Cloud::Gcc.urls();
        let tenant = TenantId(Uuid::from_u128(7));
        let credential = Credential::ClientSecret("a~b+c&d=e %é".into());
        let proof = "client_secret=a%7Eb%2Bc%26d%3De+%25%C3%A9";
        let client = "client_id=00000000-0000-0000-0000-000000000009";
        for (endpoint, path, target) in [
            (TokenEndpoint::V1, "oauth2/token", "resource=https%3A%2F%2Fmanage-gcc.office.com"),
            (
                TokenEndpoint::V2,
                "oauth2/v2.0/token",
                "scope=https%3A%2F%2Fmanage-gcc.office.com%2F.default",
            ),
        ] {
            let uri = endpoint.uri(&urls, tenant).to_string();
            assert_eq!(uri, format!("https://login.microsoftonline.com/{tenant}/{path}"));
            let form = endpoint.form(&urls, Uuid::from_u128(9), &credential);
            assert_eq!(
                form.body,
                format!("grant_type=client_credentials&{client}&{target}&{proof}")
            );
        }
    }
}
