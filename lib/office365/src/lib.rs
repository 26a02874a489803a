//! A typed client of the Office 365 Management Activity API, for one tenant at a time.
//!
//! It signs in, lists, pages, subscribes and streams the records of blobs. Invariants: a token goes only to the tenant's
//! own API host, no error or debug text holds a secret, and a cut transfer is never taken for a whole one.
//!
//! It does not schedule, remember, count or retry: a failure says its [`ErrorClass`], and the caller decides.

mod aadsts;
mod af;
mod answer;
mod blob;
mod client;
mod cloud;
mod content_type;
mod error;
mod excerpt;
mod listing;
mod origin;
mod pace;
mod records;
mod settings;
mod sign_in;
mod splitter;
mod subscription;
mod timestamp;
mod wall_clock;
mod window;

pub use aadsts::{AADSTS, Aadsts, aadsts};
pub use af::{AF_CODES, AfCode, af_code};
pub use answer::Answer;
pub use blob::{BlobRef, ContentId, TenantId};
pub use client::{TenantClient, TokenInfo};
pub use cloud::{ApiUrls, Cloud};
pub use content_type::{ContentType, ContentTypeError};
pub use error::{ApiError, ErrorClass, Hint, Operation};
pub use listing::{BadRow, Page, PageLink};
pub use net::RateLimiter;
pub use origin::{Origin, OriginError};
pub use pace::Pace;
pub use records::{End, RawRecord, RecordFault, RecordStream};
pub use settings::TenantSettings;
pub use sign_in::{
    AppService, Certificate, CertificateError, CertificateFiles, CertificateInfo, Claims,
    Credential, FederatedTokenError, IdentityEndpoint, IdentityEndpointError, ManagedIdentity,
    Refusal, SignInError, SigningAlgorithm, TokenEndpoint,
};
pub use splitter::{RecordSplitter, SplitFault};
pub use subscription::{Started, Subscription, Webhook};
pub use timestamp::parse_time;
pub use wall_clock::WallClock;
pub use window::{Window, WindowError};
