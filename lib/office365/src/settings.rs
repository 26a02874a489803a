//! What a client of one tenant needs to know.

use std::time::Duration;

use net::Timeouts;
use uuid::Uuid;

use crate::{ApiUrls, Cloud, Credential, TenantId, TokenEndpoint, WallClock};

/// Bytes of one record. Records of some KB are normal; the largest that are reported have some hundred KB.
const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One tenant, and how to talk to the API on its behalf.
#[derive(Clone, Debug)]
pub struct TenantSettings {
    pub tenant_id: TenantId,
    /// The app registration.
    pub client_id: Uuid,
    pub credential: Credential,
    pub urls: ApiUrls,
    pub token_endpoint: TokenEndpoint,
    /// The tenant of whoever runs this program. Without it all callers share one small quota.
    pub publisher_id: Uuid,
    pub timeouts: Timeouts,
    /// Larger records are skipped and reported.
    pub record_bytes_max: usize,
    /// The time that assertions are signed with.
    pub clock: WallClock,
}

impl TenantSettings {
    /// Settings of an enterprise tenant whose owner runs this program.
    pub fn new(tenant_id: TenantId, client_id: Uuid, credential: Credential) -> Self {
        TenantSettings {
            tenant_id,
            client_id,
            credential,
            urls: Cloud::Enterprise.urls(),
            token_endpoint: TokenEndpoint::default(),
            publisher_id: tenant_id.0,
            timeouts: Timeouts { headers: Duration::from_secs(30), idle: Duration::from_secs(30) },
            record_bytes_max: RECORD_BYTES_MAX,
            clock: WallClock::default(),
        }
    }
}
