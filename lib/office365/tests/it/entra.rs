//! A client of a strict fake of Microsoft Entra, on one clock with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use fake_tenant::{Clock, FakeTenants, Operation, Settings, TenantSpec, TokioClock};
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use net::{Body, BodyError, SendError, Transport};
use office365::{
    Certificate, CertificateFiles, Credential, SigningAlgorithm, TenantClient, TenantId,
    TenantSettings, WallClock,
};
use secrecy::SecretString;
use uuid::Uuid;

use crate::script::TENANT;

pub(crate) const APP: Uuid = Uuid::from_u128(0x7f1c_9c58_55cb_4a3c_9a3e_5a1c_1f5b_2d22);

pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The tenant, with a secret that no test uses.
pub(crate) fn spec() -> TenantSpec {
    TenantSpec::new(&TENANT.to_string(), "contoso.example", &APP.to_string(), "unused")
}

/// Calls the fake without a socket.
pub(crate) struct Entra {
    pub(crate) fake: Arc<FakeTenants>,
    clock: Arc<TokioClock>,
    clients: AtomicU64,
}

struct InProcess(Arc<FakeTenants>);

impl Transport for InProcess {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Body>, SendError>> {
        Box::pin(async move {
            let response = self.0.handle(request).await;
            let transfer = |error: std::io::Error| BodyError::Transfer { source: error.into() };
            Ok(response.map(|body| body.map_err(transfer).boxed_unsync()))
        })
    }
}

impl Entra {
    pub(crate) fn new(spec: TenantSpec) -> Entra {
        let clock = Arc::new(TokioClock::new(now()));
        let fake = FakeTenants::new(clock.clone(), Settings::default(), vec![spec]);
        Entra { fake: Arc::new(fake), clock, clients: AtomicU64::new(0) }
    }

    /// Settings of a client whose clock is so far ahead.
    pub(crate) fn settings(&self, credential: Credential, ahead: TimeDelta) -> TenantSettings {
        let clock = Arc::clone(&self.clock);
        TenantSettings {
            clock: WallClock::new(move || clock.now() + ahead),
            ..TenantSettings::new(TenantId(TENANT), APP, credential)
        }
    }

    pub(crate) fn client_with(&self, settings: TenantSettings) -> TenantClient {
        let transport = Arc::new(InProcess(Arc::clone(&self.fake)));
        // Each client draws other ids: an assertion's may not come twice.
        let seed = self.clients.fetch_add(1, Ordering::Relaxed);
        TenantClient::new(settings, transport, None, fastrand::Rng::with_seed(seed))
    }

    pub(crate) fn client(&self, credential: Credential) -> TenantClient {
        self.client_with(self.settings(credential, TimeDelta::zero()))
    }

    /// How often a token was asked for.
    pub(crate) fn requests(&self) -> u64 {
        self.fake.stats().requests_of(Operation::Token)
    }

    /// Changes what Entra knows of the app.
    pub(crate) fn change(&self, change: impl FnOnce(&mut TenantSpec)) {
        self.fake.change_tenant(&TENANT.to_string(), change);
    }
}

pub(crate) fn certificate(files: CertificateFiles) -> Credential {
    Credential::Certificate(Arc::new(Certificate::new(files)))
}

/// A certificate and its key in one file.
pub(crate) fn one_file(path: PathBuf, password: Option<&str>) -> CertificateFiles {
    CertificateFiles {
        path,
        key_path: None,
        password: password.map(SecretString::from),
        algorithm: SigningAlgorithm::Ps256,
    }
}
