//! How many events pass the whole chain for a second of CPU time, and in how much memory?
//!
//! A fake tenant in a process of its own serves its history; `o365flow run --once` fetches it, maps it with
//! `o365beat.vrl` and drops it into a blackhole. Only the second process is measured, as a whole: start-up, sign-in
//! and listing included.
//!
//! `cargo bench --bench end_to_end` runs all scenarios, `cargo bench --bench end_to_end -- large` those whose names
//! contain `large`.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::{
    error::Error,
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use serde_json::Value;
use tokio::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_o365flow");

/// A history to fetch. Each of five feeds has a week.
struct Scenario {
    name: &'static str,
    what: &'static str,
    blobs_per_hour: &'static str,
    records_per_blob: u32,
}

const SCENARIOS: [Scenario; 3] = [
    Scenario {
        name: "usual",
        what: "blobs of 500 records",
        blobs_per_hour: "1",
        records_per_blob: 500,
    },
    Scenario {
        name: "small",
        what: "blobs of 20 records",
        blobs_per_hour: "10",
        records_per_blob: 20,
    },
    Scenario {
        name: "large",
        what: "blobs of 100,000 records",
        blobs_per_hour: "0.005",
        records_per_blob: 100_000,
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds `--bench`; what is left chooses scenarios.
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for scenario in SCENARIOS {
        if wanted.is_empty() || wanted.iter().any(|name| scenario.name.contains(name.as_str())) {
            measure(&scenario)?;
        }
    }
    Ok(())
}

fn measure(scenario: &Scenario) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let (mut tenant, announced) = start_tenant(scenario)?;
    let config = folder.path().join("bench.toml");
    fs::write(&config, topology(folder.path(), &announced))?;
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600))?;
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let start = Instant::now();
    let run = Command::new(PROGRAM)
        .args(["run", "--once", "--log", "warn", "--config"])
        .arg(&config)
        .output()?;
    let took = start.elapsed();
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    drop(tenant.stdin.take());
    tenant.wait()?;
    let summary = String::from_utf8_lossy(&run.stderr).into_owned();
    if !run.status.success() {
        return Err(format!("the run failed: {summary}").into());
    }
    let events = row(&summary, "records out").ok_or("the summary has no `records out`")?;
    if row(&summary, "blobs listed") != row(&summary, "blobs delivered") {
        return Err(format!("not all was delivered:\n{summary}").into());
    }
    let cpu = cpu_time(&after).saturating_sub(cpu_time(&before)).as_secs_f64();
    println!(
        "{:<6} {:<26} {:>8.0} events  {:>8.0} events/s  {:>8.0} events/CPU-s  {:>6.1} MB peak",
        scenario.name,
        scenario.what,
        events,
        events / took.as_secs_f64(),
        events / cpu,
        megabytes(&after),
    );
    Ok(())
}

fn start_tenant(scenario: &Scenario) -> Result<(Child, Value), Box<dyn Error>> {
    let records = scenario.records_per_blob.to_string();
    let mut child = Command::new(PROGRAM)
        .arg("fake-tenant")
        .args(["--blobs-per-hour", scenario.blobs_per_hour])
        .args(["--records-min", &records, "--records-max", &records])
        .args(["--requests-per-minute", "10000000", "--days", "6.9"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let output = child.stdout.take().ok_or("the fake tenant has no output")?;
    BufReader::new(output).read_line(&mut line)?;
    Ok((child, serde_json::from_str(&line)?))
}

fn topology(folder: &Path, announced: &Value) -> String {
    let tenant = &announced["tenants"][0];
    format!(
        r#"
data_dir = "{folder}/state"
[sources.office365]
type = "office365"
content_types = ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"]
max_requests_per_minute = 10000000
[[sources.office365.tenants]]
name = "bench"
tenant_id = {tenant_id}
client_id = {client_id}
client_secret = {client_secret}
login_url = {login_url}
resource_url = {resource_url}
[transforms.o365beat]
type = "remap"
inputs = ["office365"]
file = "vrl/o365beat.vrl"
[sinks.blackhole]
type = "blackhole"
inputs = ["o365beat"]
"#,
        folder = folder.display(),
        tenant_id = tenant["tenant_id"],
        client_id = tenant["client_id"],
        client_secret = tenant["client_secret"],
        login_url = announced["login_url"],
        resource_url = announced["resource_url"],
    )
}

/// The number in a row of the summary.
fn row(summary: &str, name: &str) -> Option<f64> {
    let line = summary.lines().find(|line| line.trim_start().starts_with(name))?;
    line.split_whitespace().last()?.replace(',', "").parse().ok()
}

/// The largest of all children so far: the fake tenant is smaller.
#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn megabytes(usage: &Usage) -> f64 {
    usage.max_rss() as f64 / 1000.0
}

fn cpu_time(usage: &Usage) -> Duration {
    let micros = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(
            u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or_default(),
        )
    };
    micros(usage.user_time()) + micros(usage.system_time())
}
