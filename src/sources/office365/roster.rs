//! Which tenants are at work: starts each, follows the folder of their files, stops and starts what changed there.
//!
//! Invariants: a tenant is never at work twice, so one that changed starts only when its former self has ended, with
//! everything acknowledged or back in the ledger. Nobody waits for another tenant's start, stop or failure.
//!
//! Starts are spaced out, so that thousands of tenants do not sign in at one instant.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::Arc,
    time::Duration,
};

use metrics::Gauge;
use office365::TenantId;
use pipeline_core::ErrorStage;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    metrics::tenant_gauges,
    opening::Opening,
    shared::Shared,
    tenants_dir::{FileTenant, Look},
    watch::Watch,
    work::Ended,
};

/// The time between the starts of two tenants.
const START_SPACING: Duration = Duration::from_millis(10);

/// The wait before a tenant is started again whose task ended by a fault of this program.
const RESTART_PAUSE: Duration = Duration::from_mins(1);

/// The tenants of a source.
pub(super) struct Roster {
    shared: Arc<Shared>,
    opening: Arc<Opening>,
    /// The tenants of the main configuration.
    inline: Vec<FileTenant>,
    watch: Option<Watch>,
    tasks: JoinSet<Ended>,
    /// Whose task each is.
    owners: HashMap<tokio::task::Id, TenantId>,
    at_work: BTreeMap<TenantId, AtWork>,
    next_start: Instant,
    /// The folder could not be read at the last look.
    is_folder_lost: bool,
    /// The folder was read before.
    has_looked: bool,
    undone: Vec<String>,
    running: Gauge,
    faulty: Gauge,
}

/// A tenant that is at work or about to end.
struct AtWork {
    declared: FileTenant,
    stop: CancellationToken,
    /// What is to start when it has ended.
    next: Option<FileTenant>,
}

impl Roster {
    pub(super) fn new(
        shared: Arc<Shared>,
        opening: Arc<Opening>,
        inline: Vec<FileTenant>,
        watch: Option<Watch>,
    ) -> Roster {
        let [running, faulty] = tenant_gauges(&shared.id);
        Roster {
            shared,
            opening,
            inline,
            watch,
            tasks: JoinSet::new(),
            owners: HashMap::new(),
            at_work: BTreeMap::new(),
            next_start: Instant::now(),
            is_folder_lost: false,
            has_looked: false,
            undone: Vec::new(),
            running,
            faulty,
        }
    }

    /// Has the tenants work until the source stops, or, where it ends by itself, until all are done. Gives what could
    /// not be done.
    pub(super) async fn run(&mut self) -> Vec<String> {
        let shared = Arc::clone(&self.shared);
        for declared in self.inline.clone() {
            self.start(declared, Duration::ZERO);
        }
        let mut is_stopping = false;
        let mut watch = self.watch.take();
        loop {
            self.show_count();
            if self.tasks.is_empty() && (is_stopping || watch.is_none()) {
                return std::mem::take(&mut self.undone);
            }
            tokio::select! {
                biased;
                () = shared.stop.cancelled(), if !is_stopping => is_stopping = true,
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                look = next_look(watch.as_mut()), if !is_stopping => {
                    self.follow(look);
                    // A run that ends by itself looks once.
                    watch = watch.filter(|_| !shared.is_once);
                }
            }
        }
    }

    /// Leaves everything where it stands.
    pub(super) async fn abandon(&mut self) {
        self.tasks.shutdown().await;
    }

