//! What the source's output carries, for the programs that are compiled against it.
//!
//! Invariant: what is declared here is true of every event.

use std::collections::BTreeMap;

use pipeline_core::{Output, Schema};
use vrl::{
    path::OwnedValuePath,
    value::{
        Kind,
        kind::{Collection, Field},
    },
};

use crate::sources::record;

/// The source's one output, with records at `record_path`.
pub(super) fn outputs(record_path: &OwnedValuePath) -> Vec<Output> {
    let event = record::mounted_kind(record_path);
    vec![Output::main(Schema { event, metadata: metadata() })]
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
