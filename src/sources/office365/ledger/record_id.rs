//! The identity of a record, as Microsoft wrote it, and its form in the ledger.
//!
//! Invariant: two ids are equal only when their texts are. A GUID in its usual form takes 16 bytes; any other text is
//! kept whole.

use uuid::Uuid;

/// Marks a GUID in the ledger; anything else is the first byte of a length.
const GUID_MARK: u8 = 0;
const TEXT_MARK: u8 = 1;

/// A record's `Id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RecordId {
    /// A GUID in lower case with hyphens.
    Guid([u8; 16]),
    /// Any other text.
    Text(Box<str>),
}

impl RecordId {
    /// The identity that `text` stands for.
    pub fn new(text: &str) -> RecordId {
        // Braces, capitals or missing hyphens would be another text for the same number, which is not the same id.
        let is_usual = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match Uuid::try_parse(text) {
            Ok(guid) if is_usual => RecordId::Guid(guid.into_bytes()),
            Ok(_) | Err(_) => RecordId::Text(text.into()),
        }
    }

    /// Appends the id in a form that [`decode_ids`] reads.
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            RecordId::Guid(bytes) => {
                out.push(GUID_MARK);
                out.extend_from_slice(bytes);
            }
            RecordId::Text(text) => {
                out.push(TEXT_MARK);
                out.extend_from_slice(&(text.len() as u64).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// The form of a group of ids in the ledger.
pub(super) fn encode_ids(ids: &[RecordId]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ids.len() * 17);
    for id in ids {
        id.encode(&mut out);
    }
    out
}

/// Reads what [`encode_ids`] wrote; nothing when it was not that.
pub(super) fn decode_ids(mut bytes: &[u8]) -> Option<Vec<RecordId>> {
    let mut ids = Vec::with_capacity(bytes.len() / 17);
    while let Some((&mark, rest)) = bytes.split_first() {
        bytes = match mark {
            GUID_MARK => {
                let (guid, rest) = rest.split_first_chunk::<16>()?;
                ids.push(RecordId::Guid(*guid));
                rest
            }
            TEXT_MARK => {
                let (length, rest) = rest.split_first_chunk::<8>()?;
                let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
                let (text, rest) = rest.split_at_checked(length)?;
                ids.push(RecordId::Text(std::str::from_utf8(text).ok()?.into()));
                rest
            }
            _ => return None,
        };
    }
    Some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_equal_only_when_their_texts_are() {
        let texts = [
            "6b2b1a2e-54e5-4d0a-8f1b-0c4c8f4c9a11",
            "6B2B1A2E-54E5-4D0A-8F1B-0C4C8F4C9A11",
            "6b2b1a2e54e54d0a8f1b0c4c8f4c9a11",
            "{6b2b1a2e-54e5-4d0a-8f1b-0c4c8f4c9a11}",
            "urn:uuid:6b2b1a2e-54e5-4d0a-8f1b-0c4c8f4c9a11",
            "no guid at all",
            "ünïcode",
        ];
        let ids: Vec<RecordId> = texts.iter().map(|text| RecordId::new(text)).collect();
        for (index, id) in ids.iter().enumerate() {
            assert_eq!(ids.iter().position(|other| other == id), Some(index));
        }
        assert!(matches!(ids[0], RecordId::Guid(_)));
        assert_eq!(decode_ids(&encode_ids(&ids)), Some(ids));
    }

    #[test]
    fn damaged_groups_are_refused() {
        let whole = encode_ids(&[RecordId::new("abc"), RecordId::new("def")]);
        for cut in [1, 5, whole.len() - 1] {
            assert_eq!(decode_ids(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(decode_ids(&[7]), None);
        assert_eq!(decode_ids(&[]), Some(Vec::new()));
    }
}
