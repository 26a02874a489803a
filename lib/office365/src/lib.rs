//! A typed client of the Office 365 Management Activity API.

mod excerpt;
mod splitter;

pub use splitter::{RecordSplitter, SplitFault};
