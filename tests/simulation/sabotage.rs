//! Faults that a source could have, put in on purpose: each must be found, or the proof proves nothing.

use o365flow::sources::office365::ledger::BlobEnd;

use crate::stage::gated_ledger::Spoilable;

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

    /// Breaks what goes to the ledger.
    pub(crate) fn spoil(self, what: Spoilable<'_>) {
        match (self, what) {
            (Sabotage::ForgottenBlob, Spoilable::Page(blobs)) => {
                blobs.retain(|blob| blob.created.timestamp_millis() % 40 != 7);
            }
            (Sabotage::SilentGap, Spoilable::Gap(span)) => span.end = span.start,
            (Sabotage::ForgottenRecord, Spoilable::Seen(ids)) => {
                ids.pop();
            }
            (Sabotage::Miscount, Spoilable::End(BlobEnd::Delivered(counts))) => {
                counts.delivered = counts.delivered.saturating_sub(1);
            }
            (Sabotage::GivenUp, Spoilable::End(end)) => {
                if matches!(end, BlobEnd::Delivered(counts) if counts.records == 3) {
                    *end = BlobEnd::Lost("given up".to_owned());
                }
            }
            _ => {}
        }
    }
}
