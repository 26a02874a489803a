//! Reads the configuration again while its topology runs: on SIGHUP, when a file of it changes, and when somebody asks
//! for it. One at a time.
//!
//! Invariant: what is wrong with the new configuration leaves the old one running.

use std::{convert::Infallible, sync::Arc};

use metrics::{Gauge, counter, gauge};
use pipeline_core::Clock;
use tokio::signal::unix::Signal;
use tracing::{error, info, warn};

use super::{
    Chain, Failure,
    files_read::FilesRead,
    load::{Again, Loaded},
    view::View,
};
use crate::{
    api::FeedSources,
    config::{Global, fault::Fault},
    delivery::DeadLetterFiles,
    live::{Changes, FaultReport, Live, Refused, ReloadEnd, ReloadRequests, Reloaded},
    telemetry::{Logs, ServiceManager},
    topology::{ReloadError, Reloader},
};

/// Who orders reloads.
pub(super) struct Triggers {
    pub(super) hangup: Signal,
    pub(super) requests: ReloadRequests,
}

/// What a reload changes.
pub(super) struct Reloading {
    pub(super) again: Again,
    pub(super) reloader: Reloader,
    pub(super) live: Live,
    pub(super) feeds: FeedSources,
    pub(super) letters: DeadLetterFiles,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) manager: ServiceManager,
    /// As it was at the start, or where it could be applied since.
    pub(super) global: Global,
}

impl Reloading {
    /// Obeys `triggers` for as long as it is polled.
    pub(super) async fn obey(mut self, mut triggers: Triggers) -> Infallible {
        let figures = Figures::new();
        figures.succeeded(&*self.clock);
        let mut files = self.again.files.clone();
        loop {
            let mut answer = None;
            let cause = tokio::select! {
                _ = triggers.hangup.recv() => "SIGHUP",
                request = triggers.requests.next() => {
                    answer = Some(request.answer);
                    "a request"
                }
                () = files.changed(), if self.again.is_watching => "a file has changed",
            };
            info!(cause, "reading the configuration again");
            self.manager.reloading();
            // What the new one was read from replaces the list, also where it is wrong: there it will be mended.
            files = FilesRead::default();
            let end = self.reload(&files).await;
            figures.note(&end, &*self.clock);
            let refused = if end.is_err() { "; the last reload was refused" } else { "" };
            self.manager.ready(&format!("{}{refused}", self.live.description()));
            self.live.reload_ended(end.clone());
            if let Some(answer) = answer {
                // Whoever asked may have gone.
                drop(answer.send(end));
            }
        }
    }

    async fn reload(&mut self, files: &FilesRead) -> ReloadEnd {
        let (load, read) = (Arc::clone(&self.again.load), files.clone());
        // It may run commands to get secrets, and compiles programs.
        let loaded = match tokio::task::spawn_blocking(move || load(&read)).await {
            Ok(loaded) => loaded,
            Err(panic) => Err(Failure::Failed(Box::new(panic))),
        };
        let end = match loaded {
            Ok(loaded) => self.apply(loaded).await,
            Err(failure) => Err(refused(failure)),
        };
        match &end {
            Ok(Reloaded { changed, .. }) if *changed == Changes::default() => {
                info!("the configuration says what it said before");
            }
            Ok(_) => {}
            Err(refused) => {
                error!(
                    diagnostics = refused.diagnostics,
                    "the configuration was not taken over: the one before runs on"
                );
            }
        }
        end.map_err(Arc::new)
    }

    async fn apply(&mut self, loaded: Loaded) -> Result<Reloaded, Refused> {
        if loaded.global.data_dir != self.global.data_dir {
            let fault = Fault::general("`data_dir` can't be changed while the program runs");
            return Err(refused(Failure::Config(vec![fault.fix("restart it")])));
        }
        for warning in &loaded.topology.warnings {
            warn!(warning = %warning, "configuration");
        }
        let before = self.live.description();
        let view = View::of(&loaded, before.generation + 1);
        let reloaded = self.reloader.reload(loaded.topology, loaded.global.shutdown_timeout);
        let changed = reloaded.await.map_err(|error| match error {
            ReloadError::Build(error) => refused(Failure::Failed(Box::new(error))),
            ReloadError::Ending => refused(Failure::Failed(Box::new(error))),
        })?;
        self.apply_global(&loaded.global);
        let is_changed = changed != Changes::default();
        if is_changed {
            view.show(&self.live, &self.feeds);
        }
        Ok(Reloaded { generation: before.generation + u64::from(is_changed), changed })
    }

    fn apply_global(&mut self, new: &Global) {
        let sections =
            [("api", self.global.api != new.api), ("metrics", self.global.metrics != new.metrics)];
        for (section, is_changed) in sections {
            if is_changed {
                warn!(
                    "`[{section}]` has changed, which takes a restart: it stays as it was until then"
                );
            }
        }
        self.letters.bound_by(new.dead_letter.clone());
        if let Some(logs) = Logs::installed() {
            logs.set_component_levels(&new.log.components);
        }
    }
}

fn refused(failure: Failure) -> Refused {
    match failure {
        Failure::Config(faults) => {
            let shown: Vec<String> = faults.iter().map(|fault| format!("error: {fault}")).collect();
            Refused {
                diagnostics: shown.join("\n"),
                faults: faults.iter().map(FaultReport::from).collect(),
            }
        }
        Failure::Failed(error) | Failure::Usage(error) => {
            let message = Chain(&*error).to_string();
            let fault = FaultReport::from(&Fault::general(message.clone()));
            Refused { diagnostics: format!("error: {message}"), faults: vec![fault] }
        }
        Failure::Negative => Refused { diagnostics: String::new(), faults: Vec::new() },
    }
}

/// What is counted of reloads.
struct Figures {
    is_successful: Gauge,
    succeeded_at: Gauge,
}

impl Figures {
    fn new() -> Figures {
        for outcome in ["changed", "unchanged", "refused"] {
            count(outcome, 0);
        }
        Figures {
            is_successful: gauge!("config_last_reload_successful"),
            succeeded_at: gauge!("config_last_reload_success_timestamp_seconds"),
        }
    }

    fn note(&self, end: &ReloadEnd, clock: &dyn Clock) {
        if let Ok(reloaded) = end {
            let is_changed = reloaded.changed != Changes::default();
            count(if is_changed { "changed" } else { "unchanged" }, 1);
            self.succeeded(clock);
        } else {
            count("refused", 1);
            self.is_successful.set(0.0);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; seconds are below 2^52")]
    fn succeeded(&self, clock: &dyn Clock) {
        self.is_successful.set(1.0);
        self.succeeded_at.set(clock.now().timestamp() as f64);
    }
}

fn count(outcome: &'static str, reloads: u64) {
    counter!("config_reloads_total", "outcome" => outcome).increment(reloads);
}
