//! `o365flow doctor`: looks at all that a configuration needs, and says of what is wrong why and what to do.
//!
//! It changes nothing, here or elsewhere. What a failure leaves to look at is looked at.

mod show;
mod state;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use pipeline_core::{Clock, Finding, Health};

use self::show::Report;
use super::{
    Failure,
    load::{self, Loaded, Office365Source},
    run::block_on,
    say,
    scope::{Scope, ScopeError},
};
use crate::{
    components::office365,
    config::{self, fault::Fault},
};

/// Look at tenants, sinks and state: what works, what does not, and what to do.
///
/// With --source, --tenant or --content-type, only at what is named, and at no sink and no state.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    scope: Scope,
    /// Text for people, or JSON.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How findings are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

/// Something that was looked at, and what was found.
struct Subject {
    kind: SubjectKind,
    name: String,
    findings: Vec<Finding>,
}

/// What was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SubjectKind {
    State,
    /// Of the source with this id.
    Tenant {
        source: String,
    },
    Sink,
}

impl Doctor {
    pub(super) fn execute(self, clock: &dyn Clock) -> Result<(), Failure> {
        // Who else can read it is a finding, not an obstacle.
        let loaded = load::load(&config::read_files(&self.scope.config.paths)?, load::environment)?;
        let sources = self.sources(&loaded)?;
        let report = block_on(self.examine(&loaded, &sources, clock))?;
        match self.format {
            Format::Text => say(&report),
            Format::Json => say(report.json()),
        }
        match report.health() {
            Health::Ok | Health::Warn => Ok(()),
            Health::Fail => Err(Failure::Negative),
        }
    }

    /// What is meant; a configuration without such a source has other things to look at.
    fn sources(&self, loaded: &Loaded) -> Result<Vec<Office365Source>, Failure> {
        match self.scope.feeds_of(loaded) {
            Err(ScopeError::NoSource) if !self.scope.is_narrow() => Ok(Vec::new()),
            sources => sources.map_err(Failure::usage),
        }
    }

    /// What is wrong with tenants' own files, without which the rest runs.
    fn tenant_files(loaded: &Loaded) -> impl Iterator<Item = Finding> {
        let finding = |fault: &Fault| Finding::fail("tenant-file", fault.to_string());
        loaded.file_faults.iter().map(finding)
    }

    /// Who else can read or change the configuration, what it names, and the state.
    fn permissions(&self, loaded: &Loaded) -> Vec<Finding> {
        const CHECK: &str = "permissions";
        if self.scope.config.permissions.no_strict_permissions {
            return vec![Finding::warn(CHECK, "not looked at, as --no-strict-permissions says")];
        }
        let mut faults = load::too_open(self.scope.config.paths.iter().map(PathBuf::as_path));
        faults.extend(loaded.too_open());
        if faults.is_empty() {
            let found = "no other user can read or change configuration, secrets and state";
            return vec![Finding::ok(CHECK, found)];
        }
        let finding =
            |fault: Fault| Finding { fix: fault.fix, ..Finding::fail(CHECK, fault.message) };
        faults.into_iter().map(finding).collect()
    }

    async fn examine(
        &self,
        loaded: &Loaded,
        sources: &[Office365Source],
        clock: &dyn Clock,
    ) -> Report {
        let mut report = Report::default();
        let is_everything = !self.scope.is_narrow();
        if is_everything {
            let data_dir = &loaded.global.data_dir;
            let mut findings = self.permissions(loaded);
            findings.extend(Self::tenant_files(loaded));
            findings.extend(state::look_at(data_dir));
            report.0.push(Subject {
                kind: SubjectKind::State,
                name: data_dir.display().to_string(),
                findings,
            });
        }
        for source in sources {
            for tenant in &source.config.tenants {
                let findings = office365::examine(&source.config, tenant, clock).await;
                let kind = SubjectKind::Tenant { source: source.id.to_string() };
                report.0.push(Subject { kind, name: tenant.name.clone(), findings });
            }
        }
        for (id, sink) in loaded.topology.sinks().filter(|_| is_everything) {
            let findings = sink.probe(clock.now()).await;
            report.0.push(Subject { kind: SubjectKind::Sink, name: id.to_string(), findings });
        }
        report
    }
}
