use std::io;

use pipeline_core::Schema;
use vrl::value::Kind;

use crate::program::{Place, Program, Source, Surroundings, compile_source};

/// Compiles a program of the parts `a`, `b`, … in this order.
fn compiled(parts: &[&str]) -> Result<Program, String> {
    let name = |number: usize| format!("{number}.vrl");
    let include = |part| format!("include {:?}", name(part));
    let includes: Vec<String> = (0..parts.len()).map(include).collect();
    let whole = includes.join("\n");
    let read = |path: &std::path::Path| {
        let text = (0..parts.len()).find(|part| path.to_str() == Some(name(*part).as_str()));
        text.map(|part| parts[part].to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    };
    Source::new(&whole, &Place::File("whole.vrl".into()), &read)
        .and_then(|source| compile_source(source, &Schema::any(), &Surroundings::default()))
        .map_err(|error| error.diagnostic)
}

/// What is known of `.` after the parts, and after the same text in one.
fn ends(parts: &[&str]) -> (Kind, Kind) {
    let kind = |parts: &[&str]| compiled(parts).expect("it compiles").output().event.clone();
    (kind(parts), kind(&[&parts.join("\n")]))
}

#[test]
fn what_is_known_in_the_end_is_what_the_whole_would_know() {
    for parts in [
        [".a = 1", ".b = { \"c\": \"x\", \"d\": 1 }", ".b.c = 2"],
        [".a = { \"x\": 1 }", "b = 2", ".a.y = b"],
        [".a = { \"x\": 1 }", ". = { \"new\": 1 }", ".b = .new + 1"],
        [".a = { \"x\": 1 }", ".a = { \"z\": \"q\" }", ".b = 1"],
        [".a = { \"x\": 1 }", "if .b == 1 { .a = \"text\" }", ".c = 1"],
        [".a = { \"x\": 1 }", "if .b == 1 { .a.x = \"text\" }", ".c = 1"],
        [".a = { \"x\": 1 }", ".c = 1", "del(.a)"],
        [".a = { \"x\": 1 }", ".a = .b", ".c = 1"],
        [".a = { \"x\": 1 }; .b = object(.c) ?? {}", ".a = .b", ".c = 1"],
    ] {
        let (pieces, whole) = ends(&parts);
        assert_eq!(pieces, whole, "{parts:?}");
    }
}

#[test]
fn what_is_not_known_any_more_can_be_anything() {
    let (pieces, whole) = ends(&[".a = { \"x\": 1, \"y\": 2 }", "del(.a.x)", ".z = true"]);
    assert!(pieces.is_superset(&whole).is_ok(), "{pieces} {whole}");
}

#[test]
fn variables_pass_from_piece_to_piece() {
    assert!(compiled(&["a = 1", ".b = a + 1"]).is_ok_and(|program| !program.is_fallible()));
}

#[test]
fn the_mistakes_of_all_pieces_are_told_without_what_follows_from_them() {
    let error = compiled(&["a = upcase(.x)", ".b = a", ".c = nonsense(1)"]).expect_err("wrong");
    let codes: Vec<&str> =
        error.lines().filter_map(|line| line.strip_prefix("error[")?.split(']').next()).collect();
    assert_eq!(codes, ["E103", "E105"], "{error}");
}

#[test]
fn a_return_ends_the_whole_program() {
    let program = compiled(&[".a = 1", "if .b == 1 { return . }", ".c = 1"]).expect("it compiles");
    assert_eq!(program.pieces.len(), 1);
}
