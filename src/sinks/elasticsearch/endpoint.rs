//! The address of a server.

use std::fmt;

use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// The address of a server, without credentials.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(Url);

/// Why a text is not an [`Endpoint`].
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Not an address of the web.
    #[error("an endpoint is not a URL like https://host:9200")]
    NotHttp,
    /// Something that has another place.
    #[error("an endpoint holds credentials, a query or a fragment: credentials belong into `auth`")]
    TooMuch,
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Endpoint, EndpointError> {
        // The text is not repeated in the error: it may hold a password.
        let url = Url::parse(&text).map_err(|_| EndpointError::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(EndpointError::NotHttp);
        }
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        if has_credentials || url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::TooMuch);
        }
        Ok(Endpoint(url))
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        endpoint.0.into()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Endpoint {
    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.0.scheme() == "https" { "https" } else { "http" }
    }

    /// The address of `_bulk` below it, with the pipeline that all documents pass through, if there is one.
    pub(super) fn bulk_uri(
        &self,
        filter_path: &str,
        pipeline: &str,
    ) -> Result<Uri, http::uri::InvalidUri> {
        let mut url = self.0.clone();
        let path = format!("{}/_bulk", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.query_pairs_mut().append_pair("filter_path", filter_path);
        if !pipeline.is_empty() {
            url.query_pairs_mut().append_pair("pipeline", pipeline);
        }
        url.as_str().parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_have_another_place_and_are_not_repeated() {
        for text in
            ["https://elastic:geheim@es:9200", "https://es/?key=geheim", "geheim", "ftp://geheim"]
        {
            let error = Endpoint::try_from(text.to_owned()).expect_err(text);
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
        for text in ["https://es:9200", "http://127.0.0.1:9200/", "https://proxy/elastic"] {
            Endpoint::try_from(text.to_owned()).expect(text);
        }
    }
}
