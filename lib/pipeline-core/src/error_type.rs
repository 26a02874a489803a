//! What kind of error each of the program's own codes is: the value of the label `error_type`, one of those that Vector's
//! instrumentation specification lists, so that what counts Vector's errors counts these.

/// The kind of the error `code`, or nothing for one that is not listed here.
pub fn error_type_of(code: &str) -> Option<&'static str> {
    Some(match code {
        "buffer_failed" | "checkpoint_failed" | "io_failed" | "ledger_failed" => "io_failed",
        "connection_failed" | "endpoint_failed" | "tls_failed" => "connection_failed",
        "conversion_failed" | "panic" => "conversion_failed",
        "dead_letter_failed" | "dead_letters_failed" | "write_failed" => "writer_failed",
        "encoding_failed" => "encoder_failed",
        "bad_listing_row" | "bad_record" | "invalid_response" => "parser_failed",
        "buffer_damaged" | "ledger_damaged" | "read_failed" | "tenants_dir_unreadable" => {
            "reader_failed"
        }
        "tenant_failed" | "tenant_file_faulty" | "unauthorized" | "unknown_topic"
        | "unsupported" => "configuration_failed",
        "timeout" | "timed_out" => "timed_out",
        "topology_closed" => "acknowledgment_failed",
        "blob_failed" | "blob_lost" | "delivery_failed" | "foreign_host" | "items_refused"
        | "listing_failed" | "listing_gap" | "producer_failed" | "request_failed"
        | "request_refused" | "server_error" | "too_many_requests" => "request_failed",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_of_its_own_kind() {
        for (code, kind) in [
            ("blob_lost", "request_failed"),
            ("timeout", "timed_out"),
            ("timed_out", "timed_out"),
            ("bad_record", "parser_failed"),
        ] {
            assert_eq!(error_type_of(code), Some(kind), "{code}");
        }
        assert_eq!(error_type_of("made_up"), None);
    }
}
