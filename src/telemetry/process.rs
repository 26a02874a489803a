//! What the kernel knows about this process, under the names that Prometheus' own client libraries give it.
//!
//! Written as text and not recorded: a recorded counter holds whole numbers, and CPU time is a matter of fractions.
//! It reads Linux's `/proc`; what cannot be read there is left out, and the rest of a scrape stands.

use std::{fmt::Display, fs};

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};

/// Ticks of the kernel's clock in a second, as `/proc` counts them: the same on every architecture that Rust's Linux
/// targets have.
const TICKS_PER_SECOND: f64 = 100.0;

/// Fields of `/proc/self/stat` behind the name of the program, which can hold anything.
const THREADS_FIELD: usize = 17;
const START_FIELD: usize = 19;
const VIRTUAL_MEMORY_FIELD: usize = 20;

/// Adds the metrics of the process to a scrape.
pub(super) fn write(scrape: &mut String) {
    if let Some(seconds) = cpu_seconds() {
        let help = "CPU time that the process has used, in seconds.";
        metric(scrape, "process_cpu_seconds_total", ("counter", help), seconds);
    }
    let mut gauge = |name, help, value: Option<f64>| {
        if let Some(value) = value {
            metric(scrape, name, ("gauge", help), value);
        }
    };
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let field = |number| field_of_stat(&stat, number);
    let started = field(START_FIELD).map(|ticks| ticks / TICKS_PER_SECOND);
    let since_boot = |started: f64| Some(boot_time()? + started);
    gauge(
        "process_start_time_seconds",
        "When the process started, in seconds since 1970.",
        started.and_then(since_boot),
    );
    let up = |started: f64| Some((first_number("/proc/uptime")? - started).max(0.0));
    gauge("uptime_seconds", "How long the process has run.", started.and_then(up));
    gauge("process_resident_memory_bytes", "Memory that the process has in use.", resident_bytes());
    gauge(
        "process_virtual_memory_bytes",
        "Address space of the process.",
        field(VIRTUAL_MEMORY_FIELD),
    );
    gauge("process_open_fds", "Open files and sockets.", open_files());
    gauge("process_max_fds", "Files and sockets that may be open.", open_files_max());
    gauge("process_threads", "Threads of the process.", field(THREADS_FIELD));
}

fn metric(scrape: &mut String, name: &str, (kind, help): (&str, &str), value: impl Display) {
    let value = value.to_string();
    scrape.extend(["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"]);
    scrape.extend([name, " ", &value, "\n\n"]);
}

fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let seconds = |time: nix::sys::time::TimeVal| {
        let micros = u32::try_from(time.tv_usec()).ok()?;
        Some(whole(time.tv_sec()) + f64::from(micros) / 1e6)
    };
    Some(seconds(usage.user_time())? + seconds(usage.system_time())?)
}

/// When the machine was started, in seconds since 1970.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn first_number(path: &str) -> Option<f64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// A field of `/proc/self/stat`, counted from the first one behind the program's name.
fn field_of_stat(stat: &str, number: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(number)?.parse().ok()
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    // The folder that is just read is one of them.
    Some(f64::from(u32::try_from(count).ok()?.saturating_sub(1)))
}

fn open_files_max() -> Option<f64> {
    let (soft, _hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    i64::try_from(soft).ok().map(whole)
}

#[expect(clippy::cast_precision_loss, reason = "seconds and numbers of files are far below 2^52")]
fn whole(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_cannot_shift_the_fields() {
        let fields: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let stat = format!("4711 (a) b) c) {}", fields.join(" "));
        assert_eq!(field_of_stat(&stat, START_FIELD), Some(19.0));
        assert_eq!(field_of_stat("", START_FIELD), None);
    }

    #[test]
    fn the_process_tells_of_itself() {
        let mut scrape = String::new();
        write(&mut scrape);
        let value = |name: &str| {
            let line = scrape.lines().find_map(|line| line.strip_prefix(&format!("{name} ")))?;
            line.parse::<f64>().ok()
        };
        let between = |name: &str, low: f64, high: f64| {
            let value = value(name);
            assert!(value.is_some_and(|value| (low..=high).contains(&value)), "{name}: {value:?}");
        };
        // From 2020 to 2100, whatever the clock of the machine that tests.
        between("process_start_time_seconds", 1_577_836_800.0, 4_102_444_800.0);
        between("uptime_seconds", 0.0, 86_400.0);
        between("process_cpu_seconds_total", 0.0, 86_400.0);
        between("process_resident_memory_bytes", 1e6, 1e11);
        between("process_virtual_memory_bytes", 1e6, 1e15);
        between("process_open_fds", 3.0, 1e6);
        between("process_max_fds", 3.0, 1e19);
        between("process_threads", 1.0, 1e4);
    }
}
