//! What a test declares about a tenant: who it is, which application may sign in, which feeds it has.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::history::History;

/// How far before the start of a first subscription its content reaches; measured on one real tenant.
const BACKFILL: TimeDelta = TimeDelta::hours(22);

/// The five content types of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentType {
    AzureActiveDirectory,
    Exchange,
    SharePoint,
    General,
    Dlp,
}

impl ContentType {
    pub const ALL: [ContentType; 5] = [
        ContentType::AzureActiveDirectory,
        ContentType::Exchange,
        ContentType::SharePoint,
        ContentType::General,
        ContentType::Dlp,
    ];

    /// The name as the API writes it.
    pub fn name(self) -> &'static str {
        match self {
            ContentType::AzureActiveDirectory => "Audit.AzureActiveDirectory",
            ContentType::Exchange => "Audit.Exchange",
            ContentType::SharePoint => "Audit.SharePoint",
            ContentType::General => "Audit.General",
            ContentType::Dlp => "DLP.All",
        }
    }

    /// Finds a content type by its name, in any letter case, as the API does.
    pub fn parse(name: &str) -> Option<Self> {
        ContentType::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }
}

/// An application permission of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Read,
    ReadDlp,
}

impl Role {
    /// The name as it stands in the `roles` claim of a token.
    pub fn name(self) -> &'static str {
        match self {
            Role::Read => "ActivityFeed.Read",
            Role::ReadDlp => "ActivityFeed.ReadDlp",
        }
    }
}

/// What a machine with a managed identity knows.
#[derive(Clone, Debug)]
pub struct ManagedIdentity {
    /// Of the identity, if it is user-assigned: who asks has to name it.
    pub client_id: Option<String>,
    /// What proves at an app service's endpoint that the asker runs there.
    pub header: String,
}

/// One tenant with the one application that may read its audit records.
#[derive(Clone, Debug)]
pub struct TenantSpec {
    /// A GUID.
    pub tenant_id: String,
    pub domain: String,
    pub client_id: String,
    pub client_secret: String,
    /// DER of the certificates that are registered for the application.
    pub certificates: Vec<Vec<u8>>,
    /// Tokens of another issuer that the application trusts.
    pub federated_tokens: Vec<String>,
    /// The managed identity of the machine that asks, if that belongs to this tenant.
    pub managed_identity: Option<ManagedIdentity>,
    pub roles: BTreeSet<Role>,
    /// Feeds that have been subscribed to since before all content.
    pub subscribed: BTreeSet<ContentType>,
    /// How far the content of a feed reaches back before its first `start`.
    pub backfill: TimeDelta,
    /// The content that exists without being added by hand.
    pub history: Option<History>,
}

impl TenantSpec {
    /// A tenant with both roles, no subscription and no content.
    pub fn new(tenant_id: &str, domain: &str, client_id: &str, client_secret: &str) -> Self {
        TenantSpec {
            tenant_id: tenant_id.to_ascii_lowercase(),
            domain: domain.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            certificates: Vec::new(),
            federated_tokens: Vec::new(),
            managed_identity: None,
            roles: BTreeSet::from([Role::Read, Role::ReadDlp]),
            subscribed: BTreeSet::new(),
            backfill: BACKFILL,
            history: None,
        }
    }

    /// The same tenant with every feed subscribed to.
    #[must_use]
    pub fn subscribed_to_all(mut self) -> Self {
        self.subscribed = BTreeSet::from(ContentType::ALL);
        self
    }

    /// The same tenant with one more certificate registered, given in DER.
    #[must_use]
    pub fn with_certificate(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.certificates.push(der.into());
        self
    }

    #[must_use]
    pub fn with_history(mut self, history: History) -> Self {
        self.history = Some(history);
        self
    }
}
