//! What the source's output carries, for the programs that are compiled against it.
//!
//! Invariant: what is declared here is true of every event. `Id` and `CreationTime` are checked when a record is read;
//! of the other fields Microsoft's own tables are not right often enough, so they are any JSON, or absent.

use std::collections::BTreeMap;

use pipeline_core::{Output, Schema};
use vrl::{
    path::{OwnedSegment, OwnedValuePath},
    value::{
        Kind,
        kind::{Collection, Field},
    },
};

/// The fields of Microsoft's common schema besides `Id` and `CreationTime`.
const COMMON_FIELDS: [&str; 13] = [
    "AppAccessContext",
    "ClientIP",
    "ObjectId",
    "Operation",
    "OrganizationId",
    "RecordType",
    "ResultStatus",
    "Scope",
    "UserId",
    "UserKey",
    "UserType",
    "Version",
    "Workload",
];

/// The source's one output, with records at `record_path`.
pub(super) fn outputs(record_path: &OwnedValuePath) -> Vec<Output> {
    let event = record_path.segments.iter().rev().fold(record(), |kind, segment| match segment {
        OwnedSegment::Field(name) => {
            let known = BTreeMap::from([(Field::from(name.as_str()), kind)]);
            Kind::object(Collection::from_parts(known, Kind::undefined()))
        }
        // Refused as a problem of the configuration before any event is made.
        OwnedSegment::Index(_) => kind,
    });
    vec![Output::main(Schema { event, metadata: metadata() })]
}

fn record() -> Kind {
    let mut known: BTreeMap<Field, Kind> = COMMON_FIELDS
        .iter()
        .map(|name| (Field::from(*name), Kind::json().or_undefined()))
        .collect();
    known.insert("Id".into(), Kind::bytes());
    known.insert("CreationTime".into(), Kind::bytes());
    Kind::object(Collection::from_parts(known, Kind::any()))
}

fn metadata() -> Kind {
    let texts = ["tenant", "tenant_id", "content_type", "content_id"];
    let times = ["content_created", "ingest_time"];
    let known = texts
        .map(|name| (Field::from(name), Kind::bytes()))
        .into_iter()
        .chain(times.map(|name| (Field::from(name), Kind::timestamp())))
        .collect::<BTreeMap<_, _>>();
    Kind::object(Collection::from_parts(known, Kind::undefined()))
}

#[cfg(test)]
mod tests {
    use pipeline_core::{Fit, Need};
    use vrl::path::parse_value_path;

    use super::*;

    fn fit(record_path: &str, path: &str) -> Fit {
        let record_path = match record_path {
            "" => OwnedValuePath::root(),
            path => parse_value_path(path).unwrap(),
        };
        let [output] = outputs(&record_path).try_into().expect("one output");
        let path = parse_value_path(path).unwrap();
        Need { path, kind: Kind::bytes(), option: "id_field" }.fit(&output.schema.event)
    }

    #[test]
    fn the_id_is_always_there_wherever_the_record_is_mounted() {
        assert_eq!(fit("", "Id"), Fit::Always);
        assert_eq!(fit("o365.audit", "o365.audit.Id"), Fit::Always);
        assert_eq!(fit("o365.audit", "Id"), Fit::Never);
        assert_eq!(fit("", "Operation"), Fit::Sometimes);
    }
}
