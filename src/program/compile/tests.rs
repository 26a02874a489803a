use expect_test::{Expect, expect};
use pipeline_core::{Fit, Need};
use vrl::path::parse_value_path;

use super::*;
use crate::program::tests::record_schema;

fn check_error(source: &str, place: &Place, expected: &Expect) {
    let error = compile(source, place, &record_schema()).expect_err("it does not compile");
    expected.assert_eq(&format!("{}\n\n{}", error.message, error.diagnostic));
}

fn check_fit(source: &str, path: &str, kind: Kind, expected: Fit) {
    let program = compile(source, &Place::Inline, &record_schema()).expect("it compiles");
    let need = Need { path: parse_value_path(path).expect("a path"), kind, option: "test" };
    assert_eq!(need.fit(&program.output().event), expected, "{source}");
}

#[test]
fn an_error_has_its_file_and_line_and_the_compilers_drawing() {
    let place = Place::File("vrl/mine.vrl".into());
    check_error(
        ".a = 1\n.b = upcase(.Operation)\n.c = nonsense(1)\n",
        &place,
        &expect![[r#"
        vrl/mine.vrl:2: unhandled fallible assignment (E103)

        error[E103]: unhandled fallible assignment
          ┌─ vrl/mine.vrl:2:6
          │
        2 │ .b = upcase(.Operation)
          │ ---- ^^^^^^^^^^^^^^^^^^
          │ │    │
          │ │    this expression is fallible because at least one argument's type cannot be verified to be valid
          │ │    update the expression to be infallible by adding a `!`: `upcase!(.Operation)`
          │ │    `.Operation` argument type is `any` and this function expected a parameter `value` of type `string`
          │ or change this to an infallible assignment:
          │ .b, err = upcase(.Operation)
          │
          = see documentation about error handling at https://errors.vrl.dev/#handling
          = see functions characteristics documentation at https://vrl.dev/expressions/#function-call-characteristics
          = learn more about error code 103 at https://errors.vrl.dev/103
          = see language documentation at https://vrl.dev
          = try your code in the VRL REPL, learn more at https://vrl.dev/examples

        error[E105]: call to undefined function
          ┌─ vrl/mine.vrl:3:6
          │
        3 │ .c = nonsense(1)
          │      ^^^^^^^^
          │      │
          │      undefined function
          │      did you mean "basename"?
          │
          = learn more about error code 105 at https://errors.vrl.dev/105
          = see language documentation at https://vrl.dev
          = try your code in the VRL REPL, learn more at https://vrl.dev/examples"#]],
    );
}

#[test]
fn an_error_in_the_configuration_counts_the_lines_of_the_option() {
    check_error(
        "\n.a = ",
        &Place::Inline,
        &expect![[r#"
        source line 2: syntax error (E204)

        error[E204]: syntax error
          ┌─ source:2:5
          │
        2 │ .a =
          │     ^
          │     │
          │     unexpected end of program
          │     expected one of: "identifier", "string literal", "raw string literal", "integer literal", "float literal", "regex literal", "timestamp literal", "function call", "path literal", "if", "null", "true", "false", "abort", "return", "break", "\n", "_", "!", "[", "{", "("
          │
          = see language documentation at https://vrl.dev
          = try your code in the VRL REPL, learn more at https://vrl.dev/examples"#]],
    );
}

#[test]
fn a_program_that_leaves_no_object_is_an_error() {
    check_error(
        ". = [1, 2]",
        &Place::Inline,
        &expect![[r#"
        source: the program never leaves an object at the root

        an event is an object: the last value given to `.` must be one, or an array of them"#]],
    );
}

#[test]
fn the_output_kind_is_the_compilers() {
    check_fit(".event.id = .Id", "event.id", Kind::bytes(), Fit::Always);
    check_fit("if .x == 1 { .event.id = .Id }", "event.id", Kind::bytes(), Fit::Sometimes);
    check_fit(".event.id = 1", "event.id", Kind::bytes(), Fit::WrongKind);
    check_fit("del(.Id)", "Id", Kind::bytes(), Fit::Never);
    check_fit("true", "Id", Kind::bytes(), Fit::Always);
}

#[test]
fn an_array_at_the_root_has_the_kind_of_its_elements() {
    check_fit(". = [{ \"a\": .Id }, { \"a\": \"x\" }]", "a", Kind::bytes(), Fit::Always);
    check_fit(". = [{ \"a\": .Id }, { \"b\": \"x\" }]", "a", Kind::bytes(), Fit::Sometimes);
    check_fit("if .x == 1 { . = [{ \"a\": 1 }] }", "Id", Kind::bytes(), Fit::Sometimes);
}

#[test]
fn nothing_is_promised_across_a_return() {
    check_fit(
        "if .x == 1 { return . }\n.event.id = .Id",
        "event.id",
        Kind::bytes(),
        Fit::Sometimes,
    );
    check_fit(".a = 1\nif .x == 1 { return . }\n.a = \"x\"", "a", Kind::bytes(), Fit::Sometimes);
}

#[test]
fn a_warning_is_not_an_error() {
    let program = compile("upcase(.Id)\n.a = 1", &Place::Inline, &record_schema());
    let warnings = program.expect("it compiles").warnings().cloned().expect("a warning");
    expect!["source line 1: unused result for function call `upcase(.Id)` (E900)"]
        .assert_eq(&warnings.message);
}

#[test]
fn nobody_asks_for_the_value_of_the_last_statement() {
    for source in [". = { \"a\": . }", "if .Id == \"1\" { .a = . }", ".a = 1\n.b = ."] {
        let program = compile(source, &Place::Inline, &record_schema()).expect("it compiles");
        assert!(program.result.kind().is_null(), "{source}");
    }
}
