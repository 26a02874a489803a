//! Why a server refuses: its own words, and what they mean.
//!
//! A reason can quote the document, so that it goes into dead letters alone; a log gets the type of the error, and our
//! words for those types that speak of a setting.

use std::fmt::{self, Write};

use serde::Deserialize;

/// Characters of an answer that makes no sense which a message shows.
const EXCERPT_CHARS_MAX: usize = 200;

/// Characters of a reason that are kept.
const REASON_CHARS_MAX: usize = 1000;

/// Characters of the type of an error. The longest that is known has 40.
const NAME_CHARS_MAX: usize = 80;

/// The server's reason. Shown whole, for dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Cause {
    #[serde(default, rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub reason: Option<String>,
}

/// What speaks of the cluster, the index or a setting and not of the event. Somebody can put it right, and then the
/// event fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    Blocked,
    Forbidden,
    NoIndex,
    ClosedIndex,
    ShardLimit,
    NoPipeline,
    NoWriteIndex,
    CreateAlone,
}

impl Cause {
    /// The type of the error, safe to print.
    pub(super) fn name(&self) -> String {
        let is_plain = |char: &char| char.is_ascii_alphanumeric() || *char == '_';
        let name: String = self.kind.chars().filter(is_plain).take(NAME_CHARS_MAX).collect();
        if name.is_empty() { "an error without a type".to_owned() } else { name }
    }

    /// What has to be put right, if it is not the event.
    pub(super) fn obstacle(&self) -> Option<Obstacle> {
        Some(match &*self.kind {
            // No space, or a setting.
            "cluster_block_exception" => Obstacle::Blocked,
            "security_exception" => Obstacle::Forbidden,
            "index_not_found_exception" => Obstacle::NoIndex,
            "index_closed_exception" => Obstacle::ClosedIndex,
            "validation_exception" => Obstacle::ShardLimit,
            // These two types say almost anything, so that the text has to tell.
            "illegal_argument_exception" | "illegal_state_exception" => {
                let reason = self.reason.as_deref().unwrap_or_default();
                let begins = |start: &str| reason.starts_with(start);
                if begins("pipeline with id [") && reason.ends_with("] does not exist")
                    || begins("Pipeline processor configured for non-existent pipeline [")
                {
                    Obstacle::NoPipeline
                } else if begins("no write index is defined for alias [") {
                    Obstacle::NoWriteIndex
                } else if begins("only write ops with an op_type of create are allowed in data s") {
                    Obstacle::CreateAlone
                } else {
                    return None;
                }
            }
            _ => return None,
        })
    }

    /// Whether an ingest pipeline gave the event up, which the server calls an error of its own.
    pub(super) fn is_of_a_pipeline(&self) -> bool {
        matches!(&*self.kind, "fail_processor_exception" | "ingest_processor_exception")
    }

    /// The type of the error and what it means, for a log.
    pub(super) fn for_log(&self) -> String {
        match self.obstacle() {
            Some(obstacle) => format!("{}: {}", self.name(), obstacle.words()),
            None => self.name(),
        }
    }
}

impl Obstacle {
    /// What is wrong and where that is set.
    pub(super) fn words(self) -> &'static str {
        match self {
            Obstacle::Blocked => {
                "writing is blocked, by a disk that is nearly full or by a setting `index.blocks` or `cluster.blocks`"
            }
            Obstacle::Forbidden => "these credentials may not do that",
            Obstacle::NoIndex => {
                "the index is not there, and the server may not make it (`action.auto_create_index`)"
            }
            Obstacle::ClosedIndex => "the index is closed",
            Obstacle::ShardLimit => {
                "the cluster takes no further index, most often because of `cluster.max_shards_per_node`"
            }
            Obstacle::NoPipeline => "the ingest pipeline does not exist",
            Obstacle::NoWriteIndex => "the alias has no index to write to",
            Obstacle::CreateAlone => "it is a data stream, which takes `action = \"create\"` alone",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.kind)?;
        // A reason can quote a document, whose author must not be able to write lines of our own.
        let reason = self.reason.as_deref().unwrap_or("no reason given");
        for char in reason.chars().take(REASON_CHARS_MAX) {
            formatter.write_char(if char.is_control() { ' ' } else { char })?;
        }
        Ok(())
    }
}

