//! Faults that a source could have, put in on purpose: each must be found, or the proof proves nothing.

use o365flow::sources::office365::ledger::{BlobEnd, RecordId, Span};
use office365::BlobRef;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    Nothing,
    /// A record is acknowledged and not written.
    Unwritten,
    /// A record is written twice.
    WrittenTwice,
    /// A blob that was listed is not remembered.
    ForgottenBlob,
    /// A record that was delivered is not remembered.
    ForgottenRecord,
    /// A blob ends with a record less than it had.
    Miscount,
    /// A blob is given up that could be had.
    GivenUp,
    /// The body of a blob is taken as whole before its end.
    CutBody,
    /// A gap is not remembered.
    SilentGap,
    /// A window of more than 24 hours is asked for.
    LongWindow,
}

impl Sabotage {
    pub(crate) const ALL: [Sabotage; 9] = [
        Sabotage::Unwritten,
        Sabotage::WrittenTwice,
        Sabotage::ForgottenBlob,
        Sabotage::ForgottenRecord,
        Sabotage::Miscount,
        Sabotage::GivenUp,
        Sabotage::CutBody,
        Sabotage::SilentGap,
        Sabotage::LongWindow,
    ];

    pub(crate) fn spoil_page(self, blobs: &mut Vec<BlobRef>) {
        if self == Sabotage::ForgottenBlob {
            blobs.retain(|blob| blob.created.timestamp_millis() % 40 != 7);
        }
    }

    pub(crate) fn spoil_gap(self, span: &mut Span) {
        if self == Sabotage::SilentGap {
            span.end = span.start;
        }
    }

    pub(crate) fn spoil_seen(self, ids: &mut Vec<RecordId>) {
        if self == Sabotage::ForgottenRecord {
            ids.pop();
        }
    }

    pub(crate) fn spoil_end(self, end: &mut BlobEnd) {
        let BlobEnd::Delivered(counts) = end else { return };
        if self == Sabotage::Miscount {
            counts.delivered = counts.delivered.saturating_sub(1);
        } else if self == Sabotage::GivenUp && counts.records == 3 {
            *end = BlobEnd::Lost("given up".to_owned());
        }
    }
}
