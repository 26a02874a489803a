//! `o365flow report`: what was listed, and what became of it.

use std::sync::Arc;

use chrono::{DurationRound, TimeDelta};
use clap::{Args, ValueEnum};
use pipeline_core::{Clock, Timestamp};
use serde::Serialize;

use super::{Failure, load, run::block_on, say, when::When};
use crate::components::office365::{
    self, ContentType,
    report::{FORMAT_VERSION, Grouping, Scope, SourceReport, Table, Verifier},
};

/// Show what became of all content, from the ledger, beside a running o365flow or without one. The exit code is 0 only
/// when nothing is lost, nothing was missed and every sum adds up.
#[derive(Debug, Args)]
pub(super) struct Report {
    #[command(flatten)]
    config: load::ConfigFiles,
    /// Only this source, where there are several of type `office365`.
    #[arg(long, value_name = "ID")]
    source: Option<String>,
    /// Only this tenant, by its name or GUID. Can be given several times.
    #[arg(long, value_name = "NAME")]
    tenant: Vec<String>,
    /// Only this content type, such as `Audit.Exchange`. Can be given several times.
    #[arg(long, value_name = "TYPE")]
    content_type: Vec<ContentType>,
    /// Content created from here on: a time in UTC, a day, or how long ago. Cut to the hour.
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: When,
    /// Content created before: a time in UTC, a day, or how long ago. Now, if left out.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// What one row stands for.
    #[arg(long, value_enum, default_value_t = Grouping::Hour)]
    by: Grouping,
    /// How the report looks.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// List again what the API still lists, and prove that all of it is in the ledger.
    #[arg(long)]
    verify: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// The JSON as a whole.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    created: Timestamp,
    sources: &'a [SourceReport],
}

impl Report {
    pub(super) fn execute(self, clock: &Arc<dyn Clock>) -> Result<(), Failure> {
        let loaded = self.config.load_telling()?;
        let sources = load::office365_sources(&loaded);
        let sources = load::chosen(sources, self.source.as_deref())?;
        let now = clock.now();
        let until = self.until.map_or(now, |until| until.resolve(now));
        let since = self.since.resolve(now).min(until);
        let scope = Scope {
            span: to_the_hour(since)..until,
            by: self.by,
            tenants: self.tenant.clone(),
            content_types: self.content_type.clone(),
        };
        let mut reports = Vec::new();
        for source in &sources {
            let path = office365::ledger_path(&source.state_dir);
            let mut report = office365::report::report(&source.id, &source.config, &path, &scope)?;
            if self.verify {
                let verifier = Verifier::new(&source.config, &path, Arc::clone(clock))?;
                block_on(verifier.verify(&mut report))?;
            }
            reports.push(report);
        }
        self.check_matches(&reports)?;
        match self.format {
            Format::Table => reports.iter().for_each(|report| say(Table(report))),
            Format::Json => {
                let document =
                    Document { version: FORMAT_VERSION, created: now, sources: &reports };
                say(serde_json::to_string_pretty(&document)?);
            }
        }
        // A tenant whose file cannot be used is in no report.
        let is_whole = loaded.file_faults.is_empty() || !self.tenant.is_empty();
        let is_complete = is_whole && reports.iter().all(|report| report.complete);
        if is_complete { Ok(()) } else { Err(Failure::Negative) }
    }
}

/// What was asked about is nowhere: not in the configuration, and not in a ledger.
#[derive(Debug, thiserror::Error)]
enum NothingToReport {
    #[error("there is no tenant `{wanted}`")]
    Tenant { wanted: String },
    #[error("there is no feed that this could be reported of")]
    Feed,
}

impl Report {
    /// A report about nothing would say that it is complete.
    fn check_matches(&self, reports: &[SourceReport]) -> Result<(), NothingToReport> {
        let feeds = || reports.iter().flat_map(|report| &report.feeds);
        for wanted in &self.tenant {
            if !feeds().any(|feed| feed.is_of(wanted)) {
                return Err(NothingToReport::Tenant { wanted: wanted.clone() });
            }
        }
        if feeds().next().is_none() { Err(NothingToReport::Feed) } else { Ok(()) }
    }
}

/// The hour that holds `time`: rows stand for whole ones.
fn to_the_hour(time: Timestamp) -> Timestamp {
    time.duration_trunc(TimeDelta::hours(1)).unwrap_or(time)
}
