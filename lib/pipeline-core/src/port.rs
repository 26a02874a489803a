//! What an edge carries, and whether an output may feed an input.

use vrl::{
    path::{OwnedSegment, OwnedValuePath},
    value::Kind,
};

/// Name of the output that a component has when it is named in `inputs` without a port.
pub const DEFAULT_PORT: &str = "";

/// Name of the output by which a transform lets go of events that it could not process.
pub const DROPPED_PORT: &str = "dropped";

/// Name of the output for events that belong to none of the others. Where nothing reads it, they are dropped on purpose.
pub const UNMATCHED_PORT: &str = "_unmatched";

/// The kinds of an event's content and metadata, as VRL's compiler knows them.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// What `.` can be: an object, with the fields that are known.
    pub event: Kind,
    /// What `%` can be.
    pub metadata: Kind,
}

impl Schema {
    /// An object of which nothing more is known.
    pub fn any() -> Schema {
        Schema { event: Kind::any_object(), metadata: Kind::any_object() }
    }

    /// What an input carries that is fed by both.
    #[must_use]
    pub fn merge(self, other: Schema) -> Schema {
        Schema {
            event: self.event.union(other.event),
            metadata: self.metadata.union(other.metadata),
        }
    }
}

/// A place where events leave a component.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The port's name, [`DEFAULT_PORT`] for the one that needs no naming.
    pub port: String,
    /// What leaves there.
    pub schema: Schema,
}

impl Output {
    /// The output that needs no naming.
    pub fn main(schema: Schema) -> Output {
        Output { port: DEFAULT_PORT.to_owned(), schema }
    }

    /// A named output.
    pub fn named(port: impl Into<String>, schema: Schema) -> Output {
        Output { port: port.into(), schema }
    }
}

/// A field that a component's input must have for it to do its work.
#[derive(Clone, Debug, PartialEq)]
pub struct Need {
    /// Where the field stands in the event.
    pub path: OwnedValuePath,
    /// What it may be.
    pub kind: Kind,
    /// The option that asks for it, for the error message: `id_field`.
    pub option: &'static str,
}

/// How an output meets a [`Need`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Every event has the field, of a right kind.
    Always,
    /// Some events can lack it, or have it of another kind.
    Sometimes,
    /// Nothing that leads here sets it.
    Never,
    /// It is there, but never of a kind that will do.
    WrongKind,
}

impl Need {
    /// How events of kind `event` meet the need. A field counts as set only where the kind names it: that an
    /// object may have other fields as well says nothing.
    pub fn fit(&self, event: &Kind) -> Fit {
        let Some(found) = known_kind(event, &self.path.segments) else { return Fit::Never };
        if found.is_never() || found.without_undefined().is_never() {
            Fit::Never
        } else if self.kind.is_superset(&found).is_ok() {
            Fit::Always
        } else if self.kind.intersects(&found.without_undefined()) {
            Fit::Sometimes
        } else {
            Fit::WrongKind
        }
    }
}

/// The kind at a path of field names, or nothing where a step is not named by the kind.
fn known_kind(kind: &Kind, path: &[OwnedSegment]) -> Option<Kind> {
    let Some((first, rest)) = path.split_first() else { return Some(kind.clone()) };
    let OwnedSegment::Field(name) = first else { return None };
    let object = kind.as_object()?;
    let mut found = known_kind(object.known().get(&name.as_str().into())?, rest)?;
    if !kind.is_object() {
        // Where the parent need not be an object, the field need not be there.
        found.add_undefined();
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vrl::{path::parse_value_path, value::kind::Collection};

    use super::*;

    fn object(fields: &[(&str, Kind)]) -> Kind {
        let known: BTreeMap<_, _> =
            fields.iter().map(|(name, kind)| ((*name).into(), kind.clone())).collect();
        Kind::object(Collection::from_parts(known, Kind::any()))
    }

    fn check(event: &Kind, path: &str, expected: Fit) {
        let path = parse_value_path(path).expect("a path");
        let need = Need { path, kind: Kind::bytes(), option: "id_field" };
        assert_eq!(need.fit(event), expected, "{event:?}");
    }

    #[test]
    fn a_field_counts_only_where_the_kind_names_it() {
        let event = object(&[("event", object(&[("id", Kind::bytes())]))]);
        check(&event, "event.id", Fit::Always);
        check(&event, "event.code", Fit::Never);
        check(&event, "other.id", Fit::Never);
        check(&Kind::any_object(), "event.id", Fit::Never);
    }

    #[test]
    fn a_field_that_can_be_absent_or_of_another_kind_fits_sometimes() {
        check(&object(&[("id", Kind::bytes().or_undefined())]), "id", Fit::Sometimes);
        check(&object(&[("id", Kind::bytes().or_integer())]), "id", Fit::Sometimes);
        check(
            &object(&[("event", object(&[("id", Kind::bytes())]).or_null())]),
            "event.id",
            Fit::Sometimes,
        );
    }

    #[test]
    fn a_field_of_another_kind_never_fits() {
        check(&object(&[("id", Kind::integer())]), "id", Fit::WrongKind);
        check(&object(&[("id", Kind::undefined())]), "id", Fit::Never);
    }
}
