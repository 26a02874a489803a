//! Made-up tenants of which each can be made to fail by itself, and the program that collects from them, as its users
//! run it: for tests of what it shows from outside.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use fake_tenant::{ContentType, FakeTenants, NewBlob, NewContent, Server, Settings, TenantSpec};

use crate::rig::write_private;

const CLIENT_ID: &str = "7f1c9c58-55cb-4a3c-9a3e-5a1c1f5b2d22";
const SECRET: &str = "a~secret+of/its=own";

/// The machine's clock, moved.
#[derive(Debug, Default)]
struct MovedClock(Mutex<TimeDelta>);

impl fake_tenant::Clock for MovedClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tenant behind an API of its own.
pub(crate) struct Tenant {
    pub(crate) name: &'static str,
    pub(crate) id: String,
    pub(crate) api: Arc<FakeTenants>,
    server: Server,
    clock: Arc<MovedClock>,
}

impl Tenant {
    /// A tenant with every feed subscribed to and no content, changed by `change`. `number` makes it another than those
    /// beside it.
    pub(crate) async fn new(
        number: u32,
        name: &'static str,
        change: impl FnOnce(TenantSpec) -> TenantSpec,
    ) -> Tenant {
        let id = format!("2d6f1f0c-9c4e-4f0b-8a58-{number:012}");
        let spec = TenantSpec::new(&id, &format!("{name}.example"), CLIENT_ID, SECRET);
        let clock = Arc::new(MovedClock::default());
        let fake_clock: Arc<dyn fake_tenant::Clock> = clock.clone();
        let settings = Settings { requests_per_minute: 1_000_000, ..Settings::default() };
        let api = vec![change(spec.subscribed_to_all())];
        let api = Arc::new(FakeTenants::new(fake_clock, settings, api));
        let server = Server::start(Arc::clone(&api)).await.expect("a port is free");
        Tenant { name, id, api, server, clock }
    }

    /// Moves the API's clock, forwards or backwards.
    pub(crate) fn move_clock(&self, by: TimeDelta) {
        *self.clock.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// Adds a blob with so many records, which can be fetched for `life` from now.
    pub(crate) fn add_blob(&self, records: u64, life: TimeDelta) {
        let now = fake_tenant::Clock::now(&*self.clock);
        let mut blob = NewBlob::new(now - TimeDelta::seconds(2), NewContent::Generated(records));
        blob.expires = Some(now + life);
        let added = self.api.add_blob(&self.id, ContentType::Exchange, blob);
        assert!(added.is_some(), "the API knows `{}`", self.name);
    }

    /// Its table in the configuration; `credential` is what it signs in with, if not the secret.
    pub(crate) fn table(&self, credential: Option<&str>) -> String {
        let secret = format!("client_secret = {SECRET:?}");
        format!(
            "[[sources.office365.tenants]]\nname = {:?}\ntenant_id = {:?}\nclient_id = {CLIENT_ID:?}\n{}\n\
             login_url = {:?}\nresource_url = {:?}\n",
            self.name,
            self.id,
            credential.unwrap_or(&secret),
            self.server.login_url(),
            self.server.resource_url(),
        )
    }
}

/// A certificate of the app that ends after so many days, with its key, as `NAME.pem` in `folder`; gives it in DER.
pub(crate) fn certificate(folder: &Path, name: &str, days: u32) -> Vec<u8> {
    let openssl = |arguments: String| {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        let output = output.expect("openssl is installed; `make test` does that");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    openssl(format!(
        "req -x509 -newkey rsa:2048 -nodes -days {days} -subj /CN={name} -keyout {name}.key -out {name}.crt"
    ));
    openssl(format!("x509 -in {name}.crt -outform DER -out {name}.der"));
    let read = |kind: &str| fs::read(folder.join(format!("{name}.{kind}"))).expect("it was made");
    let pem = String::from_utf8([read("key"), read("crt")].concat()).expect("PEM is text");
    write_private(&folder.join(format!("{name}.pem")), &pem);
    read("der")
}

/// The program at work.
pub(crate) struct Program {
    child: Option<Child>,
    config: PathBuf,
    /// Where its metrics are.
    pub(crate) address: String,
}

impl Program {
    /// Starts the program with `config`, in which `ADDRESS` stands where metrics are to be served, and waits for these.
    pub(crate) fn start(folder: &Path, name: &str, config: &str) -> Program {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        drop(listener);
        let path = folder.join(format!("{name}.toml"));
        write_private(&path, &config.replace("ADDRESS", &address));
        let mut program = Program { child: None, config: path, address };
        program.start_again();
        program
    }

    /// Starts it after [`Program::kill`], at the same address.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let mut child = Command::new(env!("CARGO_BIN_EXE_o365flow"))
            .args(["run", "--log-format", "json", "--config"])
            .arg(&self.config)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("its log is piped"));
        let mut lines = log.lines().map_while(Result::ok);
        let mut said = Vec::new();
        let is_up = lines.by_ref().any(|line| {
            let is_up = line.contains("\"running\"");
            said.push(line);
            is_up
        });
        assert!(is_up, "the program does not run:\n{}", said.join("\n"));
        // The log is read on, so that the program never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        self.child = Some(child);
    }

    /// Ends it as a failing machine would.
    pub(crate) fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
    }

    /// Writes another configuration and has it read, by SIGHUP.
    pub(crate) fn reload(&self, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(&self.config).expect("it was written");
        write_private(&self.config, &change(text));
        let pid = self.child.as_ref().expect("it runs").id();
        let status = Command::new("kill").args(["-HUP", &pid.to_string()]).status();
        assert!(status.expect("kill runs").success(), "the program has ended");
    }

    /// What Prometheus would get.
    pub(crate) fn scrape(&self) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        body.to_owned()
    }

    /// Scrapes until each of `wanted` stands in the answer.
    pub(crate) async fn scrape_until(&self, wanted: &[&str]) -> String {
        let mut scrape = String::new();
        for _ in 0..300 {
            scrape = self.scrape();
            if wanted.iter().all(|text| scrape.contains(text)) {
                return scrape;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let missing: Vec<_> = wanted.iter().filter(|text| !scrape.contains(**text)).collect();
        panic!("{missing:?} did not come:\n{scrape}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
