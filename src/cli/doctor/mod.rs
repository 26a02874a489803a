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
    load::{self, Loaded},
    run::block_on,
    say,
};
use crate::{
    components::office365,
    config::{self, fault::Fault},
};

/// Look at tenants, sinks and state, one by one: what works, what does not, why, and what to do.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    config: load::ConfigFiles,
    /// Only this tenant, by its name, and no sink; may be given several times.
    #[arg(long = "tenant", value_name = "NAME")]
    tenants: Vec<String>,
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

/// A name that the configuration does not have.
#[derive(Debug, thiserror::Error)]
#[error("there is no tenant `{name}`; there are: {known}")]
struct UnknownTenant {
    name: String,
    known: String,
}

impl Doctor {
    pub(super) fn execute(self, clock: &dyn Clock) -> Result<(), Failure> {
        // Who else can read it is a finding, not an obstacle.
        let loaded = load::load(&config::read_files(&self.config.paths)?, load::environment)?;
        self.check_names(&loaded)?;
        let report = block_on(self.examine(&loaded, clock))?;
        match self.format {
            Format::Text => say(&report),
            Format::Json => say(report.json()),
        }
        match report.health() {
            Health::Ok | Health::Warn => Ok(()),
            Health::Fail => Err(Failure::Negative),
        }
    }

    fn check_names(&self, loaded: &Loaded) -> Result<(), UnknownTenant> {
        let sources = load::office365_sources(loaded);
        let tenants = sources.iter().flat_map(|source| &source.config.tenants);
        let known: Vec<&str> = tenants.map(|tenant| tenant.name.as_str()).collect();
        match self.tenants.iter().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(UnknownTenant { name: name.clone(), known: known.join(", ") }),
        }
    }

    /// Who else can read or change the configuration, what it names, and the state.
    fn permissions(&self, loaded: &Loaded) -> Vec<Finding> {
        const CHECK: &str = "permissions";
        if self.config.permissions.no_strict_permissions {
            return vec![Finding::warn(CHECK, "not looked at, as --no-strict-permissions says")];
        }
        let mut faults = load::too_open(self.config.paths.iter().map(PathBuf::as_path));
        faults.extend(loaded.too_open());
        if faults.is_empty() {
            let found = "no other user can read or change configuration, secrets and state";
            return vec![Finding::ok(CHECK, found)];
        }
        let finding =
            |fault: Fault| Finding { fix: fault.fix, ..Finding::fail(CHECK, fault.message) };
        faults.into_iter().map(finding).collect()
    }

    async fn examine(&self, loaded: &Loaded, clock: &dyn Clock) -> Report {
        let mut report = Report::default();
        let is_everything = self.tenants.is_empty();
        if is_everything {
            let data_dir = &loaded.global.data_dir;
            let mut findings = self.permissions(loaded);
            findings.extend(state::look_at(data_dir));
            report.0.push(Subject {
                kind: SubjectKind::State,
                name: data_dir.display().to_string(),
                findings,
            });
        }
        for source in load::office365_sources(loaded) {
            for tenant in &source.config.tenants {
                if is_everything || self.tenants.contains(&tenant.name) {
                    let findings = office365::examine(&source.config, tenant, clock).await;
                    let kind = SubjectKind::Tenant { source: source.id.to_string() };
                    report.0.push(Subject { kind, name: tenant.name.clone(), findings });
                }
            }
        }
        for (id, sink) in loaded.topology.sinks().filter(|_| is_everything) {
            let findings = sink.probe(clock.now()).await;
            report.0.push(Subject { kind: SubjectKind::Sink, name: id.to_string(), findings });
        }
        report
    }
}
