//! The endpoints of managed identities: that of a virtual machine and that of an app service. Whoever reaches them is
//! taken for the machine of the one tenant that has a managed identity.

use bytes::Bytes;
use http::{Method, Request};
use serde_json::json;

use crate::reply::{Refused, Reply};
use crate::route::Query;
use crate::tenant::TenantSpec;
use crate::token::{Issuer, sign};

/// Which of the two endpoints was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Machine,
    AppService,
}

fn refused(status: u16, error: &str, text: &str) -> Refused {
    Reply::json(status, &json!({ "error": error, "error_description": text })).into()
}

/// Answers a request for a token.
pub(crate) fn answer(
    request: &Request<Bytes>,
    endpoint: Endpoint,
    tenant: Option<&TenantSpec>,
    issuer: &Issuer<'_>,
) -> Result<Reply, Refused> {
    if request.method() != Method::GET {
        return Err(refused(405, "invalid_request", "Method not allowed"));
    }
    let known = tenant.and_then(|tenant| Some((tenant, tenant.managed_identity.as_ref()?)));
    let Some((tenant, identity)) = known else {
        return Err(refused(400, "invalid_request", "Identity not found"));
    };
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let (is_allowed, version) = match endpoint {
        Endpoint::Machine => (header("metadata") == Some("true"), "2018-02-01"),
        Endpoint::AppService => {
            (header("x-identity-header") == Some(identity.header.as_str()), "2019-08-01")
        }
    };
    if !is_allowed {
        return Err(refused(400, "bad_request_102", "Required metadata header not specified"));
    }
    let query = Query::of(request.uri());
    if query.value("api-version") != Some(version) {
        return Err(refused(400, "bad_request", "Missing or unsupported api-version"));
    }
    if query.value("client_id") != identity.client_id.as_deref() {
        return Err(refused(400, "invalid_request", "Identity not found"));
    }
    let resource = query.value("resource").unwrap_or_default();
    if resource.trim_end_matches('/') != issuer.resource {
        let text = format!(
            "AADSTS500011: The resource principal named {resource} was not found in the tenant."
        );
        return Err(refused(400, "invalid_resource", &text));
    }
    let (token, end) = (sign(tenant, issuer), (issuer.now + issuer.life).timestamp());
    let mut body = json!({
        "access_token": token, "token_type": "Bearer", "resource": resource,
        "expires_on": end.to_string(),
        "client_id": identity.client_id.as_ref().unwrap_or(&tenant.client_id),
    });
    if endpoint == Endpoint::Machine {
        body["expires_in"] = issuer.life.num_seconds().to_string().into();
    }
    Ok(Reply::json(200, &body))
}
