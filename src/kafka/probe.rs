//! Does the cluster answer, does it take the credentials, is the topic there? Asked without writing.

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pipeline_core::Finding;
use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    metadata::Metadata,
    types::{RDKafkaErrorCode, RDKafkaRespErr},
};

use super::SecurityError;

/// How long the cluster may take to answer: people wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What librdkafka, by OpenSSL, says of any certificate that it does not take.
const UNTRUSTED: &str = "certificate verify failed";

/// What is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The addresses, for people.
    pub servers: String,
    /// Topics that must be there.
    pub topics: Vec<String>,
}

/// Collects what librdkafka complains of, oldest first.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<(RDKafkaErrorCode, String)>>>);

impl ClientContext for Notes {
    fn log(&self, level: RDKafkaLogLevel, _facility: &str, message: &str) {
        // A connection that ends early is only in the log.
        if !matches!(level, RDKafkaLogLevel::Debug) {
            let code = RDKafkaErrorCode::BrokerTransportFailure;
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((code, message.to_owned()));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((code, reason.to_owned()));
    }
}

impl ConsumerContext for Notes {}

/// Asks the cluster that `config` leads to.
pub async fn probe(config: ClientConfig, asked: Asked) -> Vec<Finding> {
    // Librdkafka blocks its caller.
    tokio::task::spawn_blocking(move || ask(config, &asked)).await.unwrap_or_default()
}

fn ask(mut config: ClientConfig, asked: &Asked) -> Vec<Finding> {
    // A consumer can be polled for what it complains of, and joins no group unless it subscribes.
    config.set("group.id", "o365flow-doctor");
    config.set("enable.auto.commit", "false");
    let said = match connect(&config) {
        Ok(client) => return answers(&client, asked),
        Err(NoAnswer::Settings(finding)) => return vec![finding],
        Err(NoAnswer::Complaints(said)) => said,
    };
    let Some(finding) = said.iter().find_map(|(code, reason)| refusal(*code, reason)) else {
        return vec![silence(asked, &said)];
    };
    if finding.check == "tls" && finding.found.contains(UNTRUSTED) {
        // Librdkafka does not say what is wrong with a certificate: the name, if it is taken without its name.
        config.set("ssl.endpoint.identification.algorithm", "none");
        let is_trusted = match connect(&config) {
            Ok(_) => true,
            Err(NoAnswer::Settings(_)) => false,
            Err(NoAnswer::Complaints(said)) => {
                !said.is_empty() && !said.iter().any(|(_, reason)| reason.contains(UNTRUSTED))
            }
        };
        if is_trusted {
            return vec![another_name(finding.found)];
        }
    }
    vec![finding]
}

/// Why there is no connection.
enum NoAnswer {
    /// Librdkafka does not even try.
    Settings(Finding),
    /// What it said until the time was up, or until it said what no waiting mends; oldest first.
    Complaints(Vec<(RDKafkaErrorCode, String)>),
}

/// Waits until a broker has answered.
fn connect(config: &ClientConfig) -> Result<BaseConsumer<Notes>, NoAnswer> {
    let notes = Notes::default();
    let client: BaseConsumer<Notes> =
        config.create_with_context(notes.clone()).map_err(|error| {
            let found = format!("the settings cannot be used: {}", without_values(&error));
            NoAnswer::Settings(Finding::fail("settings", found))
        })?;
    let said = || notes.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for _ in 0..ANSWER_TIMEOUT.as_secs() {
        if client.fetch_metadata(None, Duration::from_secs(1)).is_ok() {
            return Ok(client);
        }
        // Nothing is consumed: this fetches the complaints, one at a time.
        while client.poll(Duration::ZERO).is_some() {}
        if said().iter().any(|(code, reason)| refusal(*code, reason).is_some()) {
            break;
        }
    }
    Err(NoAnswer::Complaints(said()))
}

fn answers(client: &BaseConsumer<Notes>, asked: &Asked) -> Vec<Finding> {
    let connection = match client.fetch_metadata(None, ANSWER_TIMEOUT) {
        Ok(metadata) => answered(asked, &metadata),
        Err(error) => Finding::fail("connection", without_values(&error)),
    };
    let topics = asked.topics.iter().map(|topic| topic_finding(client, topic));
    std::iter::once(connection).chain(topics).collect()
}

fn answered(asked: &Asked, metadata: &Metadata) -> Finding {
    let brokers = metadata.brokers().len();
    let plural = if brokers == 1 { "" } else { "s" };
    Finding::ok("connection", format!("{} answers for {brokers} broker{plural}", asked.servers))
}

fn topic_finding(client: &BaseConsumer<Notes>, topic: &str) -> Finding {
    let metadata = match client.fetch_metadata(Some(topic), ANSWER_TIMEOUT) {
        Ok(metadata) => metadata,
        Err(error) => {
            let found = format!("topic `{topic}` cannot be asked for: {}", without_values(&error));
            return Finding::fail("topic", found);
        }
    };
    let Some(found) = metadata.topics().first() else {
        return Finding::fail("topic", format!("the cluster says nothing of topic `{topic}`"));
    };
    match found.error() {
        None => {
            let partitions = found.partitions().len();
            Finding::ok("topic", format!("topic `{topic}` has partitions: {partitions}"))
        }
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => Finding::fail(
            "topic",
            format!("there is no topic `{topic}`"),
        )
        .cause("it was not created, or this user may not see it")
        .fix(
            "create it, with as many partitions as are to be worked on at once, or correct `topic`",
        ),
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) => {
            Finding::fail("topic", format!("topic `{topic}` may not be looked at"))
                .fix("allow this user to describe, and to write or read, the topic")
        }
        Some(error) => {
            let error = RDKafkaErrorCode::from(error);
            Finding::fail("topic", format!("topic `{topic}`: {error}"))
        }
    }
}

