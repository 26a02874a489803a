//! The program as its users run it, beside a fake tenant in a process of its own.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::services::Elasticsearch;

const PROGRAM: &str = env!("CARGO_BIN_EXE_o365flow");

/// A fake tenant, and a folder for the configuration and the state of the program under test.
pub(crate) struct Rig {
    tenant: Child,
    announced: Value,
    pub(crate) folder: TempDir,
}

/// A tenant, for a configuration that is not the rig's.
pub(crate) struct Tenant {
    pub(crate) guid: String,
    pub(crate) client_id: String,
    /// The lines that say where it is.
    pub(crate) urls: String,
}

impl Rig {
    /// Starts a fake tenant with these arguments.
    pub(crate) fn new(arguments: &[&str]) -> Rig {
        let mut tenant = Command::new(PROGRAM)
            .arg("fake-tenant")
            .args(["--requests-per-minute", "10000000", "--days", "6.9"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the fake tenant starts");
        let mut line = String::new();
        let output = tenant.stdout.take().expect("its output is piped");
        BufReader::new(output).read_line(&mut line).expect("it announces itself");
        let announced = serde_json::from_str(&line).expect("it announces itself as JSON");
        Rig { tenant, announced, folder: tempfile::tempdir().expect("a folder") }
    }

    /// Writes the configuration: the tenant's records, mapped by `o365beat.vrl`, into the tables in `rest`.
    pub(crate) fn configure(&self, rest: &str) {
        self.configure_mapped("file = \"vrl/o365beat.vrl\"", rest);
    }

    /// As [`Rig::configure`], with a mapping of one's own: a `file` or a `source`.
    pub(crate) fn configure_mapped(&self, mapping: &str, rest: &str) {
        let tenant = &self.announced["tenants"][0];
        let text = format!(
            r#"
data_dir = "{folder}/state"
[sources.office365]
type = "office365"
content_types = ["Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", "DLP.All"]
max_requests_per_minute = 10000000
[[sources.office365.tenants]]
name = "made-up"
tenant_id = {tenant_id}
client_id = {client_id}
client_secret = {client_secret}
login_url = {login_url}
resource_url = {resource_url}
[transforms.map]
type = "remap"
inputs = ["office365"]
{mapping}
{rest}
"#,
            folder = self.folder.path().display(),
            tenant_id = tenant["tenant_id"],
            client_id = tenant["client_id"],
            client_secret = tenant["client_secret"],
            login_url = self.announced["login_url"],
            resource_url = self.announced["resource_url"],
        );
        write_private(&self.folder.path().join("o365flow.toml"), &text);
    }

    /// What the program signs in with.
    pub(crate) fn client_secret(&self) -> String {
        self.announced["tenants"][0]["client_secret"].as_str().expect("it has a secret").to_owned()
    }

    /// The tenant as a table of the source has it.
    pub(crate) fn tenant(&self) -> Tenant {
        let tenant = &self.announced["tenants"][0];
        let text = |value: &Value| value.as_str().expect("it is announced").to_owned();
        Tenant {
            guid: text(&tenant["tenant_id"]),
            client_id: text(&tenant["client_id"]),
            urls: format!(
                "login_url = {}\nresource_url = {}",
                self.announced["login_url"], self.announced["resource_url"]
            ),
        }
    }

    /// `run` with the configuration, to be started.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        self.command("run", arguments)
    }

    /// A command with the configuration, to be started.
    pub(crate) fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let mut words = command.split(' ').collect::<Vec<_>>();
        words.extend(["--log-format", "json", "--config"]);
        let mut command = Command::new(PROGRAM);
        command
            .args(words)
            .arg(self.folder.path().join("o365flow.toml"))
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        command
    }

    /// Polls every feed once and gives the summary.
    pub(crate) fn run_once(&self) -> String {
        summary(&self.program(&["--once"]).output().expect("the program starts"))
    }

    /// The distinct ids of the records that the tenant has.
    pub(crate) fn expected(&self) -> BTreeSet<String> {
        let url = self.announced["resource_url"].as_str().expect("it has an address");
        let address = url.strip_prefix("http://").expect("it is on loopback");
        let mut stream = std::net::TcpStream::connect(address).expect("the tenant answers");
        let request =
            format!("GET /_fake/expected HTTP/1.0\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).expect("the tenant reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the tenant answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
        let ids: BTreeSet<String> = body
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line is an id as JSON"))
            .collect();
        assert!(!ids.is_empty(), "the tenant has no records: {body:.200}");
        ids
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // The tenant ends with its input.
        drop(self.tenant.stdin.take());
        self.tenant.wait().expect("the tenant ends");
    }
}

/// Writes a file that only its owner can read, as a configuration must be.
pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("the file is written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode is set");
}

/// What a run that must have gone well has written, its summary included.
pub(crate) fn summary(output: &Output) -> String {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "the run failed: {said}");
    said
}

/// The number in a row of a summary.
pub(crate) fn row(summary: &str, name: &str) -> u64 {
    let line = summary.lines().find(|line| line.trim_start().starts_with(name));
    let number =
        line.and_then(|line| line.split_whitespace().last()).map(|text| text.replace(',', ""));
    number
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no row `{name}` in:\n{summary}"))
}

/// Resident memory of a process, now and at its highest, in kilobytes; nothing when it has ended.
pub(crate) fn resident_kilobytes(pid: u32) -> Option<(u64, u64)> {
    let status =
        fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}

/// The `event.id` of every document of an index, repeats included.
pub(crate) async fn ids_in(server: &Elasticsearch, index: &str) -> Vec<String> {
    server.done("POST", &format!("/{index}/_refresh"), "").await;
    let mut ids = Vec::new();
    let first = r#"{"size":5000,"_source":["event.id"],"sort":["_doc"]}"#;
    let mut page = server.done("POST", &format!("/{index}/_search?scroll=1m"), first).await;
    loop {
        let hits = page["hits"]["hits"].as_array().expect("hits");
        if hits.is_empty() {
            return ids;
        }
        let id = |hit: &Value| hit["_source"]["event"]["id"].as_str().expect("an id").to_owned();
        ids.extend(hits.iter().map(id));
        let next = serde_json::json!({"scroll": "1m", "scroll_id": page["_scroll_id"]});
        page = server.done("POST", "/_search/scroll", &next.to_string()).await;
    }
}
