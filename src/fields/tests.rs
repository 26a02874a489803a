use expect_test::{Expect, expect};

use super::*;

const COLUMNS: &str = "field,type,shape,description\n";

fn check(rows: &str, expected: &Expect) {
    let shown = match read(&format!("{COLUMNS}{rows}")) {
        Ok(fields) => fields
            .iter()
            .map(|field| format!("{} {} {}", field.name, field.field_type, field.shape))
            .collect::<Vec<_>>()
            .join("\n"),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn the_description_in_the_binary_is_whole() {
    let fields = read(BUILT_IN).expect("it can be read");
    assert_eq!(fields, super::fields());
    for field in fields {
        assert_eq!(super::field(&field.name), Some(&field));
        let sentence = field.description.ends_with('.') && !field.description.contains('\n');
        assert!(sentence, "{}: {}", field.name, field.description);
    }
}

#[test]
fn rows_become_fields() {
    check(
        "a,keyword,scalar,A.\na.b,code,array,\"A, b.\"\n",
        &expect![[r"
            a keyword scalar
            a.b code array"]],
    );
}

#[test]
fn every_word_is_read_back() {
    for field_type in Type::ALL {
        for shape in Shape::ALL {
            let fields = read(&format!("{COLUMNS}a,{field_type},{shape},A.\n"));
            let fits = matches!(field_type, Type::Object | Type::Flattened) == shape.is_container();
            assert_eq!(fields.is_ok(), fits, "{field_type} {shape}");
        }
    }
}

#[test]
fn mistakes_are_told_with_their_line() {
    check("a,text,scalar,A.\n", &expect!["line 2: there is no type `text`"]);
    check("a,long,list,A.\n", &expect!["line 2: there is no shape `list`"]);
    check("a,object,scalar,A.\n", &expect!["line 2: type `object` cannot have shape `scalar`"]);
    check("a..b,long,scalar,A.\n", &expect!["line 2: `a..b` is not the name of a field"]);
    check("a,long,scalar,\n", &expect!["line 2: the description is empty"]);
    check(
        "b,long,scalar,B.\na,long,scalar,A.\n",
        &expect!["line 3: `a` belongs before the row above it, or stands twice"],
    );
    check(
        "a,long,scalar,A.\na,long,scalar,A.\n",
        &expect!["line 3: `a` belongs before the row above it, or stands twice"],
    );
}

#[test]
fn what_lies_in_a_flattened_field_is_not_mapped_on_its_own() {
    let mapped: Vec<&str> = mapped_fields().map(|field| field.name.as_str()).collect();
    assert!(mapped.contains(&"o365.audit.Members"), "{mapped:?}");
    assert!(field("o365.audit.Members.UPN").is_some());
    assert!(!mapped.contains(&"o365.audit.Members.UPN"), "{mapped:?}");
}
