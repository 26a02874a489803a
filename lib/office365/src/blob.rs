//! What names a tenant and a blob.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::ContentType;

/// The GUID of a Microsoft Entra tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub Uuid);

impl fmt::Display for TenantId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for TenantId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.trim().parse().map(TenantId)
    }
}

/// The API's name for a blob: opaque, compared byte by byte, never rewritten.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(pub String);

impl fmt::Display for ContentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// A blob as a listing names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRef {
    pub content_type: ContentType,
    pub id: ContentId,
    /// Where to fetch it. Came from the network: the client checks the host before it sends a token there.
    pub uri: String,
    pub created: DateTime<Utc>,
    /// The API serves it until then.
    pub expires: DateTime<Utc>,
}
