//! What sinks share: gathering events, sending them until they have arrived, and keeping those that never can.
//!
//! Invariant: an event is settled as delivered only after its server or its disk has it, as rejected only after its
//! dead letter is on disk, and otherwise not at all, so that its source sends it again.

mod append_file;
mod backoff;
mod batcher;
mod concurrency;
mod dead_letters;
mod disk;
mod driver;
mod lines;
mod optional_tls;
mod options;
mod template;
mod tls;
mod trouble;

pub use append_file::{AppendFile, Rotation};
pub use backoff::{Backoff, BackoffSettings};
pub use batcher::{BatchSettings, Batcher};
pub use concurrency::{Concurrency, ConcurrencyOption, Rate, RateError};
pub use dead_letters::{
    DeadLetterFiles, LetterFile, LetterFolder, LetterLine, LetterReader, LetterSource, LetterTaker,
    ReadAgain, Replayed, Selection, StoredLetter, count_letters,
};
pub use disk::{folder_findings, writable};
pub use driver::{
    AimdSettings, Attempt, Courier, Delivery, DeliverySettings, Encoded, Failure, Next, Rejected,
};
pub use lines::append_line;
pub use optional_tls::OptionalTls;
pub use options::{AdaptiveConfig, BatchConfig, RequestConfig};
pub use template::{RenderError, Template, TemplateError, time_of};
pub use tls::Tls;
pub use trouble::Troubles;
