//! The program between a fake tenant in a process of its own and a sink, measured from its start to its end.
//!
//! Measured is the program alone, as a whole: start-up, sign-in and listing included.

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

/// How often memory is looked at: its highest so far, so that only the last moment may be missed.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

pub(crate) type Failure = Box<dyn Error>;

/// The content of a tenant. Each of five feeds has a week.
#[derive(Clone, Copy)]
pub(crate) struct History {
    pub(crate) blobs_per_hour: &'static str,
    pub(crate) records_per_blob: u32,
}

/// What the program took for a history.
pub(crate) struct Figures {
    pub(crate) events: f64,
    pub(crate) took: Duration,
    pub(crate) cpu: Duration,
    /// Highest resident memory, in millions of bytes.
    pub(crate) peak_megabytes: f64,
}

impl Figures {
    /// The figures as columns.
    pub(crate) fn row(&self) -> String {
        format!(
            "{:>8.0} events  {:>8.0} events/s  {:>8.0} events/CPU-s  {:>6.1} MB peak",
            self.events,
            self.events / self.took.as_secs_f64(),
            self.events / self.cpu.as_secs_f64(),
            self.peak_megabytes,
        )
    }
}

/// Fetches a history, maps it with `o365beat.vrl`, and delivers it to the sink in the table `[sinks.out]`, which is given
/// without its heading and `inputs`.
pub(crate) fn measure(history: History, sink: &str) -> Result<Figures, Failure> {
    let folder = tempfile::tempdir()?;
    let (mut tenant, announced) = start_tenant(history)?;
    let config = folder.path().join("bench.toml");
    fs::write(&config, topology(folder.path(), &announced, sink))?;
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600))?;
    let summary = folder.path().join("summary");
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let start = Instant::now();
    let mut run = Command::new(PROGRAM)
        .args(["run", "--once", "--log", "warn", "--config"])
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(fs::File::create(&summary)?)
        .spawn()?;
    let mut peak_megabytes: f64 = 0.0;
    let status = loop {
        if let Some(status) = run.try_wait()? {
            break status;
        }
        peak_megabytes = peak_megabytes.max(highest_megabytes(run.id()).unwrap_or_default());
        std::thread::sleep(LOOK_INTERVAL);
    };
    let took = start.elapsed();
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    drop(tenant.stdin.take());
    tenant.wait()?;
    let summary = fs::read_to_string(&summary)?;
    if !status.success() {
        return Err(format!("the run failed: {summary}").into());
    }
    if row(&summary, "blobs listed") != row(&summary, "blobs delivered") {
        return Err(format!("not all was delivered:\n{summary}").into());
    }
    let events = row(&summary, "records out").ok_or("the summary has no `records out`")?;
    let cpu = cpu_time(&after).saturating_sub(cpu_time(&before));
    Ok(Figures { events, took, cpu, peak_megabytes })
}

fn start_tenant(history: History) -> Result<(Child, Value), Failure> {
    let records = history.records_per_blob.to_string();
    let mut child = Command::new(PROGRAM)
        .arg("fake-tenant")
        .args(["--blobs-per-hour", history.blobs_per_hour])
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

fn topology(folder: &Path, announced: &Value, sink: &str) -> String {
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
[sinks.out]
inputs = ["o365beat"]
{sink}
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

/// Highest resident memory of a process so far.
fn highest_megabytes(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}

fn cpu_time(usage: &Usage) -> Duration {
    let micros = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(
            u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or_default(),
        )
    };
    micros(usage.user_time()) + micros(usage.system_time())
}
