//! A Prometheus of the test's own, by the scripts in `tests/services`.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use serde_json::Value;

use super::{folder, script};

/// A server that runs. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Prometheus {
    /// As `127.0.0.1:9090`.
    address: String,
    folder: PathBuf,
}

impl Prometheus {
    /// Starts one with these files beside each other, of which one is `prometheus.yml`.
    pub(crate) fn start(name: &str, files: &[(&str, String)]) -> Prometheus {
        let folder = folder(&format!("prometheus-{name}"));
        fs::create_dir_all(&folder).expect("a folder for temporary files");
        for (file, text) in files {
            fs::write(folder.join(file), text).expect("the folder can be written to");
        }
        let output = Command::new(script("prometheus-start.sh"))
            .arg(&folder)
            .env("PROMETHEUS_OWNER_PID", std::process::id().to_string())
            .output()
            .expect("the script runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "Prometheus does not start: {said}");
        let url = fs::read_to_string(folder.join("url")).expect("it has an address");
        let address = url.trim().trim_start_matches("http://").to_owned();
        Prometheus { address, folder }
    }

    /// What a query gives now.
    pub(crate) fn query(&self, query: &str) -> Vec<Value> {
        let pairs = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", query)
            .finish();
        let answer = self.get(&format!("/api/v1/query?{pairs}"));
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().expect("a list of series").clone()
    }

    /// Whether a query gave anything in the last so many seconds, asked as a panel asks.
    pub(crate) fn has_data(&self, query: &str, seconds: u64) -> bool {
        let now = self.query("time()");
        let now = now.get(1).and_then(Value::as_str).and_then(|now| now.parse::<f64>().ok());
        let end = now.expect("the time is a number");
        let pairs = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", query)
            .append_pair("start", &(end - Duration::from_secs(seconds).as_secs_f64()).to_string())
            .append_pair("end", &end.to_string())
            .append_pair("step", "1s")
            .finish();
        let answer = self.get(&format!("/api/v1/query_range?{pairs}"));
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().is_some_and(|series| !series.is_empty())
    }

    /// The labels of all alerts that fire.
    pub(crate) fn firing(&self) -> Vec<BTreeMap<String, String>> {
        let answer = self.get("/api/v1/alerts");
        let alerts = answer["data"]["alerts"].as_array().expect("a list of alerts");
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        firing
            .map(|alert| serde_json::from_value(alert["labels"].clone()).expect("labels are text"))
            .collect()
    }

    fn get(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n", self.address).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let status = Command::new(script("prometheus-stop.sh")).arg(&self.folder).status();
        assert!(status.expect("the script runs").success(), "Prometheus does not stop");
    }
}
