//! Every template gives sound records of a realistic size.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn org() -> Arc<Org> {
    Arc::new(Org::new("c0c0c0c0-1111-4222-8333-444455556666", "contoso.example"))
}

fn records(content_type: ContentType, count: u64, repeated: bool) -> Vec<String> {
    let writer = Writer::new(content_type, org());
    let write = |index| {
        let mut out = String::new();
        let id = "5d1e9a52-0000-4000-8000-000000000001";
        writer
            .write(&mut out, &Identity { id, created: 1_800_000_000, dice_seed: index, repeated });
        out
    };
    (0..count).map(write).collect()
}

#[test]
fn every_record_is_json_with_the_mandatory_fields() {
    for content_type in ContentType::ALL {
        for record in records(content_type, 1000, false) {
            let parsed: Value =
                serde_json::from_str(&record).unwrap_or_else(|error| panic!("{error}: {record}"));
            for field in [
                "Id",
                "CreationTime",
                "Operation",
                "RecordType",
                "OrganizationId",
                "UserId",
                "Workload",
            ] {
                assert!(parsed.get(field).is_some(), "{field} absent from {record}");
            }
            assert!(!record.contains("{{"), "unknown placeholder in {record}");
        }
    }
}

#[test]
fn there_are_at_least_forty_kinds_of_record() {
    let mut kinds = BTreeSet::new();
    for content_type in ContentType::ALL {
        for record in records(content_type, 1000, false) {
            let parsed: Value = serde_json::from_str(&record).expect("a record");
            kinds.insert((parsed["RecordType"].to_string(), parsed["Operation"].to_string()));
        }
    }
    assert!(kinds.len() >= 40, "only {} kinds", kinds.len());
}

#[test]
fn a_record_has_about_as_many_bytes_as_a_real_one() {
    for content_type in ContentType::ALL {
        let records = records(content_type, 1000, false);
        let mean = records.iter().map(String::len).sum::<usize>() / records.len();
        assert!((700..1900).contains(&mean), "{content_type:?}: {mean} bytes");
    }
}

#[test]
fn a_repeated_record_differs_in_the_order_of_its_keys_only() {
    let (first, second) =
        (records(ContentType::Exchange, 50, false), records(ContentType::Exchange, 50, true));
    for (first, second) in first.iter().zip(&second) {
        assert_ne!(first, second);
        let parse = |text: &str| serde_json::from_str::<Value>(text).expect("a record");
        assert_eq!(parse(first), parse(second));
    }
}

#[test]
fn times_follow_the_calendar() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00"),
        (951_782_400, "2000-02-29T00:00:00"),
        (1_709_251_199, "2024-02-29T23:59:59"),
        (1_798_761_599, "2026-12-31T23:59:59"),
    ] {
        let mut out = String::new();
        push_time(&mut out, seconds);
        assert_eq!(out, text);
    }
}
