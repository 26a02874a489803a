//! `o365flow demo`: a whole run against a made-up tenant, and the proof that nothing is missing.

mod chaos;
mod live;
mod prepare;

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::TimeDelta;
use clap::Args;
use fake_tenant::{
    Clock as _, Completeness, FakeTenants, Filter, History, Server, Settings, TenantSpec,
    TokioClock,
};
use pipeline_core::{Clock, RunMode, Timestamp};
use tokio::time::Instant;

use prepare::prepare;

use super::{
    Failure,
    execute::{Ended, execute},
    load::{self, Loaded},
    run::block_on,
    say,
    summary::{Summary, Totals},
};
use crate::config::fault::SourceFile;

/// The made-up tenant: nobody's.
const TENANT_ID: &str = "0f1e2d3c-4b5a-4697-8877-665544332211";
const CLIENT_ID: &str = "8d7c6b5a-4f3e-4d2c-9b1a-00112233aabb";
const CLIENT_SECRET: &str = "a-secret-of-the-demo-that-opens-nothing";

/// What a demo writes, live ones included.
const OUTPUTS: [&str; 3] = ["o365.ndjson", "flat.ndjson", "failures.ndjson"];

/// A blob turns up in the listing this much later than it was created, at most.
const LATE_BY: TimeDelta = TimeDelta::hours(2);

/// Show a whole run against a made-up tenant.
///
/// A week of history is collected, mapped and delivered to a file, which is then compared with what the tenant has.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where to put the output and the state; what an earlier demo left there is replaced.
    #[arg(long, value_name = "DIR", default_value = "demo-output")]
    output: PathBuf,
    /// What the made-up records are drawn from; the same seed gives the same history.
    #[arg(long, default_value_t = 365)]
    seed: u64,
    /// Blobs that each of the five feeds gets in an hour, on average.
    #[arg(long, default_value_t = 0.6)]
    blobs_per_hour: f64,
    /// Let much go wrong: requests are throttled, refused and cut off, listings lie, tokens expire, blobs turn up late,
    /// and the program is restarted in the middle.
    #[arg(long)]
    chaos: bool,
    /// Go on until Ctrl-C with records that keep coming, a status page, and programs that can be edited meanwhile.
    #[arg(long, conflicts_with = "chaos")]
    live: bool,
}

impl Demo {
    pub(super) fn execute(self, clock: &dyn Clock) -> Result<(), Failure> {
        let now = clock.now();
        block_on(self.run(now))?
    }

    async fn run(self, now: Timestamp) -> Result<(), Failure> {
        clear(&self.output)?;
        let clock = Arc::new(TokioClock::new(now));
        if self.live {
            return live::run(&self, clock).await;
        }
        let settings = if self.chaos { chaos::settings(self.seed) } else { settings() };
        let tenants = Arc::new(FakeTenants::new(clock.clone(), settings, vec![self.tenant(now)]));
        let server = Server::start(Arc::clone(&tenants)).await?;
        if let Some(url) = elasticsearch_url() {
            prepare(&self.load(&server.resource_url())?, &url).await?;
        }
        say("A made-up tenant with a week of history is being collected …");
        let start = Instant::now();
        let clock: Arc<dyn Clock> = Arc::new(DemoClock(clock));
        let ended: Ended = if self.chaos {
            chaos::execute(&self, &tenants, (&server.resource_url(), clock)).await?
        } else {
            execute(self.load(&server.resource_url())?, RunMode::Once, clock).await?
        };
        let took = start.elapsed();
        let written = self.output.join("o365.ndjson");
        let completeness = verify(&tenants, &written)?;
        let totals = Totals::of(&ended.snapshot);
        say(Summary { totals, took });
        say(format_args!("  {:<20}{}", "output", written.display()));
        if let Some(url) = elasticsearch_url() {
            say(format_args!("  {:<20}{url}, index o365-demo", "and"));
        }
        say(format_args!(
            "\nOf {} distinct records that the tenant served, {} are missing in the file and {} are there twice.",
            completeness.expected,
            completeness.missing.len(),
            completeness.repeated
        ));
        if self.chaos {
            say(chaos::Injected(tenants.stats()));
        }
        ended.result?;
        if completeness.is_exact() && totals.blobs_lost == 0 {
            Ok(())
        } else {
            Err(Failure::Negative)
        }
    }

