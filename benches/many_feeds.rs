//! What do 10,000 quiet feeds cost: how much of a core, and how much memory?
//!
//! A fake service in a process of its own has 2,000 tenants without content; `o365flow run` polls their five feeds each,
//! every five minutes, with a file for each tenant. Measured is the second process alone, once after its start, when
//! every feed was listed, and then over a span of time, with and without a scrape every 15 s.
//!
//! `cargo bench --bench many_feeds` takes 7 minutes; `-- quick` measures for a fifth of that time, `-- 200` with so many
//! tenants.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::{
    error::Error,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, SysconfVar, sysconf},
};
use serde_json::Value;
use tokio::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_o365flow");

/// The time between two scrapes, as Prometheus has it in most places.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(15);

/// Longest wait until every feed was listed.
const START_MAX: Duration = Duration::from_mins(10);

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let span = Duration::from_secs(if words.iter().any(|it| it == "quick") { 60 } else { 180 });
    let tenants = words.iter().find_map(|word| word.parse().ok()).unwrap_or(2000);
    let folder = tempfile::tempdir()?;
    let mut service = start_service(tenants)?;
    let announced = announced(&mut service)?;
    write_configuration(folder.path(), &announced)?;
    let mut program = start_program(folder.path())?;
    let measured = measure(&mut program, tenants, span);
    kill(Pid::from_raw(program.id().try_into()?), Signal::SIGTERM)?;
    program.wait()?;
    drop(service.stdin.take());
    service.wait()?;
    measured
}

fn measure(program: &mut Child, tenants: u32, span: Duration) -> Result<(), Failure> {
    let address = listening_address(program)?;
    let pid = program.id();
    let began = Instant::now();
    let feeds = f64::from(tenants) * 5.0;
    while sum(&scrape(&address)?, "o365_subscription_enabled{") < feeds {
        if began.elapsed() > START_MAX {
            return Err("not every feed was polled".into());
        }
        sleep(Duration::from_secs(5));
    }
    println!(
        "{feeds} feeds listed after {:.0} s with {:.1} s of CPU time",
        began.elapsed().as_secs_f64(),
        cpu_time(pid)?.as_secs_f64(),
    );
    for is_scraped in [false, true] {
        let requests = sum(&scrape(&address)?, "o365_api_requests_total{");
        let (cpu, writes, start) = (cpu_time(pid)?, ledger_writes(pid)?, Instant::now());
        while start.elapsed() < span {
            sleep(SCRAPE_INTERVAL.min(span.saturating_sub(start.elapsed())));
            if is_scraped {
                scrape(&address)?;
            }
        }
        let (took, used) = (start.elapsed(), cpu_time(pid)?.saturating_sub(cpu));
        let (resident, highest) = resident_megabytes(pid)?;
        let page = scrape(&address)?;
        println!(
            "{:<18} {:.4} of a core  {:>5.1} requests/s  {:>5.1} ledger writes/s  {resident:>6.1} MB resident, {highest:.1} MB at most, scrapes of {:.1} MB",
            if is_scraped { "scraped every 15 s" } else { "not scraped" },
            used.as_secs_f64() / took.as_secs_f64(),
            (sum(&page, "o365_api_requests_total{") - requests) / took.as_secs_f64(),
            (ledger_writes(pid)? - writes) / took.as_secs_f64(),
            megabytes(page.len() as u64),
        );
    }
    Ok(())
}

fn start_service(tenants: u32) -> Result<Child, Failure> {
    let child = Command::new(PROGRAM)
        .arg("fake-tenant")
        .args(["--tenants", &tenants.to_string(), "--blobs-per-hour", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    Ok(child)
}

fn announced(service: &mut Child) -> Result<Value, Failure> {
    let mut line = String::new();
    let output = service.stdout.take().ok_or("the fake tenant has no output")?;
    BufReader::new(output).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

fn write_configuration(folder: &Path, announced: &Value) -> Result<(), Failure> {
    let tenants = folder.join("tenants.d");
    fs::create_dir(&tenants)?;
    let rows = announced["tenants"].as_array().ok_or("no tenants were announced")?;
    for (number, tenant) in rows.iter().enumerate() {
        let text = format!(
            "tenant_id = {}\nclient_id = {}\nclient_secret = {}\nlogin_url = {}\nresource_url = {}\n",
            tenant["tenant_id"],
            tenant["client_id"],
            tenant["client_secret"],
            announced["login_url"],
            announced["resource_url"],
        );
        write_private(&tenants.join(format!("customer-{number}.toml")), &text)?;
    }
    let text = format!(
        r#"
data_dir = "{folder}/state"
[metrics]
address = "127.0.0.1:0"
[sources.office365]
type = "office365"
content_types = ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"]
tenants_dir = "{folder}/tenants.d"
[sinks.blackhole]
type = "blackhole"
inputs = ["office365"]
"#,
        folder = folder.display()
    );
    Ok(write_private(&folder.join("bench.toml"), &text)?)
}

fn start_program(folder: &Path) -> Result<Child, Failure> {
    let child = Command::new(PROGRAM)
        .args(["run", "--log-format", "json", "--config"])
        .arg(folder.join("bench.toml"))
        .stderr(Stdio::piped())
        .spawn()?;
    Ok(child)
}

/// Where the program serves its metrics, as its log says. The rest of the log is shown.
fn listening_address(program: &mut Child) -> Result<String, Failure> {
    let log = program.stderr.take().ok_or("the program has no log")?;
    let mut lines = BufReader::new(log).lines();
    let mut address = None;
    for line in lines.by_ref() {
        let line = line?;
        let entry: Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(found) = entry["address"].as_str() {
            address = Some(found.to_owned());
            break;
        }
        println!("{line}");
    }
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok).filter(|line| !line.contains("\"INFO\"")) {
            println!("{line}");
        }
    });
    address.ok_or_else(|| "the program does not say where it listens".into())
}

fn scrape(address: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The sum of all samples whose lines begin so.
fn sum(page: &str, start: &str) -> f64 {
    let samples = page.lines().filter(|line| line.starts_with(start));
    samples
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .filter(|value| value.is_finite())
        .sum()
}

/// User and system time of a process so far.
fn cpu_time(pid: u32) -> Result<Duration, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("the kernel's answer has no name")?;
    let ticks = |field: usize| -> Result<u64, Failure> {
        Ok(fields.split_whitespace().nth(field).ok_or("a field is missing")?.parse()?)
    };
    let per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK)?.ok_or("no clock ticks")?)?;
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1000 / per_second))
}

/// How often the ledger's thread has written so far: some times for each commit.
fn ledger_writes(pid: u32) -> Result<f64, Failure> {
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim() == "ledger" {
            let counts = fs::read_to_string(task.join("io"))?;
            let line = counts.lines().find_map(|line| line.strip_prefix("syscw: "));
            return Ok(line.ok_or("the kernel does not count writes")?.parse()?);
        }
    }
    Err("the program has no ledger".into())
}

/// Resident memory now and at its highest.
fn resident_megabytes(pid: u32) -> Result<(f64, f64), Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| -> Result<f64, Failure> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes: u64 =
            line.and_then(|line| line.split_whitespace().next()).ok_or("no such line")?.parse()?;
        Ok(megabytes(kilobytes * 1024))
    };
    Ok((field("VmRSS:")?, field("VmHWM:")?))
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Writes a file as private as the program wants it.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
