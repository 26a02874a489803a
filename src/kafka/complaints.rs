//! Says in the log what librdkafka suffers from: when it begins, when it changes, and when it is over.
//!
//! Librdkafka tries again by itself, for as long as it takes, and repeats what it has to say with each attempt.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use pipeline_core::{ComponentId, ComponentMetrics, ErrorStage};
use rdkafka::types::RDKafkaErrorCode;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

/// How often a trouble that lasts is mentioned again, so that the end of a long log still shows it.
const REMIND_INTERVAL: Duration = Duration::from_mins(5);

/// What a client of librdkafka suffers from.
#[derive(Debug)]
pub struct Complaints {
    component_id: ComponentId,
    metrics: ComponentMetrics,
    stage: ErrorStage,
    logged: Mutex<Option<(&'static str, Instant)>>,
}

impl Complaints {
    /// None yet. `stage` is what the component uses the client for.
    pub fn new(
        component_id: ComponentId,
        metrics: ComponentMetrics,
        stage: ErrorStage,
    ) -> Complaints {
        Complaints { component_id, metrics, stage, logged: Mutex::default() }
    }

    /// The component.
    pub fn component_id(&self) -> &ComponentId {
        &self.component_id
    }

    /// Something failed that librdkafka tries again.
    pub fn failed(&self, code: RDKafkaErrorCode, reason: &str) {
        let component_id = &self.component_id;
        let (error_type, needs_user) = class_of(code, reason);
        self.metrics.error(error_type, self.stage);
        self.metrics.failing(true);
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news =
            logged.is_none_or(|(last, at)| last != error_type || at.elapsed() >= REMIND_INTERVAL);
        // That all brokers are down is said after each one's own reason, which says more.
        let says_more = code != RDKafkaErrorCode::AllBrokersDown || logged.is_none();
        if !is_news || !says_more {
            debug!(%component_id, error = reason, "kafka fails again");
            return;
        }
        *logged = Some((error_type, Instant::now()));
        if needs_user {
            error!(%component_id, error = reason, "kafka refuses until somebody steps in; events wait, and it is tried again");
        } else {
            warn!(%component_id, error = reason, "kafka fails; events wait, and it is tried again");
        }
    }

    /// Something worked.
    pub fn passed(&self) {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.take().is_some() {
            self.metrics.failing(false);
            info!(component_id = %self.component_id, "kafka works again");
        }
    }
}

/// The type of an error for the metrics, and whether waiting alone won't help.
fn class_of(code: RDKafkaErrorCode, reason: &str) -> (&'static str, bool) {
    use RDKafkaErrorCode as Code;
    match code {
        Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => ("unauthorized", true),
        Code::SSL => ("tls_failed", true),
        // A certificate that is not trusted ends the connection like any other trouble with it.
        _ if reason.contains("SSL handshake failed") => ("tls_failed", true),
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            ("unknown_topic", true)
        }
        _ => ("connection_failed", false),
    }
}
