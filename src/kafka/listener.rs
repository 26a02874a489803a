//! Hears what librdkafka says: its log, its errors, its statistics.

use pipeline_core::ComponentMetrics;
use rdkafka::{ClientContext, config::RDKafkaLogLevel, error::KafkaError, types::RDKafkaErrorCode};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use super::{Complaints, StatisticsMetrics};

/// What every client of librdkafka tells; called on librdkafka's threads or those that poll it.
#[derive(Debug)]
pub struct Listener {
    complaints: Complaints,
    statistics: StatisticsMetrics,
    /// Cancelled when the client has failed for good.
    broken: CancellationToken,
}

impl Listener {
    /// A listener for one client.
    pub fn new(complaints: Complaints, metrics: &ComponentMetrics) -> Listener {
        Listener {
            complaints,
            statistics: StatisticsMetrics::new(metrics),
            broken: CancellationToken::new(),
        }
    }

    /// Cancelled when the client has failed for good, and another must take its place.
    pub fn broken(&self) -> &CancellationToken {
        &self.broken
    }

    /// Where its troubles are noted.
    pub fn complaints(&self) -> &Complaints {
        &self.complaints
    }
}

impl ClientContext for Listener {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let component_id = self.complaints.component_id();
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                error!(%component_id, facility, "librdkafka: {message}");
            }
            // What went wrong comes as an error as well, with its code.
            RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Notice
            | RDKafkaLogLevel::Info
            | RDKafkaLogLevel::Debug => debug!(%component_id, facility, "librdkafka: {message}"),
            RDKafkaLogLevel::Warning => warn!(%component_id, facility, "librdkafka: {message}"),
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.statistics.publish(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        if code == RDKafkaErrorCode::Fatal {
            self.broken.cancel();
        }
        self.complaints.failed(code, reason);
    }
}
