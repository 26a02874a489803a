//! Two tenants of the fake API in this process, whose clock, permissions and faults a test decides, and the program with a
//! configuration of both.

use std::{
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
};

use chrono::{TimeDelta, Utc};
use fake_tenant::{
    FakeTenants, Fault, FaultTarget, History, Operation, Server, Settings, TenantSpec, TokioClock,
};
use tempfile::TempDir;

use crate::rig::write_private;

pub(crate) const CONTOSO: &str = "2d6f1f0c-9c4e-4f0b-8a58-0d4b1c3c7a11";
pub(crate) const FABRIKAM: &str = "5e0a9b7e-0f4d-4a8e-b7f1-3f0c8d1e2b22";
const CLIENT: &str = "7f1c9c58-55cb-4a3c-9a3e-5a1c1f5b2d22";
pub(crate) const SECRET: &str = "a~secret+of/its=own";

/// A sink that takes everything.
pub(crate) const BLACKHOLE: &str = "[sinks.out]\ntype = \"blackhole\"\ninputs = [\"office365\"]\n";

/// A tenant, a second one whose sign-in works as well, and a configuration of both.
pub(crate) struct Clinic {
    pub(crate) tenants: Arc<FakeTenants>,
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
}

pub(crate) fn healthy(id: &str, domain: &str) -> TenantSpec {
    let now = Utc::now();
    let history = History::new(7, now - TimeDelta::hours(30), now).with_blobs_per_hour(0.5);
    TenantSpec::new(id, domain, CLIENT, SECRET).subscribed_to_all().with_history(history)
}

impl Clinic {
    pub(crate) async fn new() -> Clinic {
        Clinic::of(healthy(CONTOSO, "contoso.example"), TimeDelta::zero()).await
    }

    /// The tenants' clock is ahead of this machine's.
    pub(crate) async fn of(contoso: TenantSpec, ahead: TimeDelta) -> Clinic {
        let clock = Arc::new(TokioClock::new(Utc::now() + ahead));
        let specs = vec![contoso, healthy(FABRIKAM, "fabrikam.example")];
        let tenants = Arc::new(FakeTenants::new(clock, Settings::default(), specs));
        let server = Server::start(Arc::clone(&tenants)).await.expect("it starts");
        let clinic = Clinic { tenants, server, folder: tempfile::tempdir().expect("a folder") };
        clinic.configure("", BLACKHOLE);
        clinic
    }

    pub(crate) fn script(&self, operation: Operation, fault: Fault) {
        let target = FaultTarget::operation(operation).of_tenant(CONTOSO);
        self.tenants.script(target, fault, 100);
    }

    /// `contoso` is keys of the first tenant's table instead of the right ones.
    pub(crate) fn configure(&self, contoso: &str, sinks: &str) {
        let table = |name: &str, id: &str, own: &str| {
            let url = self.server.resource_url();
            let defaults = [
                ("tenant_id", id),
                ("client_id", CLIENT),
                ("client_secret", SECRET),
                ("login_url", &url),
                ("resource_url", &url),
            ];
            let rest = defaults
                .into_iter()
                .filter(|(key, _)| !own.contains(&format!("{key} =")))
                .map(|(key, value)| format!("{key} = {value:?}"))
                .collect::<Vec<_>>()
                .join("\n");
            format!("[[sources.office365.tenants]]\nname = {name:?}\n{own}\n{rest}\n")
        };
        let text = format!(
            "data_dir = \"{}\"\n[sources.office365]\ntype = \"office365\"\nrequest_timeout = \"5s\"\n\
             content_types = [\"Audit.Exchange\", \"Audit.General\", \"DLP.All\"]\n{}{}{sinks}",
            self.data_dir().display(),
            table("contoso", CONTOSO, contoso),
            table("fabrikam", FABRIKAM, ""),
        );
        write_private(&self.path(), &text);
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("o365flow.toml")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts the program, which then runs beside the test.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_o365flow"));
        command.args(arguments).args(["--log-format", "json", "--config"]).arg(self.path());
        command
    }

    /// Runs the program beside the tenants.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().expect("the program starts"))
            .await
            .expect("it runs")
    }
}
