//! How many events does our Lumberjack client ship for a second of CPU time, and how many the one that Beats use?
//!
//! Both send the same events to the same receiver, each from a process of its own, which is measured as a whole: once
//! from events in memory, which the client writes as JSON itself, and once from JSON that is there already, so that only
//! frames, compression and the socket are left.
//!
//! `cargo bench --bench lumberjack` needs Go, as the tests do.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::{
    error::Error,
    fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use lumberjack::{Client, Frames, window_of};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use o365flow::program::{Place, Runner, builtin, compile};
use pipeline_core::{Event, EventAck, Origin, Schema};
use tokio::{net::TcpStream, time::Instant};
use vrl::{
    path,
    value::{ObjectMap, Value},
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Six records of the common shapes, some 1.2 KB each.
const RECORDS: &str = include_str!("records.ndjson");

/// Different events; they come over and over.
const EVENTS_IN_FILE: usize = 6000;

/// Events of one measurement.
const EVENTS: usize = 300_000;

/// As the sink has them, and Beats.
const WINDOW_EVENTS: usize = 2048;
const PIPELINING: usize = 2;

const LEVELS: [u32; 4] = [0, 1, 3, 6];

/// The default, at which our client has to be so many times as fast from events as the other one.
const LEVEL_THAT_COUNTS: u32 = 3;
const RATIO_MIN: f64 = 3.0;

const START: [Start; 2] = [Start::Values, Start::Json];

/// What a client begins with.
#[derive(Clone, Copy)]
enum Start {
    /// Events in memory.
    Values,
    /// JSON.
    Json,
}

impl Start {
    fn name(self) -> &'static str {
        match self {
            Start::Values => "values",
            Start::Json => "json",
        }
    }
}

/// What is sent over and over.
enum Events {
    Values(Vec<Event>),
    Json(Vec<String>),
}

impl Events {
    fn read(path: &Path, start: Start) -> Result<Events, Failure> {
        let text = fs::read_to_string(path)?;
        let origin = Origin::new("bench", Value::Object(ObjectMap::new()));
        let event = |line: &str| {
            let value = serde_json::from_str(line)?;
            Ok(Event::new(value, line.len(), Arc::clone(&origin), EventAck::unattended()))
        };
        match start {
            Start::Values => text.lines().map(event).collect::<Result<_, _>>().map(Events::Values),
            Start::Json => Ok(Events::Json(text.lines().map(str::to_owned).collect())),
        }
    }

    fn write(&self, number: usize, out: &mut Vec<u8>) {
        match self {
            Events::Values(events) => events[number % events.len()].write_json(out),
            Events::Json(lines) => out.extend_from_slice(lines[number % lines.len()].as_bytes()),
        }
    }
}

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    // This program is also the client that is measured.
    if let [_, start, address, path, level] = &arguments[..]
        && let Some(start) = START.into_iter().find(|one| one.name() == start)
    {
        return send(address, &Events::read(Path::new(path), start)?, level.parse()?);
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.ndjson");
    fs::write(&path, events())?;
    let receiver = Receiver::start(folder.path())?;
    let reference = run(Command::new(script("lumberjack-install.sh")))?;
    let reference = PathBuf::from(reference.trim()).join("send");
    println!("from    level   ours, events/CPU-s   theirs   ratio");
    for start in START {
        for level in LEVELS {
            let mut ours = Command::new(std::env::current_exe()?);
            ours.args([start.name(), &receiver.address]).arg(&path).arg(level.to_string());
            let ours = measure(ours)?;
            let mut theirs = Command::new(&reference);
            theirs.args(["-address", &receiver.address, "-events"]).arg(&path);
            theirs.args(["-level", &level.to_string(), "-total", &EVENTS.to_string()]);
            theirs.args(["-window", &WINDOW_EVENTS.to_string()]);
            theirs.args(match start {
                Start::Values => &["-parsed"][..],
                Start::Json => &[],
            });
            let theirs = measure(theirs)?;
            let ratio = ours / theirs;
            println!("{:<7} {level:>5} {ours:>20.0} {theirs:>8.0} {ratio:>7.1}", start.name());
            if matches!(start, Start::Values) && level == LEVEL_THAT_COUNTS && ratio < RATIO_MIN {
                return Err(format!("the ratio is {ratio:.1}, and not {RATIO_MIN}").into());
            }
        }
    }
    Ok(())
}