    fn tenant(&self, now: Timestamp) -> TenantSpec {
        // The last late blob has turned up before the demo lists.
        let end = now - LATE_BY - TimeDelta::minutes(5);
        let mut history =
            History::new(self.seed, now - TimeDelta::days(7) + TimeDelta::hours(1), end)
                .with_blobs_per_hour(self.blobs_per_hour);
        history.duplicate_rate = 0.02;
        history.late_rate = 0.05;
        history.late_by = LATE_BY;
        TenantSpec::new(TENANT_ID, "contoso.example", CLIENT_ID, CLIENT_SECRET)
            .subscribed_to_all()
            .with_history(history)
    }

    fn load(&self, url: &str) -> Result<Loaded, Failure> {
        load::load(&self.texts(), self.variables(url))
    }

    /// The configuration.
    fn texts(&self) -> Vec<Arc<SourceFile>> {
        let mut texts =
            vec![built_in("config/demo.toml", include_str!("../../../config/demo.toml"))];
        if self.live {
            let text = include_str!("../../../config/demo-live.toml");
            texts.push(built_in("config/demo-live.toml", text));
        }
        if elasticsearch_url().is_some() {
            let text = include_str!("../../../config/demo-elasticsearch.toml");
            texts.push(built_in("config/demo-elasticsearch.toml", text));
        }
        texts
    }

    /// The variables in it, for a tenant at `url`.
    fn variables(
        &self,
        url: &str,
    ) -> impl Fn(&str) -> Option<String> + Clone + Send + Sync + use<> {
        let variables = HashMap::from([
            ("DEMO_OUTPUT", self.output.display().to_string()),
            ("DEMO_TENANT_ID", TENANT_ID.to_owned()),
            ("DEMO_CLIENT_ID", CLIENT_ID.to_owned()),
            ("DEMO_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("DEMO_URL", url.to_owned()),
        ]);
        let intervals: &[(&str, &str)] = match self {
            Demo { chaos: true, .. } => &chaos::INTERVALS,
            Demo { live: true, .. } => &live::INTERVALS,
            Demo { .. } => &[],
        };
        move |name| {
            let interval = intervals.iter().find(|(known, _)| *known == name);
            let known = interval.map(|(_, value)| (*value).to_owned());
            known.or_else(|| variables.get(name).cloned()).or_else(|| load::environment(name))
        }
    }
}

fn settings() -> Settings {
    Settings { requests_per_minute: 1_000_000, page_size: 50, ..Settings::default() }
}

fn built_in(path: &str, text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile { path: PathBuf::from(path), text: text.to_owned() })
}

fn elasticsearch_url() -> Option<String> {
    load::environment("ELASTICSEARCH_URL").filter(|url| !url.is_empty())
}

/// Removes what an earlier demo has left in `output`, and nothing else.
fn clear(output: &Path) -> Result<(), io::Error> {
    fs::create_dir_all(output)?;
    let files = OUTPUTS.map(|name| fs::remove_file(output.join(name)));
    for result in files.into_iter().chain([fs::remove_dir_all(output.join("state"))]) {
        match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Compares the ids in the file with those that the tenant has.
fn verify(tenants: &FakeTenants, written: &Path) -> Result<Completeness, io::Error> {
    let text = fs::read_to_string(written)?;
    let id = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(event["event"]["id"].as_str()?.to_owned())
    };
    let ids: Vec<String> = text.lines().map(|line| id(line).unwrap_or_default()).collect();
    Ok(tenants.verify(&Filter::default(), ids.iter().map(String::as_str)))
}

/// The made-up tenant's clock, for the source.
#[derive(Debug)]
struct DemoClock(Arc<TokioClock>);

impl Clock for DemoClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}
