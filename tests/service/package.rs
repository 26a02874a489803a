//! The Debian package: it installs, runs under a supervisor, and is upgraded with the state kept.
//!
//! The system that it is installed into is a folder; the supervisor is runit's `runsv`, which stands in for all that know
//! nothing of systemd.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    thread::sleep,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    reference::{ROOT, read},
    rig::{Rig, write_private},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_o365flow");

/// Longest wait for what takes some seconds, on a machine that has other work.
const PATIENCE: Duration = Duration::from_secs(90);

fn done(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the command starts");
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success(), "{command:?}: {said}");
    said
}

/// Makes the package with this version, in `folder`.
fn build(folder: &Path, version: &str) -> PathBuf {
    let output = Command::new(Path::new(ROOT).join("packaging/deb/build.sh"))
        .arg(PROGRAM)
        .arg(folder)
        .env("DEB_VERSION", version)
        .env("DEB_COMPRESSION", "none")
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints a path").trim().into()
}

/// A Debian system in a folder, with nothing in it but dpkg's own files.
struct System {
    folder: TempDir,
}

impl System {
    fn new() -> System {
        let folder = tempfile::tempdir().expect("a folder");
        let system = System { folder };
        for path in ["/var/lib/dpkg/info", "/var/lib/dpkg/updates", "/var/lib", "/etc"] {
            fs::create_dir_all(system.at(path)).expect("a folder");
        }
        for path in ["/var/lib/dpkg/status", "/var/lib/dpkg/available", "/etc/passwd", "/etc/group"]
        {
            fs::write(system.at(path), "").expect("a file");
        }
        system
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    fn dpkg(&self, arguments: &[&str]) -> String {
        // Whoever is not root owns what root would own.
        let mut command = if nix::unistd::geteuid().is_root() {
            Command::new("dpkg")
        } else {
            let mut fakeroot = Command::new("fakeroot");
            fakeroot.arg("dpkg");
            fakeroot
        };
        command
            .arg(format!("--root={}", self.folder.path().display()))
            .args(["--force-depends", "--force-script-chrootless", "--force-not-root"])
            .args(arguments)
            // `systemd-sysusers` and `useradd` are where only root looks.
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        done(&mut command)
    }

    fn install(&self, package: &Path) -> String {
        self.dpkg(&["--install", package.to_str().expect("the path is text")])
    }

    fn mode(&self, path: &str) -> u32 {
        let metadata =
            fs::metadata(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        metadata.permissions().mode() & 0o7777
    }
}

#[test]
fn the_package_holds_what_belongs_to_a_service() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), System::new());
    let package = build(folder.path(), "1.0-1");
    system.install(&package);
    for (path, mode) in [
        ("/etc/o365flow/o365flow.toml", 0o640),
        ("/etc/o365flow", 0o750),
        ("/etc/o365flow/credentials", 0o700),
        ("/etc/default/o365flow", 0o644),
        ("/usr/bin/o365flow", 0o755),
        ("/usr/lib/systemd/system/o365flow.service", 0o644),
        ("/usr/lib/sysusers.d/o365flow.conf", 0o644),
        ("/usr/share/bash-completion/completions/o365flow", 0o644),
        ("/usr/share/doc/o365flow/changelog.gz", 0o644),
        ("/usr/share/doc/o365flow/changelog.Debian.gz", 0o644),
        ("/usr/share/doc/o365flow/copyright", 0o644),
        ("/usr/share/doc/o365flow/docs/service.md", 0o644),
        ("/usr/share/fish/vendor_completions.d/o365flow.fish", 0o644),
        ("/usr/share/man/man1/o365flow.1.gz", 0o644),
        ("/usr/share/man/man1/o365flow-run.1.gz", 0o644),
        ("/usr/share/o365flow/config/reference.toml", 0o644),
        ("/usr/share/o365flow/config/schema.json", 0o644),
        ("/usr/share/o365flow/runit/run", 0o755),
        ("/usr/share/o365flow/vrl/ecs.vrl", 0o644),
        ("/usr/share/zsh/vendor-completions/_o365flow", 0o644),
    ] {
        assert_eq!(system.mode(path), mode, "{path}");
    }
    let users = fs::read_to_string(system.at("/etc/passwd")).expect("users");
    assert!(users.contains("o365flow:"), "no user: {users}");
    let control = done(Command::new("dpkg-deb").arg("--field").arg(&package));
    assert!(control.contains("libc6 (>= 2."), "{control}");
    let version = done(Command::new(system.at("/usr/bin/o365flow")).arg("--version"));
    assert_eq!(version, done(Command::new(PROGRAM).arg("--version")));
    // What it brings is right but for what is the user's to say.
    let said = done(
        Command::new(system.at("/usr/bin/o365flow"))
            .arg("validate")
            .arg(system.at("/etc/o365flow/o365flow.toml"))
            .env("CREDENTIALS_DIRECTORY", credentials(folder.path())),
    );
    assert!(said.contains("O365_TENANT_ID"), "{said}");
    // A removal leaves what is the user's; a purge leaves nothing.
    fs::create_dir_all(system.at("/var/lib/o365flow")).expect("a folder");
    fs::write(system.at("/etc/o365flow/credentials/client_secret"), "s").expect("a file");
    system.dpkg(&["--remove", "o365flow"]);
    assert!(!system.at("/usr/bin/o365flow").exists());
    assert!(system.at("/etc/o365flow/o365flow.toml").exists());
    assert!(system.at("/var/lib/o365flow").exists());
    system.dpkg(&["--purge", "o365flow"]);
    assert!(!system.at("/etc/o365flow").exists() && !system.at("/var/lib/o365flow").exists());
}

