//! The fake service as a process of its own, for benches and for tests that kill the collector. It prints one JSON line with addresses and credentials, then serves until SIGTERM or until its input closes.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    FakeTenants, FaultKind, FaultRates, History, Server, Settings, TenantSpec, TokioClock,
};

/// Serves a fake Office 365 Management Activity API on a loopback port.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Number of tenants.
    #[arg(long, default_value_t = 1)]
    tenants: u32,
    /// Decides all content.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many days of content there are before now; at most seven of them can be listed.
    #[arg(long, default_value_t = 7.0)]
    days: f64,
    /// How many days content keeps appearing from now on.
    #[arg(long, default_value_t = 0.0)]
    days_ahead: f64,
    /// Blobs of each feed in an hour.
    #[arg(long, default_value_t = 4.0)]
    blobs_per_hour: f64,
    /// Fewest records in a blob.
    #[arg(long, default_value_t = 20)]
    records_min: u32,
    /// Most records in a blob.
    #[arg(long, default_value_t = 200)]
    records_max: u32,
    /// Fill records up to so many bytes.
    #[arg(long, default_value_t = 0)]
    record_bytes_min: usize,
    /// Share of records that stand in an earlier blob too.
    #[arg(long, default_value_t = 0.0)]
    duplicates: f64,
    /// Share of blobs that are listed up to two hours late.
    #[arg(long, default_value_t = 0.0)]
    late: f64,
    /// Rows on a page of a listing.
    #[arg(long, default_value_t = 200)]
    page_size: usize,
    /// Milliseconds that every answer takes.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Requests a minute that a publisher may make at a tenant.
    #[arg(long, default_value_t = 2000)]
    requests_per_minute: u32,
    /// Compress bodies for clients that accept gzip.
    #[arg(long)]
    gzip: bool,
    /// Leave the feeds without a subscription.
    #[arg(long)]
    unsubscribed: bool,
    /// Share of answers that something is wrong with, from 0 to 1, for each kind of fault. What went wrong how often is
    /// at `/_fake/stats`.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    chaos: f64,
    /// The share of one kind of fault, as `throttle=0.1`; the kinds are `server_error`, `throttle`, `unauthorized`,
    /// `reset`, `truncate`, `not_json`, `hang`, `slow`, `gone`, `foreign_host`, `missing_rows`, `repeated_rows`,
    /// `no_next_page`, `next_page_loop` and `token_error`. Can be given more than once.
    #[arg(long, value_name = "KIND=SHARE", value_parser = fault_share)]
    fault: Vec<(FaultKind, f64)>,
    /// Keep serving when the input closes.
    #[arg(long)]
    ignore_stdin: bool,
}

/// Serves until SIGTERM, or until standard input closes. The history ends at `now`, at which the clock starts.
pub async fn serve(arguments: Arguments, now: DateTime<Utc>) -> io::Result<()> {
    let settings = Settings {
        seed: arguments.seed,
        page_size: arguments.page_size,
        requests_per_minute: arguments.requests_per_minute,
        gzip: arguments.gzip,
        latency: Duration::from_millis(arguments.latency_ms),
        fault_rates: fault_rates(&arguments),
        ..Settings::default()
    };
    let history = History {
        records_per_blob: arguments.records_min..=arguments.records_max.max(arguments.records_min),
        duplicate_rate: arguments.duplicates,
        late_rate: arguments.late,
        record_bytes_min: arguments.record_bytes_min,
        ..History::new(arguments.seed, now - days(arguments.days), now + days(arguments.days_ahead))
            .with_blobs_per_hour(arguments.blobs_per_hour)
    };
    let specs: Vec<TenantSpec> = (0..arguments.tenants)
        .map(|number| {
            tenant(arguments.seed, number, !arguments.unsubscribed).with_history(history.clone())
        })
        .collect();
    let tenants = Arc::new(FakeTenants::new(Arc::new(TokioClock::new(now)), settings, specs));
    let server = Server::start_on(tenants.clone(), arguments.port).await?;
    announce(&server, &tenants.tenants())?;
    wait_for_end(arguments.ignore_stdin).await?;
    server.stop().await;
    Ok(())
}

fn fault_rates(arguments: &Arguments) -> FaultRates {
    let mut rates = FaultRates::all(arguments.chaos);
    for (kind, share) in &arguments.fault {
        rates.set(*kind, *share);
    }
    rates
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("not from 0 to 1".to_owned()) }
}

fn fault_share(text: &str) -> Result<(FaultKind, f64), String> {
    let (name, number) = text.split_once('=').ok_or("no `=` in it")?;
    let kinds = FaultKind::ALL.into_iter().filter(|kind| *kind != FaultKind::Scripted);
    let kind = kinds.into_iter().find(|kind| kind.name() == name);
    Ok((kind.ok_or_else(|| format!("no kind of fault is called `{name}`"))?, share(number)?))
}

fn days(days: f64) -> TimeDelta {
    TimeDelta::from_std(Duration::from_secs_f64(days.max(0.0) * 86_400.0)).unwrap_or_default()
}

/// The credentials follow from the seed, so that a run can be repeated.
fn tenant(seed: u64, number: u32, subscribed: bool) -> TenantSpec {
    let guid = |salt: u64| {
        let high = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt;
        Uuid::from_u64_pair(high, (1 << 63) | u64::from(number)).to_string()
    };
    let domain = format!("tenant{number}.example");
    let secret = format!("not~a.secret_{number}+&=");
    let spec = TenantSpec::new(&guid(1), &domain, &guid(2), &secret);
    if subscribed { spec.subscribed_to_all() } else { spec }
}

fn announce(server: &Server, tenants: &[TenantSpec]) -> io::Result<()> {
    let tenant = |spec: &TenantSpec| {
        json!({
            "tenant_id": spec.tenant_id, "domain": spec.domain,
            "client_id": spec.client_id, "client_secret": spec.client_secret,
        })
    };
    let line = json!({
        "login_url": server.login_url(),
        "resource_url": server.resource_url(),
        "tenants": tenants.iter().map(tenant).collect::<Vec<_>>(),
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

async fn wait_for_end(ignore_stdin: bool) -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let (closed, input_closed) = oneshot::channel();
    let input_closed = async {
        if ignore_stdin || input_closed.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    // A thread of its own, which the end of the process ends: the runtime would wait for a read of its own.
    std::thread::spawn(move || {
        while io::stdin().lock().read(&mut [0; 1024]).is_ok_and(|bytes| bytes > 0) {}
        closed.send(())
    });
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
        () = input_closed => {}
    }
    Ok(())
}