/// Why a request was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// In Elasticsearch's own words.
    Server(Cause),
    /// In those of something in front of it, of which this is the beginning.
    Stranger(String),
    /// Without a word.
    Silent,
}

impl Refusal {
    /// Reads the body of an error.
    pub(super) fn read(body: &[u8]) -> Refusal {
        #[derive(Deserialize)]
        struct Answer {
            error: Cause,
        }
        match serde_json::from_slice::<Answer>(body) {
            Ok(answer) => Refusal::Server(answer.error),
            Err(_) if body.is_empty() => Refusal::Silent,
            Err(_) => Refusal::Stranger(excerpt(body)),
        }
    }

    /// The whole reason, for a dead letter.
    pub(super) fn reason(&self) -> String {
        match self {
            Refusal::Server(cause) => cause.to_string(),
            Refusal::Stranger(_) | Refusal::Silent => self.to_string(),
        }
    }
}

/// For a log.
impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Server(cause) => formatter.write_str(&cause.for_log()),
            Refusal::Stranger(excerpt) => formatter.write_str(excerpt),
            Refusal::Silent => formatter.write_str("no reason given"),
        }
    }
}

/// The beginning of an answer, in one line and safe to print. It ends before what could quote a document.
pub(super) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * EXCERPT_CHARS_MAX)]);
    let text = text.split("\"reason\"").next().unwrap_or_default();
    format!("\"{}\"", text.chars().take(EXCERPT_CHARS_MAX).collect::<String>().escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_setting_is_known_by_type_and_text() {
        let check = |kind: &str, reason: &str, expected| {
            let cause = Cause { kind: kind.to_owned(), reason: Some(reason.to_owned()) };
            assert_eq!(cause.obstacle(), expected, "{cause}");
        };
        check("security_exception", "", Some(Obstacle::Forbidden));
        check("index_closed_exception", "closed", Some(Obstacle::ClosedIndex));
        let kind = "illegal_argument_exception";
        check(kind, "pipeline with id [x] does not exist", Some(Obstacle::NoPipeline));
        check(kind, "field [pipeline with id [x] does not exist", None);
        check(kind, "Limit of total fields [1000] has been exceeded", None);
        check("document_parsing_exception", "pipeline with id [x] does not exist", None);
        check(
            "illegal_state_exception",
            "Pipeline processor configured for non-existent pipeline [x]",
            Some(Obstacle::NoPipeline),
        );
    }

    #[test]
    fn a_refusal_shows_its_reason_in_letters_and_its_type_in_logs() {
        let check = |body: &str, log: &str, reason: &str| {
            let refusal = Refusal::read(body.as_bytes());
            assert_eq!((&*refusal.to_string(), &*refusal.reason()), (log, reason));
        };
        check(
            r#"{"error":{"root_cause":[],"type":"parse_exception","reason":"who\n?"},"status":400}"#,
            "parse_exception",
            "parse_exception: who ?",
        );
        check(
            r#"{"error":{"type":"security_exception","reason":"bob"},"status":403}"#,
            "security_exception: these credentials may not do that",
            "security_exception: bob",
        );
        check(r#"{"error":{"type":"a\nb","reason":null}}"#, "ab", "a\nb: no reason given");
        check("", "no reason given", "no reason given");
        check("Bad\tGateway", r#""Bad\tGateway""#, r#""Bad\tGateway""#);
        check(r#"{"error":"x"}"#, r#""{\"error\":\"x\"}""#, r#""{\"error\":\"x\"}""#);
    }

    #[test]
    fn an_excerpt_quotes_no_document() {
        let cut =
            br#"{"items":[{"create":{"status":400,"error":{"type":"t","reason":"value 'geheim"#;
        assert!(!excerpt(cut).contains("geheim"));
    }
}
