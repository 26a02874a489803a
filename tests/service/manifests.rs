//! The manifests of containers: what they say is what the program takes. The pod that the Kubernetes manifest describes
//! is run as far as that can be without a cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_yaml_ng::Value;
use tempfile::TempDir;

use crate::{
    reference::read,
    rig::{Rig, write_private},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_o365flow");

/// Stands for every variable of the configuration that the tests do not set.
const GUID: &str = "0f1e2d3c-4b5a-4697-8877-665544332211";

fn documents(path: &str) -> Vec<Value> {
    let text = read(path);
    let parse = |document| serde::Deserialize::deserialize(document).expect("it is YAML");
    serde_yaml_ng::Deserializer::from_str(&text).map(parse).collect()
}

fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).as_str().unwrap_or_else(|| panic!("{path:?} is no text"))
}

fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, key| match key.parse::<usize>() {
        Ok(index) => value.get(index).unwrap_or_else(|| panic!("no {key} of {path:?}")),
        Err(_) => value.get(key).unwrap_or_else(|| panic!("no {key} of {path:?}")),
    })
}

fn items<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path).as_sequence().unwrap_or_else(|| panic!("{path:?} is no list"))
}

/// The variables that a configuration names without a default.
fn variables(config: &str) -> BTreeSet<&str> {
    let named = config.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
    named.filter(|name| !name.contains(":-")).collect()
}

/// The secrets that a configuration takes from the backend `mounted`.
fn secrets(config: &str) -> BTreeSet<&str> {
    let named = config.split("SECRET[mounted.").skip(1);
    named.filter_map(|rest| Some(rest.split_once(']')?.0)).collect()
}

/// The file systems of a container: what it would mount, in one folder.
struct Mounts {
    folder: TempDir,
}

impl Mounts {
    fn new(config: &str, secrets: &[(&str, String)], secrets_dir: &str) -> Mounts {
        let mounts = Mounts { folder: tempfile::tempdir().expect("a folder") };
        for folder in ["/etc/o365flow", "/var/lib/o365flow", secrets_dir] {
            fs::create_dir_all(mounts.at(folder)).expect("a folder");
        }
        for (name, value) in secrets {
            write_private(Path::new(&mounts.at(&format!("{secrets_dir}/{name}"))), value);
        }
        let path = mounts.at("/etc/o365flow/o365flow.toml");
        let moved =
            ["/var/lib/", "/run/secrets"].into_iter().fold(config.to_owned(), |text, path| {
                text.replace(&format!("\"{path}"), &format!("\"{}", mounts.at(path)))
            });
        write_private(Path::new(&path), &moved);
        mounts
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.folder.path().display())
    }

    /// The program in this container.
    fn program(&self, arguments: &[&str], variables: &BTreeMap<&str, String>) -> Command {
        let arguments = arguments.iter().map(|argument| match argument.strip_prefix("/etc/") {
            Some(_) => self.at(argument),
            None => (*argument).to_owned(),
        });
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .current_dir(self.at("/etc/o365flow"))
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
        command
    }
}

fn succeeds(mut command: Command) {
    let Output { status, stderr, .. } = command.output().expect("the program starts");
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
}

/// The pod of the Kubernetes manifest, and what is mounted into it.
struct Pod {
    spec: Value,
    config: String,
    secret_names: BTreeSet<String>,
}

impl Pod {
    fn read() -> Pod {
        let documents = documents("packaging/kubernetes/o365flow.yaml");
        let of_kind = |kind: &str| {
            let mut found = documents.iter().filter(|one| text(one, &["kind"]) == kind);
            found.next().unwrap_or_else(|| panic!("no {kind}")).clone()
        };
        let set = of_kind("StatefulSet");
        let (service, config, secret) =
            (of_kind("Service"), of_kind("ConfigMap"), of_kind("Secret"));
        assert_eq!(at(&set, &["spec", "replicas"]).as_u64(), Some(1), "a ledger has one writer");
        assert_eq!(text(&set, &["spec", "serviceName"]), text(&service, &["metadata", "name"]));
        let selector = at(&service, &["spec", "selector"]);
        assert_eq!(selector, at(&set, &["spec", "template", "metadata", "labels"]));
        assert_eq!(selector, at(&set, &["spec", "selector", "matchLabels"]));
        let spec = at(&set, &["spec", "template", "spec"]).clone();
        let volumes = items(&spec, &["volumes"]);
        let claim = text(&set, &["spec", "volumeClaimTemplates", "0", "metadata", "name"]);
        let known: BTreeSet<&str> =
            volumes.iter().map(|volume| text(volume, &["name"])).chain([claim]).collect();
        let mounts = items(&spec, &["containers", "0", "volumeMounts"]);
        assert_eq!(known, mounts.iter().map(|mount| text(mount, &["name"])).collect());
        let names = at(&secret, &["stringData"]).as_mapping().expect("it holds secrets").keys();
        Pod {
            config: text(&config, &["data", "o365flow.toml"]).to_owned(),
            secret_names: names.map(|name| name.as_str().expect("a name").to_owned()).collect(),
            spec,
        }
    }

