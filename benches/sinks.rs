//! How many events does each sink deliver to a real server for a second of our CPU time, and in how much memory?
//!
//! The chain is that of `end_to_end`, with the sink and its server, which `tests/services` starts, in the place of the
//! blackhole. The servers' own time is not counted, but they share the machine, so events per second say little.
//!
//! `cargo bench --bench sinks` measures all, `cargo bench --bench sinks -- kafka` those whose names contain `kafka`. It
//! fails if one takes more CPU time or memory than it may.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

mod whole_chain;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use whole_chain::{Failure, History, measure};

/// What every sink must deliver for a second of CPU time.
const EVENTS_PER_CPU_SECOND_MIN: f64 = 30_000.0;

/// What the program may take.
const PEAK_MEGABYTES_MAX: f64 = 120.0;

/// About 200,000 events in blobs of 500.
const HISTORY: History = History { blobs_per_hour: "0.5", records_per_blob: 500 };

/// A sink with its server.
struct Rival {
    name: &'static str,
    /// The server, by the name of its scripts in `tests/services`.
    server: &'static str,
    /// The sink's table, given the folder of the server.
    sink: fn(&Path) -> Result<String, Failure>,
}

const SINKS: [Rival; 3] = [
    Rival { name: "elasticsearch", server: "elasticsearch", sink: elasticsearch },
    Rival { name: "kafka", server: "kafka", sink: kafka },
    Rival { name: "lumberjack", server: "lumberjack", sink: lumberjack },
];

fn main() -> Result<(), Failure> {
    // Cargo adds `--bench`; what is left chooses sinks.
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let folder = tempfile::Builder::new().prefix("o365flow-bench-").tempdir()?;
    // Servers may run as another user.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
    let mut failures = Vec::new();
    for rival in SINKS {
        if wanted.is_empty() || wanted.iter().any(|name| rival.name.contains(name.as_str())) {
            let server = Server::start(rival.server, folder.path().join(rival.name))?;
            let figures = measure(HISTORY, &(rival.sink)(&server.folder)?)?;
            println!("{:<14} {}", rival.name, figures.row());
            let speed = figures.events / figures.cpu.as_secs_f64();
            if speed < EVENTS_PER_CPU_SECOND_MIN || figures.peak_megabytes > PEAK_MEGABYTES_MAX {
                failures.push(rival.name);
            }
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(format!("too slow or too large: {failures:?}").into())
    }
}

/// A server that ends with this value.
struct Server {
    name: &'static str,
    folder: PathBuf,
}

impl Server {
    fn start(name: &'static str, folder: PathBuf) -> Result<Server, Failure> {
        let owner = std::process::id().to_string();
        let output = Command::new(script(name, "start"))
            .arg(&folder)
            .envs(
                ["ES_OWNER_PID", "KAFKA_OWNER_PID", "LUMBERJACK_OWNER_PID"]
                    .map(|key| (key, &owner)),
            )
            .env("KAFKA_SETTINGS", "auto.create.topics.enable=true")
            .env("LUMBERJACK_DISCARD", "1")
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{name} does not start: {said}").into());
        }
        Ok(Server { name, folder })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with this process in any case.
        Command::new(script(self.name, "stop"))
            .arg(&self.folder)
            .status()
            .map(drop)
            .unwrap_or_default();
    }
}

fn script(server: &str, what: &str) -> PathBuf {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services");
    scripts.join(format!("{server}-{what}.sh"))
}

/// The index is made by the template of the predecessor's mapping.
fn elasticsearch(server: &Path) -> Result<String, Failure> {
    let url = fs::read_to_string(server.join("url"))?;
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/elasticsearch/o365beat.json");
    let status = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--output", "/dev/null"])
        .args(["--header", "content-type: application/json", "--request", "PUT", "--data"])
        .arg(format!("@{}", template.display()))
        .arg(format!("{}/_index_template/o365beat", url.trim()))
        .status()?;
    if !status.success() {
        return Err("the index template was refused".into());
    }
    Ok(format!(
        "type = \"elasticsearch\"\nendpoints = [\"{}\"]\nmode = \"bulk\"\nbulk.index = \"o365-bench\"\n",
        url.trim()
    ))
}

fn kafka(server: &Path) -> Result<String, Failure> {
    let brokers = fs::read_to_string(server.join("bootstrap.plaintext"))?;
    Ok(format!(
        "type = \"kafka\"\nbootstrap_servers = \"{}\"\ntopic = \"o365-bench\"\n",
        brokers.trim()
    ))
}

fn lumberjack(server: &Path) -> Result<String, Failure> {
    let address = fs::read_to_string(server.join("address"))?;
    Ok(format!("type = \"lumberjack\"\nhosts = [\"{}\"]\n", address.trim()))
}
