//! What follows a delivery report: pure, by the code that librdkafka or the broker gives.

use pipeline_core::LetterKind;
use rdkafka::types::RDKafkaErrorCode;

use crate::delivery::Failure;

/// The error type of what took longer than it may.
const TIMED_OUT: &str = "timed_out";

/// What is done with a message that was not delivered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is sent again, after a while.
    Retry(Failure),
    /// Brokers refuse whole sets of messages: it is sent alone, to see whether the fault is its own.
    Alone,
    /// It never can be delivered.
    Reject(LetterKind, String),
}

/// How a message was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending<'a> {
    pub topic: &'a str,
    /// The topic is the same for all events, so that one which is not there concerns them all.
    pub is_topic_fixed: bool,
    /// Nothing was sent with it.
    pub is_alone: bool,
}

/// What follows `code`.
pub(super) fn verdict(code: RDKafkaErrorCode, sending: Sending<'_>) -> Verdict {
    use RDKafkaErrorCode as Code;
    let topic = sending.topic;
    let reason = format!("topic `{topic}`: {code}");
    let failure = |error_type, needs_user| {
        let message = reason.clone();
        let is_overload = error_type == TIMED_OUT;
        Verdict::Retry(Failure { error_type, message, after: None, needs_user, is_overload })
    };
    match code {
        Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::InvalidTimestamp
            if !sending.is_alone =>
        {
            Verdict::Alone
        }
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => {
            Verdict::Reject(LetterKind::TooLarge, reason)
        }
        Code::InvalidRecord | Code::InvalidTimestamp => {
            Verdict::Reject(LetterKind::Refused, reason)
        }
        // Another message of the same set was the reason.
        Code::InvalidDifferentRecord if !sending.is_alone => Verdict::Alone,
        Code::InvalidTopic => Verdict::Reject(LetterKind::UnusableField, reason),
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition
            if !sending.is_topic_fixed =>
        {
            let reason = format!("topic `{topic}` does not exist: {code}");
            Verdict::Reject(LetterKind::UnusableField, reason)
        }
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            failure("unknown_topic", true)
        }
        Code::TopicAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::Authentication => failure("unauthorized", true),
        Code::UnsupportedCompressionType
        | Code::UnsupportedForMessageFormat
        | Code::InvalidRequiredAcks
        | Code::PolicyViolation => failure("unsupported", true),
        Code::MessageTimedOut | Code::RequestTimedOut | Code::TimedOutQueue => {
            failure(TIMED_OUT, false)
        }
        Code::PurgeQueue | Code::PurgeInflight | Code::Fatal => failure("producer_failed", false),
        _ => failure("delivery_failed", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: RDKafkaErrorCode, is_topic_fixed: bool, is_alone: bool, expected: &str) {
        let sending = Sending { topic: "t", is_topic_fixed, is_alone };
        let said = match verdict(code, sending) {
            Verdict::Retry(failure) if failure.needs_user => {
                format!("user: {}", failure.error_type)
            }
            Verdict::Retry(failure) => format!("retry: {}", failure.error_type),
            Verdict::Alone => "alone".to_owned(),
            Verdict::Reject(_, reason) => reason,
        };
        assert_eq!(said, expected, "{code:?}");
    }

    #[test]
    fn a_message_is_rejected_only_for_a_fault_of_its_own() {
        use RDKafkaErrorCode as Code;
        check(Code::MessageSizeTooLarge, true, false, "alone");
        let too_large = "topic `t`: MessageSizeTooLarge (Broker: Message size too large)";
        check(Code::MessageSizeTooLarge, true, true, too_large);
        check(Code::InvalidDifferentRecord, true, false, "alone");
        check(Code::UnknownTopic, true, true, "user: unknown_topic");
        let unknown = "topic `t` does not exist: UnknownTopic (Local: Unknown topic)";
        check(Code::UnknownTopic, false, false, unknown);
    }

    #[test]
    fn what_can_pass_is_tried_again() {
        use RDKafkaErrorCode as Code;
        check(Code::TopicAuthorizationFailed, false, false, "user: unauthorized");
        check(Code::MessageTimedOut, true, false, "retry: timed_out");
        check(Code::PurgeInflight, true, false, "retry: producer_failed");
        check(Code::NotEnoughReplicas, true, false, "retry: delivery_failed");
    }
}
