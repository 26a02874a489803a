use std::{io, path::Path, sync::Arc, time::Duration};

use expect_test::{Expect, expect};
use pipeline_core::{Event, Schema, testing};

use super::*;
use crate::program::{
    Place, Program, Runner, Source, Surroundings, compile_observed, compile_source,
};

fn parts(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("part.vrl") => {
            Ok("# A part.\n\nif .a == 1 {\n    .b = 1\n    .c = 1\n}\n.d = 1\n".into())
        }
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn source(text: &str) -> Source {
    Source::new(text, &Place::File("main.vrl".into()), &parts).expect("the parts are there")
}

fn observed(text: &str) -> Arc<Program> {
    let program = compile_observed(source(text), &Schema::any(), &Surroundings::default());
    Arc::new(program.unwrap_or_else(|error| panic!("{}", error.diagnostic)))
}

/// What a program makes of a record, or its failure.
fn result(program: &Arc<Program>, record: &str) -> String {
    let (batch, _receipt) = testing::batch(&[record]);
    let mut event: Event = batch.into_events().remove(0);
    let ended = Runner::new(Arc::clone(program), Duration::from_mins(1)).run(&mut event);
    format!("{ended:?} {}", event.value())
}

fn check(text: &str, records: &[&str], expected: &Expect) {
    let program = observed(text);
    let plain = compile_source(source(text), &Schema::any(), &Surroundings::default());
    let plain = Arc::new(plain.expect("it compiles"));
    assert_eq!(program.output().event, plain.output().event);
    assert_eq!(
        (program.is_fallible(), program.is_abortable()),
        (plain.is_fallible(), plain.is_abortable())
    );
    for record in records {
        assert_eq!(result(&program, record), result(&plain, record), "{record}");
    }
    let mut coverage = Coverage::default();
    coverage.add(&program, Path::new(""), "inline");
    let files = coverage.files();
    let files: Vec<String> = files.iter().map(ToString::to_string).collect();
    expected.assert_eq(&files.join("\n"));
}

#[test]
fn what_did_not_run_is_told_with_its_lines() {
    let text = ".x = 1\nif .a == 1 {\n    .b = 1\n    .c = [\n        2,\n    ]\n} else if .a == 2 {\n    .d = 1\n}\n.e = 1";
    check(
        text,
        &["{\"a\":1}"],
        &expect![[r#"
            main.vrl: 5 of 7 statements ran (71.4 %)
                    7-9  else if .a == 2 {"#]],
    );
    check(text, &["{\"a\":1}", "{\"a\":2}"], &expect!["main.vrl: 7 of 7 statements ran (100.0 %)"]);
    check(
        text,
        &["{}"],
        &expect![[r#"
            main.vrl: 4 of 7 statements ran (57.1 %)
                    3-6  .b = 1
                      8  .d = 1"#]],
    );
}

#[test]
fn parts_are_files_of_their_own() {
    check(
        ".first = 1\ninclude \"part.vrl\"\n",
        &["{}"],
        &expect![[r#"
        main.vrl: 1 of 1 statements ran (100.0 %)
        part.vrl: 2 of 4 statements ran (50.0 %)
                4-5  .b = 1"#]],
    );
}

#[test]
fn blocks_are_found_wherever_they_stand() {
    let text = r#"x = if .a == 1 { "one" } else { "other" }
.y = { "in": [{ if .a == 2 { "two" } else { null } }] }
.z = !({ .q = 1
  true })
. = map_values(.) -> |value| {
    if value == 9 { "nine" } else { value }
}
.w = ({ if .a == 3 { 3 } else { 4 } }) + 1
.v = to_int(.a) ?? { 7 }
if { z = 1; z == 2 } { .never = x }"#;
    check(
        text,
        &["{\"a\":1}"],
        &expect![[r#"
            main.vrl: 18 of 24 statements ran (75.0 %)
                      1  "other"
                      2  "two"
                      6  "nine"
                      8  3
                      9  7
                     10  .never = x"#]],
    );
}

#[test]
fn ends_before_the_last_statement_are_seen() {
    let text = "if .a == 1 { abort \"enough\" }\nif .a == 2 { return . }\n.b = to_int!(.a)\n.c = 1";
    check(
        text,
        &["{\"a\":1}", "{\"a\":2}", "{\"a\":\"x\"}"],
        &expect![[r#"
        main.vrl: 5 of 6 statements ran (83.3 %)
                  4  .c = 1"#]],
    );
}

#[test]
fn a_profile_names_what_ran_the_dearest_first() {
    let text = "x = 0\nfor_each(array!(.list)) -> |_i, v| {\n    x = x + int!(v)\n}\n.x = x";
    let program = observed(text);
    result(&program, "{\"list\":[1,2,3]}");
    result(&program, "{\"list\":[]}");
    let mut costs = profile(&program);
    assert!(costs.is_sorted_by(|one, next| one.time >= next.time), "{costs:?}");
    costs.sort_by(|one, other| one.statement.cmp(&other.statement));
    let shown = costs.iter().map(|cost| format!("{} x {}", cost.runs, cost.statement));
    expect![[r#"
        2 x main.vrl:1: x = 0
        2 x main.vrl:2: for_each(array!(.list)) -> |_i, v| {
        3 x main.vrl:3: x = x + int!(v)
        2 x main.vrl:5: .x = x"#]]
    .assert_eq(&shown.collect::<Vec<_>>().join("\n"));
}