/// Secrets as systemd would hand them over.
fn credentials(folder: &Path) -> PathBuf {
    let credentials = folder.join("credentials");
    fs::create_dir(&credentials).expect("a folder");
    for name in ["o365flow_client_secret", "o365flow_elasticsearch_api_key"] {
        write_private(&credentials.join(name), "s");
    }
    credentials
}

#[test]
fn the_unit_starts_what_the_package_brings() {
    let unit = read("packaging/systemd/o365flow.service");
    let mut settings: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in unit.lines().filter_map(|line| line.split_once('=')) {
        if !name.starts_with('#') {
            settings.entry(name).or_default().push(value);
        }
    }
    let setting = |name: &str| settings.get(name).unwrap_or_else(|| panic!("no {name}"))[0];
    assert_eq!(setting("Type"), "notify");
    assert_eq!(setting("DynamicUser"), "yes");
    assert_eq!(setting("RestartPreventExitStatus"), "2 78");
    let command: Vec<&str> = setting("ExecStart").split(' ').collect();
    assert_eq!(command[0], "/usr/bin/o365flow");
    // The program takes the arguments: it fails for want of the file, or of a tenant.
    let output = Command::new(PROGRAM).args(&command[1..]).output().expect("the program starts");
    assert!(matches!(output.status.code(), Some(1 | 78)), "{output:?}");
    assert!(setting("LoadCredential").ends_with(":/etc/o365flow/credentials"));
    let users = read("packaging/systemd/o365flow.sysusers");
    assert!(users.contains(&format!("\nu {} ", setting("User"))));
    // systemd's own judgement, where it is there; 0 is unexposed, 10 is not confined at all.
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15", "--no-pager"])
        .arg(Path::new(ROOT).join("packaging/systemd/o365flow.service"))
        .output();
    if let Ok(output) = judged {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The installed program as a service of runit's.
struct Service {
    supervisor: Child,
    folder: PathBuf,
}

impl Service {
    fn start(system: &System) -> Service {
        let folder = system.at("/etc/sv/o365flow");
        fs::create_dir_all(&folder).expect("a folder");
        fs::copy(system.at("/usr/share/o365flow/runit/run"), folder.join("run")).expect("a copy");
        let supervisor = Command::new("runsv")
            .arg(&folder)
            .env("DEFAULTS", system.at("/etc/default/o365flow"))
            .env("O365FLOW_DIR", system.at("/etc/o365flow"))
            .env("O365FLOW_PROGRAM", system.at("/usr/bin/o365flow"))
            // The user is one of that system, not of this.
            .env("AS_USER", "")
            .stdout(fs::File::create(system.at("/log")).expect("a file"))
            .spawn()
            .expect("runsv starts");
        Service { supervisor, folder }
    }

    fn order(&self, order: &str) {
        done(Command::new("sv").args(["-w", "60", order]).arg(&self.folder));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Runsv ends with its service.
        drop(Command::new("sv").args(["-w", "60", "force-shutdown"]).arg(&self.folder).output());
        drop(self.supervisor.kill());
        drop(self.supervisor.wait());
    }
}

/// The ids of the events that were written, repeats included.
fn written(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let id = |line| {
        let event: Value = serde_json::from_str(line).expect("a line is JSON");
        event["event"]["id"].as_str().expect("it has an id").to_owned()
    };
    whole.lines().map(id).collect()
}

/// Waits until `enough` events are there.
fn wait_for(system: &System, path: &Path, enough: impl Fn(usize) -> bool) -> usize {
    let step = Duration::from_millis(50);
    for _ in 0..PATIENCE.as_millis() / step.as_millis() {
        let count = written(path).len();
        if enough(count) {
            return count;
        }
        sleep(step);
    }
    let log = fs::read_to_string(system.at("/log")).unwrap_or_default();
    panic!("only {} events were written: {log}", written(path).len());
}

#[test]
fn an_upgrade_keeps_the_state_and_nothing_is_lost_or_comes_twice() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), System::new());
    let (old, new) = (build(folder.path(), "1.0-1"), build(folder.path(), "1.1-1"));
    system.install(&old);
    // Slow enough that the upgrade comes in the middle of it.
    let rig = Rig::new(&["--blobs-per-hour", "1", "--records-min", "5", "--records-max", "9"]);
    let out = system.at("/var/lib/out.ndjson");
    rig.configure(&format!(
        "[sinks.out]\ntype = \"file\"\ninputs = [\"map\"]\npath = \"{}\"",
        out.display()
    ));
    let config = fs::read_to_string(rig.folder.path().join("o365flow.toml")).expect("it is there");
    let config = config
        .replace("max_requests_per_minute = 10000000", "max_requests_per_minute = 900")
        .replace(
            &format!("data_dir = \"{}/state\"", rig.folder.path().display()),
            &format!("data_dir = \"{}\"", system.at("/var/lib/o365flow").display()),
        );
    let path = system.at("/etc/o365flow/o365flow.toml");
    write_private(&path, &config);

    let expected = rig.expected();
    let service = Service::start(&system);
    let before = wait_for(&system, &out, |count| count > 0);
    assert!(before < expected.len(), "all came before the upgrade: {before}");
    system.install(&new);
    let status = system.dpkg(&["--status", "o365flow"]);
    assert!(status.contains("\nVersion: 1.1-1\n"), "{status}");
    service.order("restart");
    let at_restart = written(&out).len();
    assert!(at_restart < expected.len(), "all came before the new one ran: {at_restart}");

    let configured = fs::read_to_string(&path).expect("it is there");
    assert_eq!(configured, config, "the user's configuration was changed");
    wait_for(&system, &out, |count| count >= expected.len());
    service.order("stop");
    let ids = written(&out);
    assert_eq!(ids.len(), expected.len(), "some came twice");
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);
    // The ledger that the old one began says so too.
    let report = Command::new(system.at("/usr/bin/o365flow"))
        .args(["report", "--config"])
        .arg(&path)
        .current_dir(ROOT)
        .output()
        .expect("the program starts");
    let log = fs::read_to_string(system.at("/log")).expect("the log is there");
    assert_eq!(log.matches("\"running\"").count(), 2, "it ran twice: {log}");
    assert_eq!(report.status.code(), Some(0), "{}", String::from_utf8_lossy(&report.stdout));
}