    fn container(&self) -> &Value {
        at(&self.spec, &["containers", "0"])
    }

    fn arguments(&self) -> Vec<&str> {
        items(self.container(), &["args"]).iter().map(|one| one.as_str().expect("text")).collect()
    }

    fn variables(&self) -> BTreeMap<&str, String> {
        let set = items(self.container(), &["env"]);
        set.iter().map(|one| (text(one, &["name"]), text(one, &["value"]).to_owned())).collect()
    }

    fn mounts(&self, config: &str, client_secret: &str) -> Mounts {
        let value = |name: &str| match name {
            "client_secret" => client_secret.to_owned(),
            _ => "an-api-key".to_owned(),
        };
        let secrets: Vec<(&str, String)> =
            self.secret_names.iter().map(|name| (name.as_str(), value(name))).collect();
        Mounts::new(config, &secrets, "/run/secrets/o365flow")
    }
}

#[test]
fn the_pod_has_what_its_configuration_names() {
    let pod = Pod::read();
    let names: BTreeSet<&str> = pod.secret_names.iter().map(String::as_str).collect();
    assert_eq!(secrets(&pod.config), names);
    let given = pod.variables();
    assert_eq!(variables(&pod.config), given.keys().copied().collect());
    let mounted: Vec<&str> = items(pod.container(), &["volumeMounts"])
        .iter()
        .map(|mount| text(mount, &["mountPath"]))
        .collect();
    for path in pod.config.split('"').filter(|text| text.starts_with('/')) {
        assert!(mounted.iter().any(|mount| path.starts_with(mount)), "{path} is on no volume");
    }
    succeeds(
        pod.mounts(&pod.config, "s").program(&["validate", "/etc/o365flow/o365flow.toml"], &given),
    );
}

#[test]
fn the_pod_is_hardened_and_has_time_to_drain() {
    let pod = Pod::read();
    let grace = at(&pod.spec, &["terminationGracePeriodSeconds"]).as_u64().expect("a number");
    assert!(pod.config.contains("\nshutdown_timeout = \"1m\"\n"));
    assert!(grace >= 60 + 15, "{grace} s");
    assert_eq!(at(&pod.spec, &["securityContext", "runAsNonRoot"]).as_bool(), Some(true));
    let own = at(pod.container(), &["securityContext"]);
    assert_eq!(at(own, &["allowPrivilegeEscalation"]).as_bool(), Some(false));
    assert_eq!(at(own, &["readOnlyRootFilesystem"]).as_bool(), Some(true));
    assert_eq!(text(own, &["capabilities", "drop", "0"]), "ALL");
    at(pod.container(), &["resources", "limits", "memory"]);
    // The user is the image's own.
    let user = at(&pod.spec, &["securityContext", "runAsUser"]).as_u64().expect("a number");
    assert_eq!(instruction("USER"), format!("{user}:{user}"));
    // What is mounted is not for everybody: `run` would refuse it.
    for (volume, of) in [("0", "configMap"), ("1", "secret")] {
        // Kubernetes' YAML takes it for an octal number, the one here for a text.
        assert_eq!(text(&pod.spec, &["volumes", volume, of, "defaultMode"]), "0440", "{of}");
    }
}

/// The address that the log says is listened at for metrics.
fn listening(running: &mut Child) -> SocketAddr {
    let mut log = BufReader::new(running.stderr.take().expect("it is piped"));
    let mut address = None;
    let mut line = String::new();
    while log.read_line(&mut line).expect("the log is text") > 0 {
        let said: serde_json::Value = serde_json::from_str(&line).expect("the log is JSON");
        line.clear();
        let message = said["fields"]["message"].as_str().or(said["message"].as_str());
        match message {
            Some("listening") if address.is_none() => {
                let shown = said["fields"]["address"].as_str().or(said["address"].as_str());
                address = shown.map(|shown| shown.parse().expect("an address"));
            }
            Some("running") => break,
            _ => {}
        }
    }
    // The rest of the log is of no interest, but must have a reader.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    address.expect("it listens")
}

