//! The table `dead_letter`: how much room dead letters may take.

use schemars::JsonSchema;
use serde::Deserialize;

use super::units;

/// How dead letters are kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterConfig {
    /// Size at which a file is moved aside, to `COMPONENT.ndjson.1`, `.2` and so on; never more than a quarter of
    /// `max_total_bytes`.
    #[serde(with = "units::byte_size")]
    pub max_file_bytes: usize,
    /// What all dead letters may take together; `"0B"` is as much as the disk has.
    #[serde(with = "units::byte_size")]
    pub max_total_bytes: usize,
    /// What happens when they take that much: `block` waits until somebody has made room, and delivers nothing meanwhile;
    /// `drop_oldest` removes the oldest file, whose events are lost.
    pub when_full: WhenLettersFull,
}

/// What happens when there is no room for a dead letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenLettersFull {
    /// Whoever has one waits.
    #[default]
    Block,
    /// The oldest file goes.
    DropOldest,
}

impl DeadLetterConfig {
    /// Lets the dead letters take more than `max_total_bytes`, with files as large as before.
    ///
    /// For a replay: a letter that comes again takes the place of one that goes a moment later. It must not wait for that,
    /// nor may a letter that was not sent yet go for it.
    pub fn lift_bound(&mut self) {
        if self.max_total_bytes > 0 {
            self.max_file_bytes = self.max_file_bytes.min(self.max_total_bytes / 4).max(1);
            self.max_total_bytes = 0;
        }
    }
}

impl Default for DeadLetterConfig {
    /// A file is still easy to open in an editor then, and there are few for many letters.
    fn default() -> Self {
        DeadLetterConfig {
            max_file_bytes: 100 * 1000 * 1000,
            max_total_bytes: 0,
            when_full: WhenLettersFull::Block,
        }
    }
}