/// Events per second of CPU time of a process that ships [`EVENTS`], as a whole.
fn measure(command: Command) -> Result<f64, Failure> {
    let before = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    run(command)?;
    let after = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let used = cpu_time(&after).saturating_sub(cpu_time(&before));
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    Ok(EVENTS as f64 / used.as_secs_f64())
}

fn run(mut command: Command) -> Result<String, Failure> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Ships the events over and over until there were [`EVENTS`].
#[tokio::main(flavor = "current_thread")]
async fn send(address: &str, events: &Events, level: u32) -> Result<(), Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let client = Client::new(stream, Duration::from_mins(1));
    let windows: Vec<std::ops::Range<usize>> = (0..EVENTS)
        .step_by(WINDOW_EVENTS)
        .map(|from| from..(from + WINDOW_EVENTS).min(EVENTS))
        .collect();
    let start = Instant::now();
    let ship = async |lane: usize| {
        for window in windows.iter().skip(lane).step_by(PIPELINING) {
            let mut frames = Frames::with_capacity(window.len(), window.len() * 2000);
            for number in window.clone() {
                frames.push(usize::MAX, |out| events.write(number, out))?;
            }
            let count = NonZeroU32::new(u32::try_from(window.len())?).ok_or("an empty window")?;
            if level == 0 {
                let head = window_of(count.get());
                client.deliver(count, &[&head, frames.numbered(0..window.len())]).await?;
            } else {
                let bytes = frames.compressed(0..window.len(), level);
                client.deliver(count, &[&bytes]).await?;
            }
        }
        Ok::<(), Failure>(())
    };
    let lanes = futures_util::future::try_join_all((0..PIPELINING).map(ship)).await?;
    println!("{} lanes, {:.2} s", lanes.len(), start.elapsed().as_secs_f64());
    Ok(())
}

/// Mapped events as the sink writes them, one a line.
fn events() -> Vec<u8> {
    let source = builtin("vrl/o365beat.vrl".as_ref()).expect("a built-in program");
    let program = compile(source, &Place::Inline, &Schema::any()).expect("it compiles");
    let mut runner = Runner::new(Arc::new(program), Duration::from_secs(1));
    let origin = Origin::new("bench", Value::Object(ObjectMap::new()));
    let mut random = fastrand::Rng::with_seed(1);
    let mut out = Vec::new();
    for record in RECORDS.lines().cycle().take(EVENTS_IN_FILE) {
        let mut value: Value = serde_json::from_str(record).expect("JSON");
        // The same six over and over would compress too well.
        let id = format!("{:032x}", random.u128(..));
        value.insert(path!("Id"), id);
        value.insert(path!("UserId"), format!("{:08x}@contoso.example", random.u32(..)));
        let mut event =
            Event::new(value, record.len(), Arc::clone(&origin), EventAck::unattended());
        runner.run(&mut event).expect("it never fails");
        event.write_json(&mut out);
        out.push(b'\n');
    }
    out
}

/// A receiver that drops what comes. It ends with this.
struct Receiver {
    folder: PathBuf,
    address: String,
}

impl Receiver {
    fn start(folder: &Path) -> Result<Receiver, Failure> {
        let mut command = Command::new(script("lumberjack-start.sh"));
        command
            .arg(folder)
            .env("LUMBERJACK_DISCARD", "1")
            .env("LUMBERJACK_OWNER_PID", std::process::id().to_string());
        let address = run(command)?.trim().to_owned();
        Ok(Receiver { folder: folder.to_owned(), address })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let stopped = Command::new(script("lumberjack-stop.sh")).arg(&self.folder).status();
        assert!(stopped.is_ok_and(|status| status.success()), "the receiver does not stop");
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services").join(name)
}

fn cpu_time(usage: &Usage) -> Duration {
    let micros = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(
            u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or_default(),
        )
    };
    micros(usage.user_time()) + micros(usage.system_time())
}