    /// Starts, stops and changes tenants so that they are what the folder says.
    fn follow(&mut self, look: io::Result<Look>) {
        let shared = Arc::clone(&self.shared);
        let look = match look {
            Ok(look) => look,
            Err(error) => return self.report_lost_folder(&error),
        };
        self.is_folder_lost = false;
        for fault in &look.faults {
            shared.metrics.error("tenant_file_faulty", ErrorStage::Receiving);
            let (component_id, fault) = (&*shared.id, fault.to_string());
            tracing::error!(component_id, fault, "a tenant's file is not used as it is");
            if shared.is_once {
                self.undone.push(fault);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a number of files is far below 2^52")]
        self.faulty.set(look.unusable as f64);
        let wanted = self.inline.iter().cloned().chain(look.tenants);
        let mut wanted: BTreeMap<TenantId, FileTenant> =
            wanted.map(|declared| (declared.id, declared)).collect();
        for (id, at_work) in &mut self.at_work {
            at_work.follow(wanted.remove(id), &shared);
        }
        let has_looked = std::mem::replace(&mut self.has_looked, true);
        for declared in wanted.into_values() {
            // At the start there may be thousands.
            if has_looked {
                let tenant = &declared.tenant.name;
                tracing::info!(
                    component_id = &*shared.id,
                    tenant,
                    "tenant starts: its file is new"
                );
            }
            self.start(declared, Duration::ZERO);
        }
    }

    fn report_lost_folder(&mut self, error: &io::Error) {
        let shared = &self.shared;
        shared.metrics.error("tenants_dir_unreadable", ErrorStage::Receiving);
        if !std::mem::replace(&mut self.is_folder_lost, true) {
            let (component_id, error) = (&*shared.id, error as &(dyn std::error::Error + 'static));
            tracing::error!(
                component_id,
                error,
                "cannot read `tenants_dir`: its tenants stay as they are"
            );
        }
        if shared.is_once {
            self.undone.push(format!("cannot read `tenants_dir`: {error}"));
        }
    }

    fn start(&mut self, declared: FileTenant, pause: Duration) {
        let stop = self.shared.stop.child_token();
        let start_at = self.next_start.max(Instant::now());
        self.next_start = start_at + START_SPACING;
        let (opening, shared) = (Arc::clone(&self.opening), Arc::clone(&self.shared));
        let (task_stop, tenant) = (stop.clone(), Arc::clone(&declared.tenant));
        let id = declared.id;
        let span = tracing::info_span!("tenant", component_id = &*shared.id, tenant = %tenant.name);
        let task = async move {
            tokio::select! {
                biased;
                () = task_stop.cancelled() => return Ended::default(),
                () = tokio::time::sleep_until(start_at + pause) => {}
            }
            // The ledger is tried until it works, and so would keep the program from ending.
            let opened = tokio::select! {
                biased;
                () = task_stop.cancelled() => return Ended::default(),
                opened = opening.open(&tenant, &shared, task_stop.child_token()) => opened,
            };
            let tenant = match opened {
                Ok(tenant) => tenant,
                Err(error) => {
                    let (component_id, name) = (&*shared.id, &tenant.name);
                    shared.metrics.error("tenant_failed", ErrorStage::Processing);
                    tracing::error!(component_id, tenant = name, %error, "tenant cannot start");
                    return Ended { undone: vec![error.to_string()], is_broken: false };
                }
            };
            let ended = Arc::clone(&tenant).run().await;
            if !shared.stop.is_cancelled() && !shared.is_once {
                tenant.withdraw_metrics();
            }
            ended
        };
        let task = self.tasks.spawn(task.instrument(span));
        self.owners.insert(task.id(), id);
        self.at_work.insert(id, AtWork { declared, stop, next: None });
    }

    /// A tenant's task has ended: as it should, or by a fault.
    fn ended(&mut self, ended: Result<(tokio::task::Id, Ended), tokio::task::JoinError>) {
        let (task, result) = match ended {
            Ok((task, ended)) => (task, Ok(ended)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(id) = self.owners.remove(&task) else { return };
        let Some(AtWork { declared, stop, next }) = self.at_work.remove(&id) else { return };
        let (component_id, name) = (&*self.shared.id, &declared.tenant.name);
        let is_over = self.shared.is_once || stop.is_cancelled();
        match result {
            Ok(Ended { is_broken: true, .. }) if !is_over => {
                return self.start(next.unwrap_or(declared), RESTART_PAUSE);
            }
            // One that cannot start is tried at each look, and told once.
            Ok(Ended { mut undone, .. }) => {
                undone.retain(|text| !self.undone.contains(text));
                self.undone.extend(undone);
            }
            Err(error) => {
                self.shared.metrics.error("tenant_failed", ErrorStage::Processing);
                tracing::error!(component_id, tenant = name, %error, "a tenant's task ended early");
                if is_over {
                    self.undone.push(format!("{name}: a tenant's task ended early: {error}"));
                } else {
                    return self.start(next.unwrap_or(declared), RESTART_PAUSE);
                }
            }
        }
        if let Some(next) = next.filter(|_| !self.shared.stop.is_cancelled()) {
            tracing::info!(
                component_id,
                tenant = next.tenant.name,
                "tenant starts, as its file says now"
            );
            self.start(next, Duration::ZERO);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of tenants is far below 2^52")]
    fn show_count(&self) {
        self.running.set(self.at_work.len() as f64);
    }
}

impl AtWork {
    /// Stops the tenant where it shall not be at work, or not as it is.
    fn follow(&mut self, wanted: Option<FileTenant>, shared: &Shared) {
        let latest = self.next.as_ref().unwrap_or(&self.declared);
        let is_ending = self.stop.is_cancelled();
        let is_same =
            wanted.as_ref().is_some_and(|wanted| wanted.fingerprint == latest.fingerprint);
        if is_same && (!is_ending || self.next.is_some()) {
            return;
        }
        if !is_ending {
            let (component_id, tenant) = (&*shared.id, &self.declared.tenant.name);
            if wanted.is_some() {
                tracing::info!(component_id, tenant, "tenant stops: its file changed");
            } else {
                tracing::info!(component_id, tenant, "tenant stops: its file is gone");
            }
            self.stop.cancel();
        }
        self.next = wanted;
    }
}

/// The next look at the folder; never, where there is none.
async fn next_look(watch: Option<&mut Watch>) -> io::Result<Look> {
    match watch {
        Some(watch) => watch.next_look().await,
        None => std::future::pending().await,
    }
}
