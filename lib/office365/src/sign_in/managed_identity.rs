//! The identity that Azure gives to a machine or an app service: a token for the asking, at an address that only that
//! machine reaches. No secret is kept anywhere.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{Request, Uri};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;
use uuid::Uuid;

use crate::Origin;

/// The metadata service of a virtual machine. Link-local: no packet to it leaves the host.
const MACHINE_URL: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
const MACHINE_API_VERSION: &str = "2018-02-01";
const APP_SERVICE_API_VERSION: &str = "2019-08-01";

/// The variables by which an app service tells where to ask, and what proves that the asker runs there.
const ENDPOINT_VARIABLE: &str = "IDENTITY_ENDPOINT";
const HEADER_VARIABLE: &str = "IDENTITY_HEADER";

/// A managed identity.
#[derive(Clone, Debug)]
pub struct ManagedIdentity {
    pub endpoint: IdentityEndpoint,
    /// Of a user-assigned identity; the system-assigned one needs none.
    pub client_id: Option<Uuid>,
}

/// Who gives the tokens.
#[derive(Clone, Debug)]
pub enum IdentityEndpoint {
    /// The metadata service of a virtual machine, scale set or container instance.
    Machine,
    /// App Service, Functions and Container Apps.
    AppService(AppService),
}

/// The endpoint of an app service, and the header that proves that the asker runs there.
#[derive(Clone, Debug)]
pub struct AppService {
    url: Uri,
    /// Marked sensitive: its debug form does not show it.
    header: HeaderValue,
}

/// Why the environment names no endpoint.
#[derive(Debug, thiserror::Error)]
pub enum IdentityEndpointError {
    #[error("the variable {ENDPOINT_VARIABLE} is set, but not {HEADER_VARIABLE}")]
    NoHeader,
    #[error("the variable {ENDPOINT_VARIABLE} does not hold a URL")]
    NotUrl,
    #[error(
        "the variable {ENDPOINT_VARIABLE} leads to `{host}` in plain http, which is for this machine alone"
    )]
    NotLocal { host: String },
    #[error("the variable {HEADER_VARIABLE} does not hold a header")]
    NotHeader,
}

impl IdentityEndpoint {
    /// Finds out by the environment's variables where the program runs.
    pub fn from_environment(
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, IdentityEndpointError> {
        let Some(url) = variable(ENDPOINT_VARIABLE).filter(|url| !url.is_empty()) else {
            return Ok(IdentityEndpoint::Machine);
        };
        let header = variable(HEADER_VARIABLE).filter(|header| !header.is_empty());
        let header = SecretString::from(header.ok_or(IdentityEndpointError::NoHeader)?);
        let mut header = HeaderValue::from_str(header.expose_secret())
            .map_err(|_| IdentityEndpointError::NotHeader)?;
        header.set_sensitive(true);
        let url: Uri = url.parse().map_err(|_| IdentityEndpointError::NotUrl)?;
        let authority = url.authority().ok_or(IdentityEndpointError::NotUrl)?;
        let is_https = url.scheme() == Some(&Scheme::HTTPS);
        let is_http = url.scheme() == Some(&Scheme::HTTP);
        if url.query().is_some() || authority.as_str().contains('@') || !(is_https || is_http) {
            return Err(IdentityEndpointError::NotUrl);
        }
        if is_http && !is_on_this_machine(authority.host()) {
            return Err(IdentityEndpointError::NotLocal { host: authority.host().to_owned() });
        }
        Ok(IdentityEndpoint::AppService(AppService { url, header }))
    }
}

/// Whether what is sent to `host` leaves the machine at no time: the header proves an identity to whoever sees it.
fn is_on_this_machine(host: &str) -> bool {
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unicast_link_local(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

impl ManagedIdentity {
    /// Asks for a token for `resource`.
    pub(super) fn request(&self, resource: &Origin) -> Request<Bytes> {
        let (url, version, name, value) = match &self.endpoint {
            IdentityEndpoint::Machine => (
                MACHINE_URL.to_owned(),
                MACHINE_API_VERSION,
                HeaderName::from_static("metadata"),
                HeaderValue::from_static("true"),
            ),
            IdentityEndpoint::AppService(service) => (
                service.url.to_string(),
                APP_SERVICE_API_VERSION,
                HeaderName::from_static("x-identity-header"),
                service.header.clone(),
            ),
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("api-version", version);
        query.append_pair("resource", &resource.to_string());
        if let Some(client_id) = self.client_id {
            query.append_pair("client_id", &client_id.to_string());
        }
        let uri: Uri = format!("{url}?{}", query.finish())
            .parse()
            .expect("a URL without a query and an encoded query make a valid URI");
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri;
        request.headers_mut().insert(name, value);
        request
    }

    /// What the endpoint could echo.
    pub(super) fn secrets(&self) -> Vec<String> {
        match &self.endpoint {
            IdentityEndpoint::Machine => Vec::new(),
            IdentityEndpoint::AppService(service) => {
                service.header.to_str().map(str::to_owned).into_iter().collect()
            }
        }
    }
}
