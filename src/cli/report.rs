//! `o365flow report`: what was listed, and what became of it.

use std::sync::Arc;

use chrono::{DurationRound, TimeDelta};
use clap::{Args, ValueEnum};
use pipeline_core::{Clock, Timestamp};
use serde::Serialize;

use super::{
    Failure,
    load::Office365Source,
    run::block_on,
    say,
    scope::{Scope as CliScope, ScopeError, listed},
    when::{self, When},
};
use crate::components::office365::{
    self,
    report::{FORMAT_VERSION, Grouping, Scope, SourceReport, Table, Verifier},
};

/// Show hour by hour what was listed, delivered, dropped and lost.
///
/// It is read from the ledger, beside a running o365flow or without one. The exit code is 0 only when nothing is lost,
/// nothing was missed and every sum adds up.
#[derive(Debug, Args)]
pub(super) struct Report {
    #[command(flatten)]
    scope: CliScope,
    /// Content created from here on: a time or day in UTC, or an age such as 36h or 3d. Cut to the hour.
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: When,
    /// Content created before: a time or day in UTC, or an age such as 36h or 3d. By default now.
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
        let loaded = self.scope.load()?;
        // A tenant that is configured no more is in the ledger all the same.
        let sources = self.scope.whole_sources(&loaded).map_err(Failure::usage)?;
        let now = clock.now();
        let span = when::span(self.since, self.until, now).map_err(Failure::usage)?;
        let scope = Scope {
            span: to_the_hour(span.start)..span.end,
            by: self.by,
            tenants: self.scope.tenants.clone(),
            content_types: self.scope.content_types.clone(),
        };
        let mut reports = Vec::new();
        for source in &sources {
            let path = office365::ledger_path(&source.state_dir);
            reports.push(office365::report::report(&source.id, &source.config, &path, &scope)?);
        }
        self.check_matches(&sources, &reports).map_err(Failure::usage)?;
        if reports.iter().all(|report| report.feeds.is_empty()) {
            return Err(NothingToReport.into());
        }
        if self.verify {
            for (source, report) in sources.iter().zip(&mut reports) {
                let path = office365::ledger_path(&source.state_dir);
                let verifier = Verifier::new(&source.config, &path, Arc::clone(clock))?;
                block_on(verifier.verify(report))?;
            }
        }
        if self.scope.is_narrow() {
            reports.retain(|report| !report.feeds.is_empty());
        }
        match self.format {
            Format::Table => reports.iter().for_each(|report| say(Table(report))),
            Format::Json => {
                let document =
                    Document { version: FORMAT_VERSION, created: now, sources: &reports };
                say(serde_json::to_string_pretty(&document)?);
            }
        }
        // A tenant whose file cannot be used is in no report.
        let is_whole = loaded.file_faults.is_empty() || !self.scope.tenants.is_empty();
        let is_complete = is_whole && reports.iter().all(|report| report.complete);
        if is_complete { Ok(()) } else { Err(Failure::Negative) }
    }
}

/// A report about nothing would say that it is complete.
#[derive(Debug, thiserror::Error)]
#[error("there is no feed to report of: no tenant is configured, and the ledger knows none")]
struct NothingToReport;

impl Report {
    /// What was asked about is in the configuration or in a ledger.
    fn check_matches(
        &self,
        sources: &[Office365Source],
        reports: &[SourceReport],
    ) -> Result<(), ScopeError> {
        let feeds = || reports.iter().flat_map(|report| &report.feeds);
        for name in &self.scope.content_types {
            if !feeds().any(|feed| feed.content_type == *name) {
                let types = sources.iter().flat_map(|source| &source.config.content_types);
                let known = listed(types.map(ToString::to_string));
                return Err(ScopeError::UnknownContentType { name: *name, known });
            }
        }
        for name in &self.scope.tenants {
            if !feeds().any(|feed| feed.is_of(name)) {
                let tenants = sources.iter().flat_map(|source| &source.config.tenants);
                let known = listed(tenants.map(|tenant| tenant.name.clone()));
                return Err(ScopeError::UnknownTenant { name: name.clone(), known });
            }
        }
        Ok(())
    }
}

/// The hour that holds `time`: rows stand for whole ones.
fn to_the_hour(time: Timestamp) -> Timestamp {
    time.duration_trunc(TimeDelta::hours(1)).unwrap_or(time)
}