/// The status that a path is answered with.
fn status(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: 10.1.2.3:9598\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn the_pod_runs_and_its_probes_are_answered() {
    let pod = Pod::read();
    let rig = Rig::new(&["--blobs-per-hour", "0.1", "--records-min", "2", "--records-max", "4"]);
    let port = at(pod.container(), &["ports", "0", "containerPort"]).as_u64().expect("a port");
    let listener = format!("address = \"0.0.0.0:{port}\"");
    assert!(pod.config.contains(&listener), "metrics are not at the container's port");
    let (_, api) = pod.config.split_once("[api]\n").expect("there is an API");
    let (api, _) = api.split_once("\n\n").expect("it is a table");
    let tenant = rig.tenant();
    let config = pod
        .config
        .replace(&listener, "address = \"127.0.0.1:0\"")
        .replace(&format!("[api]\n{api}"), "")
        .replace("client_secret = ", &format!("{}\nclient_secret = ", tenant.urls));
    let mounts = pod.mounts(&config, &rig.client_secret());
    let mut variables = pod.variables();
    variables.insert("O365_TENANT_ID", tenant.guid);
    variables.insert("O365_CLIENT_ID", tenant.client_id);
    variables.insert("ELASTICSEARCH_URL", "http://127.0.0.1:9".to_owned());
    let mut running = mounts
        .program(&pod.arguments(), &variables)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let address = listening(&mut running);
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let get = at(pod.container(), &[probe, "httpGet"]);
        assert_eq!(text(get, &["port"]), text(pod.container(), &["ports", "0", "name"]));
        assert_eq!(status(address, text(get, &["path"])), "200", "{probe}");
    }
    assert_eq!(status(address, "/metrics"), "200");
    let healthy = || {
        let check = health_check();
        let mut command = Command::new(&check[0]);
        command.args(&check[1..]).env("O365FLOW_HEALTH_PORT", address.port().to_string());
        command.stderr(Stdio::null()).status().expect("the check starts").success()
    };
    assert!(healthy(), "the image's own check fails");
    running.kill().expect("it runs");
    running.wait().expect("it is our child");
    assert!(!healthy(), "what is dead is called well");
}

/// What the last instruction of this name in the Containerfile says.
fn instruction(name: &str) -> String {
    let file = read("packaging/container/Containerfile").replace("\\\n", " ");
    let mut said = file.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    said.next_back().unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
}

fn health_check() -> Vec<String> {
    let check = instruction("HEALTHCHECK");
    let (_, command) = check.split_once("CMD ").expect("it has a command");
    serde_json::from_str(command).expect("it is a list")
}

#[test]
fn the_image_runs_what_the_program_takes() {
    assert_eq!(instruction("STOPSIGNAL"), "SIGTERM");
    let words = |name| -> Vec<String> { serde_json::from_str(&instruction(name)).expect("a list") };
    assert_eq!(words("ENTRYPOINT"), ["/usr/bin/o365flow"]);
    let (name, config) = {
        let said = instruction("ENV");
        let (name, value) = said.split_once('=').expect("it sets a variable");
        (name.to_owned(), value.to_owned())
    };
    assert_eq!(config, format!("{}/o365flow.toml", instruction("WORKDIR")));
    // Without a configuration where the variable says, it fails, and not for its arguments.
    let output = Command::new(PROGRAM)
        .args(words("CMD"))
        .env(name, "/nowhere/o365flow.toml")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot read the configuration `/nowhere/o365flow.toml`"), "{said}");
    // What is copied is there.
    for path in ["LICENSE", "Cargo.lock", "packaging/container/Containerfile"] {
        assert!(Path::new(crate::reference::ROOT).join(path).exists(), "{path}");
    }
}

#[test]
fn the_compose_file_runs_what_the_program_takes() {
    let compose = documents("packaging/container/compose.yaml").remove(0);
    let own = at(&compose, &["services", "o365flow"]);
    let context = Path::new("packaging/container").join(text(own, &["build", "context"]));
    let file = context.join(text(own, &["build", "dockerfile"]));
    assert!(Path::new(crate::reference::ROOT).join(file).exists());
    // Compose takes two dollar signs for one.
    let config = text(&compose, &["configs", "o365flow", "content"]).replace("$$", "$");
    let given = at(own, &["environment"]).as_mapping().expect("it sets variables");
    let given: BTreeMap<&str, String> = given
        .iter()
        .map(|(name, value)| (name.as_str().expect("a name"), value.as_str().expect("a value")))
        .map(|(name, value)| (name, if value.starts_with('$') { GUID } else { value }.to_owned()))
        .collect();
    let secrets_given: BTreeSet<&str> =
        items(own, &["secrets"]).iter().map(|name| name.as_str().expect("a name")).collect();
    assert_eq!(secrets(&config), secrets_given);
    for name in variables(&config) {
        assert!(given.contains_key(name), "{name} is not set");
    }
    let declared = at(&compose, &["secrets"]).as_mapping().expect("secrets").len();
    assert_eq!(declared, secrets_given.len());
    let mounts = Mounts::new(&config, &[("client_secret", "s".to_owned())], "/run/secrets");
    succeeds(mounts.program(&["validate", "/etc/o365flow/o365flow.toml"], &given));
    // Prometheus and the host's port are where the program listens.
    let prometheus: Value =
        serde_yaml_ng::from_str(text(&compose, &["configs", "prometheus", "content"]))
            .expect("Prometheus' configuration is YAML");
    let target = text(&prometheus, &["scrape_configs", "0", "static_configs", "0", "targets", "0"]);
    let (host, port) = target.split_once(':').expect("host and port");
    assert_eq!(host, "o365flow");
    assert!(config.contains(&format!("address = \"0.0.0.0:{port}\"")));
    assert!(text(own, &["ports", "0"]).ends_with(&format!(":{port}")));
}
