//! `o365flow vrl FILE --input`.

use std::io::Write;

use expect_test::expect;
use flate2::{Compression, write::GzEncoder};

use super::{folder, o365flow, said};

const PROGRAM: &str = r#"if .skip == true { abort }
if exists(.list) { . = array!(.list) } else { .n = int!(.n) + 1 }
.mode = setting("mode", "copy")
"#;

const RECORDS: &str = r#"{"n":1}

{"n":"x"}
{"skip":true}
[1]
{"list":[{"n":2},{"n":3}]}
{"n":
"#;

#[test]
fn a_file_is_mapped_and_what_fails_is_told_with_its_line() {
    let program = PROGRAM.replace(".mode = setting(\"mode\", \"copy\")\n", "");
    let folder = folder(&[("p.vrl", &program), ("r.ndjson", RECORDS)]);
    let run = |more: &[&str]| {
        let arguments = [&["vrl", "p.vrl", "--input", "r.ndjson"], more].concat();
        said(&o365flow(&folder, &arguments, b""))
    };
    expect![[r#"
        1
        {"n":2}
        {"n":2}
        {"n":3}
        --
        r.ndjson:3: p.vrl:2: int!(.n): expected integer, got string
        r.ndjson:5: not an object
        r.ndjson:7: not valid JSON: EOF while parsing a value at line 1 column 5
        6 records: 3 events, 1 aborted, 3 failed"#]]
    .assert_eq(&run(&[]));
    expect![[r#"
        1

        --
        r.ndjson:3: p.vrl:2: int!(.n): expected integer, got string
        r.ndjson:5: not an object
        r.ndjson:7: not valid JSON: EOF while parsing a value at line 1 column 5"#]]
    .assert_eq(&run(&["--quiet", "--output", "out.ndjson"]));
    let written = std::fs::read_to_string(folder.path().join("out.ndjson")).expect("a file");
    expect![[r#"
        {"n":2}
        {"n":2}
        {"n":3}
    "#]]
    .assert_eq(&written);
}

#[test]
fn arrays_packed_files_and_standard_input_are_read() {
    let folder = folder(&[("p.vrl", ".b = setting(\"mode\", \"copy\")")]);
    let run = |more: &[&str], stdin: &[u8]| {
        let arguments = [&["vrl", "p.vrl", "--input", "-"], more].concat();
        said(&o365flow(&folder, &arguments, stdin))
    };
    expect![[r#"
        1
        {"a":1,"b":"copy"}
        {"a":2,"b":"copy"}
        --
        standard input:[3]: element 2 is not an object
        3 records: 2 events, 0 aborted, 1 failed"#]]
    .assert_eq(&run(&[], b"[{\"a\":1},\n{\"a\":2},3]"));
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"{\"a\":1}\n").expect("it is packed");
    let packed = packed.finish().expect("it is packed");
    expect![[r#"
        0
        {"a":1,"b":"rename"}
        --
        1 records: 1 events, 0 aborted, 0 failed"#]]
    .assert_eq(&run(&["--set", "mode=rename"], &packed));
}

#[test]
fn what_cannot_be_read_or_compiled_is_an_error() {
    let folder = folder(&[("p.vrl", ".a = 1 +"), ("r.ndjson", "{}")]);
    let run = |arguments: &[&str]| said(&o365flow(&folder, arguments, b""));
    expect![[r#"
        1

        --
        error: the program does not compile
        error[E204]: syntax error
          ┌─ p.vrl:1:9
          │
        1 │ .a = 1 +
          │         ^
          │
          │         unexpected end of program
          │         expected one of: "identifier", "string literal", "raw string literal", "integer literal", "float literal", "regex literal", "timestamp literal", "function call", "path literal", "null", "true", "false", "\n", "!", "[", "{", "("
          │
          = see language documentation at https://vrl.dev
          = try your code in the VRL REPL, learn more at https://vrl.dev/examples"#]].assert_eq(&run(&["vrl", "p.vrl", "--input", "r.ndjson"]));
    expect![[r#"
        1

        --
        error: cannot read the program `absent.vrl`: No such file or directory (os error 2)"#]]
    .assert_eq(&run(&["vrl", "absent.vrl", "--input", "r.ndjson"]));
    expect![[r#"
        1

        --
        error: cannot read records from `absent.ndjson`: No such file or directory (os error 2)"#]]
    .assert_eq(&run(&["vrl", "vrl/o365beat.vrl", "--input", "absent.ndjson"]));
}

#[test]
fn a_profile_names_the_statements() {
    let folder = folder(&[("p.vrl", ".a = 1\nif .a == 2 { .b = 1 }\n")]);
    let arguments = ["vrl", "p.vrl", "--input", "-", "--profile"];
    let output = o365flow(&folder, &arguments, b"{}\n{}\n");
    let said = said(&output);
    for part in ["TOTAL", "STATEMENT", "p.vrl:1: .a = 1", "p.vrl:2: if .a == 2", "for 2 records"] {
        assert!(said.contains(part), "no `{part}` in {said}");
    }
    assert!(!said.contains(".b = 1 }\n") || !said.contains("p.vrl:2: .b = 1"), "{said}");
}

#[test]
fn the_program_of_a_transform_runs_with_its_settings() {
    const SOURCE: &str =
        "[sources.records]\ntype = \"file\"\ninclude = [\"x\"]\nschema = \"any\"\n";
    const MAP: &str = "[transforms.map]\ntype = \"remap\"\ninputs = [\"records\"]\n\
                       file = \"p.vrl\"\nsettings.mode = \"rename\"\n";
    const FILTER: &str =
        "[transforms.map]\ntype = \"filter\"\ninputs = [\"records\"]\ncondition = \"true\"\n";
    const OTHER: &str =
        "[transforms.other]\ntype = \"remap\"\ninputs = [\"records\"]\nsource = \".\"\n";
    let topology = |transforms: &[&str], inputs: &str| {
        let sink = format!("[sinks.out]\ntype = \"blackhole\"\ninputs = [{inputs}]\n");
        [SOURCE, &transforms.concat(), &sink].concat()
    };
    let files = [
        ("p.vrl", ".mode = setting(\"mode\", \"copy\")\n"),
        ("one.toml", &*topology(&[MAP], "\"map\"")),
        ("two.toml", &*topology(&[MAP, OTHER], "\"map\", \"other\"")),
        ("none.toml", &*topology(&[FILTER], "\"map\"")),
    ];
    let folder = folder(&files);
    let run = |arguments: &[&str]| {
        said(&o365flow(&folder, &[&["vrl", "--quiet"], arguments].concat(), b"{}\n"))
    };
    expect![[r#"
        0
        {"mode":"rename"}
        --
    "#]]
    .assert_eq(&run(&["--config", "one.toml"]));
    expect![[r#"
        2

        --
        error: name one by --transform: `map`, `other` have programs"#]]
    .assert_eq(&run(&["--config", "two.toml"]));
    expect![[r#"
        0
        {}"#]]
    .assert_eq(
        &run(&["--config", "two.toml", "--transform", "other", "--profile"])
            .lines()
            .take(2)
            .collect::<Vec<_>>()
            .join("\n"),
    );
    expect![[r#"
        2

        --
        error: no transform `mapp` has a program, but `map`, `other`"#]]
    .assert_eq(&run(&["--config", "two.toml", "--transform", "mapp"]));
    expect![[r#"
        2

        --
        error: no transform of the configuration has a program"#]]
    .assert_eq(&run(&["--config", "none.toml"]));
}
