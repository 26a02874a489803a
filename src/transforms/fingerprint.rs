//! What tells values apart in 32 bytes, the same in every run and on every machine.
//!
//! Invariant: different values have different fingerprints, and equal ones the same. What is hashed says of each value
//! its kind and its length, so that no two values are written the same way; and nobody knows two texts with the same
//! SHA-256, not even whoever would like to have one record taken for another.

use ring::digest::{SHA256, digest};
use vrl::value::Value;

/// The fingerprint of some values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of `values`, in this order.
    pub(super) fn of<'a>(values: impl IntoIterator<Item = &'a Value>) -> Fingerprint {
        let mut text = Vec::new();
        for value in values {
            write(value, &mut text);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, &text).as_ref());
        Fingerprint(bytes)
    }

    /// A number that is as good as drawn at random, and always the same for the same values.
    pub(super) fn number(&self) -> u64 {
        let (first, _) = self.0.split_first_chunk().expect("it has 32 bytes");
        u64::from_be_bytes(*first)
    }
}

fn write(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Null => text.push(b'n'),
        Value::Boolean(false) => text.push(b'f'),
        Value::Boolean(true) => text.push(b't'),
        Value::Integer(number) => write_bytes(b'i', &number.to_be_bytes(), text),
        Value::Float(number) => write_bytes(b'd', &number.to_be_bytes(), text),
        Value::Timestamp(time) => write_bytes(b'z', time.to_rfc3339().as_bytes(), text),
        Value::Regex(regex) => write_bytes(b'r', regex.as_str().as_bytes(), text),
        Value::Bytes(bytes) => write_bytes(b's', bytes, text),
        Value::String(string) => write_bytes(b's', string.as_bytes(), text),
        Value::Array(elements) => {
            write_bytes(b'a', &elements.len().to_be_bytes(), text);
            for element in elements {
                write(element, text);
            }
        }
        Value::Object(fields) => {
            write_bytes(b'o', &fields.len().to_be_bytes(), text);
            for (name, field) in fields {
                write_bytes(b'k', name.as_bytes(), text);
                write(field, text);
            }
        }
    }
}

fn write_bytes(kind: u8, bytes: &[u8], text: &mut Vec<u8>) {
    text.push(kind);
    text.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    text.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-3_i64..3).prop_map(Value::from),
            "[ab]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[ab]{0,2}", inner, 0..3).prop_map(|fields| {
                    Value::Object(
                        fields.into_iter().map(|(name, value)| (name.into(), value)).collect(),
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_have_the_same_fingerprint_only_if_they_are_the_same(
            left in prop::collection::vec(value(), 0..3),
            right in prop::collection::vec(value(), 0..3),
        ) {
            prop_assert_eq!(Fingerprint::of(&left) == Fingerprint::of(&right), left == right);
            prop_assert_eq!(Fingerprint::of(&left), Fingerprint::of(&left.clone()));
        }
    }

    #[test]
    fn a_fingerprint_is_the_same_on_every_machine() {
        let one = Fingerprint::of([&Value::from("a"), &Value::from(1)]);
        assert_eq!(one.number(), 46_808_771_124_007_018);
    }
}
