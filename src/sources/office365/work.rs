//! What is under way for a tenant: the tasks of its feeds and of its blobs, and how they ended.
//!
//! Invariant: whatever ends a task of a blob, the blob is either written down as what became of it, or known to be a
//! stray, which the ledger is asked to take back.

use std::collections::HashMap;

use pipeline_core::ErrorStage;
use tokio::task::{self, JoinError, JoinSet};

use super::{ledger::BlobRow, tenant::Tenant};

/// What is under way for a tenant.
#[derive(Default)]
pub(super) struct Work {
    pub(super) feeds: JoinSet<Result<(), String>>,
    pub(super) blobs: JoinSet<()>,
    /// Which blob each of `blobs` has.
    pub(super) held: HashMap<task::Id, BlobRow>,
    /// The ledger may count blobs as handed out that nobody has.
    pub(super) has_strays: bool,
    pub(super) undone: Vec<String>,
    is_broken: bool,
}

/// How a tenant's work ended.
#[derive(Default)]
pub(super) struct Ended {
    /// What could not be done.
    pub(super) undone: Vec<String>,
    /// By a fault of this program: the tenant is to be started again.
    pub(super) is_broken: bool,
}

impl Work {
    pub(super) fn is_idle(&self) -> bool {
        self.feeds.is_empty() && self.blobs.is_empty()
    }

    pub(super) fn feed_ended(
        &mut self,
        ended: Result<Result<(), String>, JoinError>,
        tenant: &Tenant,
    ) {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.undone.push(error),
            Err(error) => {
                self.task_failed("feed", &error, tenant);
                // Nothing lists the feed any more, and only the ledger knows where it stood.
                self.is_broken = true;
                if !tenant.shared.is_once {
                    tenant.stop.cancel();
                }
            }
        }
    }

    pub(super) fn end(self) -> Ended {
        Ended { undone: self.undone, is_broken: self.is_broken }
    }

    pub(super) fn blob_ended(&mut self, ended: Result<(task::Id, ()), JoinError>, tenant: &Tenant) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        self.held.remove(&id);
        if let Err(error) = ended {
            self.has_strays = true;
            self.task_failed("blob", &error, tenant);
        }
    }

    /// A fault of this program.
    fn task_failed(&mut self, of: &str, error: &JoinError, tenant: &Tenant) {
        let (shared, name) = (&tenant.shared, &tenant.name);
        let component_id = &*shared.id;
        shared.metrics.error("tenant_failed", ErrorStage::Processing);
        tracing::error!(component_id, tenant = name, of, %error, "a task of the tenant ended early");
        if shared.is_once {
            self.undone.push(format!("{name}: the task of a {of} ended early: {error}"));
        }
    }
}