/// What a complaint that no waiting mends means.
fn refusal(code: RDKafkaErrorCode, reason: &str) -> Option<Finding> {
    if matches!(
        code,
        RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::UnsupportedSASLMechanism
    ) {
        let finding = Finding::fail("auth", format!("the broker refuses: {reason}"));
        return Some(
            finding
                .cause("the name, the password or the mechanism is not what the broker knows")
                .fix("correct `sasl.username`, `sasl.password` and `sasl.mechanism`"),
        );
    }
    let is_tls = code == RDKafkaErrorCode::SSL || reason.contains("SSL handshake failed");
    let finding = is_tls.then(|| Finding::fail("tls", reason.to_owned()))?;
    Some(if reason.contains(UNTRUSTED) {
        finding
            .cause("its authority is not trusted here, or it has expired")
            .fix("name the PEM file of the authority in `tls.ca_file`; renew an old certificate")
    } else {
        finding
            .cause("the port speaks no TLS, or it wants a client certificate that it trusts")
            .fix("check the port, `tls.crt_file` and `tls.key_file`")
    })
}

fn another_name(found: String) -> Finding {
    Finding::fail("tls", found)
        .cause("the broker's certificate is for another name than the one it was reached by")
        .fix("use a name of the certificate in `bootstrap_servers`, and have the broker advertise it")
}

/// Nobody answered in time.
fn silence(asked: &Asked, said: &[(RDKafkaErrorCode, String)]) -> Finding {
    let seconds = ANSWER_TIMEOUT.as_secs();
    let finding =
        Finding::fail("connection", format!("{} gave no answer in {seconds} s", asked.servers));
    let reason =
        said.iter().find(|(code, _)| *code != RDKafkaErrorCode::AllBrokersDown).map(|(_, it)| it);
    match reason {
        Some(reason) => finding.cause(reason.clone()),
        None => finding,
    }
    .fix("check `bootstrap_servers`, whether the port wants TLS or a client certificate, and the network in between")
}

/// The settings cannot be used, for what is in a file that they name.
pub fn unusable(error: &SecurityError) -> Finding {
    let cause = error.source().map_or_else(String::new, ToString::to_string);
    Finding::fail("tls", error.to_string())
        .cause(cause)
        .fix("name readable PEM files in the table `tls`")
}

/// An error of librdkafka without the value of an option, which may be secret.
pub fn without_values(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, _, name, _) => {
            format!("librdkafka does not take the value of `{name}`")
        }
        other => other.to_string(),
    }
}
