//! What events are, in words short enough for a drawing.

use vrl::value::{Kind, kind::Collection};

/// Fields that are named in a summary.
const FIELDS_MAX: usize = 3;

/// Letters of a whole kind: no more than somebody reads.
const WHOLE_CHARACTERS_MAX: usize = 4000;

/// The kind in some words, as `{Id: string, Operation: string, … 40 more}`.
pub(super) fn summary(kind: &Kind) -> String {
    let Some(fields) = kind.as_object() else { return short(kind) };
    let known = fields.known();
    let mut shown: Vec<String> = known
        .iter()
        .take(FIELDS_MAX)
        .map(|(name, kind)| format!("{}: {}", name.as_str(), short(kind)))
        .collect();
    match known.len().saturating_sub(FIELDS_MAX) {
        0 if is_open(fields) => shown.push("…".to_owned()),
        0 => {}
        more => shown.push(format!("… {more} more")),
    }
    format!("{{{}}}", shown.join(", "))
}

/// Whether there can be fields that are not named.
fn is_open<T: Ord + Clone>(fields: &Collection<T>) -> bool {
    !fields.unknown_kind().without_undefined().is_never()
}

/// The kind of a field.
fn short(kind: &Kind) -> String {
    if kind.is_any() {
        return "any".to_owned();
    }
    let mut kinds: Vec<&str> = Vec::new();
    let all = [
        (kind.contains_bytes(), "string"),
        (kind.contains_integer(), "integer"),
        (kind.contains_float(), "float"),
        (kind.contains_boolean(), "boolean"),
        (kind.contains_timestamp(), "timestamp"),
        (kind.contains_regex(), "regex"),
        (kind.contains_object(), "{…}"),
        (kind.contains_array(), "[…]"),
        (kind.contains_null(), "null"),
    ];
    kinds.extend(all.into_iter().filter_map(|(is_it, name)| is_it.then_some(name)));
    let optional = if kind.contains_undefined() { "?" } else { "" };
    format!("{}{optional}", kinds.join("|"))
}

/// The kind with all of its fields, as far as somebody reads.
pub(super) fn whole(kind: &Kind) -> String {
    let whole = kind.to_string();
    match whole.char_indices().nth(WHOLE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_in_some_words() {
        let check = |kind: Kind, expected: &str| assert_eq!(summary(&kind), expected);
        let fields = |names: &[(&str, Kind)]| {
            let known = names.iter().map(|(name, kind)| ((*name).into(), kind.clone())).collect();
            Kind::object(Collection::from_parts(known, Kind::undefined()))
        };
        check(Kind::any_object(), "{…}");
        check(fields(&[]), "{}");
        check(
            fields(&[("b", Kind::bytes()), ("a", Kind::integer().or_undefined())]),
            "{a: integer?, b: string}",
        );
        let many: Vec<String> = (0..9).map(|number| format!("f{number}")).collect();
        let many: Vec<(&str, Kind)> =
            many.iter().map(|name| (name.as_str(), Kind::boolean().or_null())).collect();
        check(fields(&many), "{f0: boolean|null, f1: boolean|null, f2: boolean|null, … 6 more}");
        check(
            fields(&[
                ("x", Kind::any()),
                ("y", fields(&[])),
                ("z", Kind::array(Collection::any())),
            ]),
            "{x: any, y: {…}, z: […]}",
        );
    }
}
