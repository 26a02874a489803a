use std::fs;

use expect_test::{Expect as Expected, expect};
use tempfile::TempDir;

use super::*;

/// A folder with the program `p.vrl` and its records.
fn folder(program: &str, input: &str, output: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in [("p.vrl", program), ("p.input.ndjson", input), ("p.output.ndjson", output)]
    {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

fn report(folder: &TempDir, expect: Expect) -> String {
    let path = folder.path().to_owned();
    let report = run(std::slice::from_ref(&path), &Schema::any(), expect);
    report.to_string().replace(&format!("{}/", path.display()), "")
}

fn check(program: &str, input: &str, output: &str, expected: &Expected) {
    expected.assert_eq(&report(&folder(program, input, output), Expect::Same));
}

#[test]
fn the_programs_in_the_binary_do_what_their_golden_pairs_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vrl");
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let expect = if update { Expect::Update } else { Expect::Same };
    let report = run(&[folder], &crate::program::tests::record_schema(), expect);
    assert!(report.is_ok() && report.untested.is_empty(), "{report}");
    assert!(report.passed > 0, "{report}");
}

#[test]
fn a_program_that_does_as_expected_passes() {
    check(
        ".b = 1",
        "{\"a\": 1}\n\n{}\n",
        "{\"a\":1,\"b\":1}\n{\"b\":1}\n",
        &expect!["2 passed, 0 failed"],
    );
}

#[test]
fn a_difference_names_the_record_and_the_paths() {
    check(
        ".b = 1",
        "{}\n{\"a\": {\"c d\": [1, 2]}}\n",
        "{\"b\":1}\n{\"a\":{\"c d\":[1]},\"b\":\"1\"}\n",
        &expect![[r#"
            p.vrl: p.input.ndjson:2: the output differs
              .a."c d"[1]
                - nothing
                + 2
              .b
                - "1"
                + 1

            1 passed, 1 failed"#]],
    );
}

#[test]
fn splits_errors_and_aborts_are_outputs_as_well() {
    check(
        "if exists(.abort) { abort \"not wanted\" }\nif exists(.fail) { .x = to_int!(.fail) }\nif exists(.list) { . = .list }",
        "{\"abort\":1}\n{\"fail\":\"x\"}\n{\"list\":[{},{}]}\n",
        "{\"%dropped\":{\"reason\":\"abort\",\"message\":\"not wanted\"}}\n{\"%dropped\":{\"reason\":\"error\",\"message\":\"?\"}}\n[{},{}]\n",
        &expect![[r#"
            p.vrl: p.input.ndjson:2: the output differs
              ."%dropped".message
                - "?"
                + "p.vrl:2: to_int!(.fail): Invalid integer \"x\": invalid digit found in string"

            2 passed, 1 failed"#]],
    );
}

#[test]
fn a_program_that_does_not_compile_shows_the_diagnostic() {
    check(
        "\n.a = nonsense(1)",
        "{}",
        "{}",
        &expect![[r#"
            p.vrl: it does not compile
            error[E105]: call to undefined function
              ┌─ p.vrl:2:6
              │
            2 │ .a = nonsense(1)
              │      ^^^^^^^^
              │      │
              │      undefined function
              │      did you mean "basename"?
              │
              = learn more about error code 105 at https://errors.vrl.dev/105
              = see language documentation at https://vrl.dev
              = try your code in the VRL REPL, learn more at https://vrl.dev/examples

            0 passed, 1 failed"#]],
    );
}

#[test]
fn lines_that_are_missing_or_too_many_are_failures() {
    check(
        "true",
        "{}\n",
        "{}\n{}\n",
        &expect![[r#"
        p.output.ndjson: 1 more lines than there are records

        1 passed, 1 failed"#]],
    );
    check(
        "true",
        "{}\n{\"a\":1}\n",
        "{}\n",
        &expect![[r#"
            p.vrl: p.input.ndjson:2: the output differs
              .
                - nothing
                + {"a":1}

            1 passed, 1 failed"#]],
    );
    check(
        "true",
        "{}\n{\n",
        "{}\n",
        &expect![[r#"
        p.input.ndjson:2: not a JSON object: EOF while parsing an object at line 1 column 1

        0 passed, 1 failed"#]],
    );
}

#[test]
fn an_update_writes_what_the_program_does() {
    let folder = folder(".t = t'2024-01-01T00:00:00Z'", "{\"b\": 2, \"a\": 1}\n", "");
    expect![[r#"
        p.output.ndjson: written anew
        1 passed, 0 failed"#]]
    .assert_eq(&report(&folder, Expect::Update));
    expect!["1 passed, 0 failed"].assert_eq(&report(&folder, Expect::Same));
}

#[test]
fn a_program_without_records_is_said_to_be_untested() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("q.vrl"), "true").expect("a file");
    expect![[r#"
        q.vrl: no records beside it
        0 passed, 0 failed"#]]
    .assert_eq(&report(&folder, Expect::Same));
}
