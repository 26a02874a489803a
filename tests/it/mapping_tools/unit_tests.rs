//! `o365flow test` on configurations and programs.

use expect_test::{Expect, expect};

use super::{folder, o365flow, said};

/// A topology with a transform of each sort, and nothing that could be reached.
const TOPOLOGY: &str = r#"
data_dir = "data"

[sources.records]
type = "file"
include = ["records.ndjson"]

[transforms.map]
type = "remap"
inputs = ["records"]
file = "map.vrl"

[transforms.level]
type = "route"
inputs = ["map"]
route.high = '.level == "high"'

[transforms.once]
type = "dedupe"
inputs = ["level.high"]
fields.match = ["id"]

[sinks.out]
type = "blackhole"
inputs = ["once", "level._unmatched"]
"#;

const MAP: &str = "include \"parts/level.vrl\"\n.id = .Id\n";

const LEVEL: &str = "if .Operation == \"FileDeleted\" {\n    .level = \"high\"\n} else if .Operation == \"Boom\" {\n    .n = to_int!(.n)\n} else {\n    .level = \"low\"\n}\n";

fn check(tests: &str, arguments: &[&str], expected: &Expect) {
    let topology = format!("{TOPOLOGY}{tests}");
    let files = [("it.toml", topology.as_str()), ("map.vrl", MAP), ("parts/level.vrl", LEVEL)];
    let folder = folder(&files);
    let arguments = [&["--log", "off", "test", "it.toml"], arguments].concat();
    expected.assert_eq(&said(&o365flow(&folder, &arguments, b"")));
}

const GOOD: &str = r#"
[[tests]]
name = "deletions are urgent"
no_outputs_from = ["level._unmatched", "map.dropped"]
[[tests.inputs]]
insert_at = "map"
log_fields = { Id = "1", Operation = "FileDeleted", CreationTime = "2026-01-02T03:04:05" }
[[tests.outputs]]
extract_from = "level.high"
conditions = [{ type = "vrl", source = 'assert_eq!(.id, "1"); .level == "high"' }]

[[tests]]
name = "copies go once"
[[tests.inputs]]
insert_at = "level"
type = "vrl"
source = '. = [{ "id": "1", "level": "high" }, { "id": "1", "level": "high" }]'
[[tests.outputs]]
extract_from = "once"

[[tests]]
name = "no test sees what another has sent"
input = { insert_at = "once", type = "raw", value = '{"id": "1"}' }
outputs = [{ extract_from = "once" }]

[[tests]]
name = "errors leave by their port"
input = { insert_at = "map", value = '{"Id": "2", "CreationTime": "", "Operation": "Boom", "n": "x"}' }
no_outputs_from = ["map"]
[[tests.outputs]]
extract_from = ["map.dropped"]
conditions = [{ source = '%dropped.reason == "error"' }]
"#;

#[test]
fn tests_of_a_topology_run_through_its_transforms() {
    check(
        GOOD,
        &[],
        &expect![[r#"
            0
            4 passed, 0 failed
            --
        "#]],
    );
    check(
        GOOD,
        &["--coverage"],
        &expect![[r#"
            0
            map.vrl: 1 of 1 statements ran (100.0 %)
            parts/level.vrl: 4 of 5 statements ran (80.0 %)
                      6  .level = "low"
            83.3 % of all statements ran
            4 passed, 0 failed
            --
        "#]],
    );
    check(
        GOOD,
        &["--coverage-min", "90"],
        &expect![[r#"
            1
            map.vrl: 1 of 1 statements ran (100.0 %)
            parts/level.vrl: 4 of 5 statements ran (80.0 %)
                      6  .level = "low"
            83.3 % of all statements ran
            4 passed, 0 failed
            --
            error: 83.3 % of the statements ran, not 90 %"#]],
    );
}

#[test]
fn a_test_that_fails_says_why() {
    let tests = r#"
[[tests]]
name = "wrong"
no_outputs_from = ["map"]
input = { insert_at = "map", log_fields = { Id = "1", CreationTime = "" } }
[[tests.outputs]]
extract_from = "map"
conditions = [
    { source = 'assert_eq!(.level, "high", "it has another level")' },
    { source = '.id == "2"' },
    { source = '.id == "1"' },
]
[[tests.outputs]]
extract_from = "level.high"
"#;
    check(
        tests,
        &[],
        &expect![[r#"
            1
            test `wrong`:
              no event that left by `map` meets all conditions
              {"CreationTime":"","Id":"1","id":"1","level":"low"}
                condition 1 line 1: assert_eq!(.level, "high", "it has another level"): it has another level
                condition 2 is false
              no event left by `level.high`
              something left by `map`
              {"CreationTime":"","Id":"1","id":"1","level":"low"}

            0 passed, 1 failed
            --
        "#]],
    );
    check(
        tests,
        &["--format", "json"],
        &expect![[r#"
            1
            {"coverage":null,"failed":1,"failures":[{"test":"wrong","why":"  no event that left by `map` meets all conditions\n  {\"CreationTime\":\"\",\"Id\":\"1\",\"id\":\"1\",\"level\":\"low\"}\n    condition 1 line 1: assert_eq!(.level, \"high\", \"it has another level\"): it has another level\n    condition 2 is false\n  no event left by `level.high`\n  something left by `map`\n  {\"CreationTime\":\"\",\"Id\":\"1\",\"id\":\"1\",\"level\":\"low\"}"}],"notes":[],"passed":0}
            --
        "#]],
    );
}

#[test]
fn a_test_that_makes_no_sense_is_a_mistake_of_the_configuration() {
    let tests = r#"
[[tests]]
name = "none"
[[tests]]
name = "odd"
no_outputs_from = ["level"]
[[tests.inputs]]
insert_at = "mapp"
log_fields = {}
[[tests.inputs]]
insert_at = "map"
type = "vrl"
source = ".a = "
[[tests.outputs]]
extract_from = "level.low"
conditions = [{ source = ".a" }]
"#;
    check(
        tests,
        &[],
        &expect![[r#"
            78

            --
            error: it.toml:27:1: test `none`: nothing goes in
              fix: add `[[tests.inputs]]`
            error: it.toml:27:1: test `none`: nothing is expected
              fix: add `[[tests.outputs]]` or `no_outputs_from`
            error: it.toml:33:1: test `odd`: there is no transform `mapp`
              fix: did you mean `map`?
            error: it.toml:38:1: test `odd`: source line 1: syntax error (E204)
                error[E204]: syntax error
                  ┌─ source:1:5
                  │
                1 │ .a =
                  │     ^
                  │     │
                  │     unexpected end of program
                  │     expected one of: "identifier", "string literal", "raw string literal", "integer literal", "float literal", "regex literal", "timestamp literal", "function call", "path literal", "if", "null", "true", "false", "abort", "return", "break", "\n", "_", "!", "[", "{", "("
                  │
                  = see language documentation at https://vrl.dev
                  = try your code in the VRL REPL, learn more at https://vrl.dev/examples
            error: it.toml:40:1: test `odd`: there is no output `level.low`
              fix: its outputs are: level.high, level._unmatched, level.dropped
            error: it.toml:41:17: test `odd`: condition 1: the condition gives any, not true or false
                its last expression is its answer, as in `.Workload == "Exchange"`
            error: it.toml:31:20: test `odd`: there is no output `level`
              fix: its outputs are: level.high, level._unmatched, level.dropped
            7 errors in the configuration"#]],
    );
}

#[test]
fn what_is_no_test_is_refused() {
    check(
        "[[tests]]\nnme = 1\n",
        &[],
        &expect![[r#"
        78

        --
        error: it.toml:27:1: unknown option `nme`
          fix: did you mean `name`?
        error: it.toml:26:1: `name` is missing
          fix: add `name = …`
        2 errors in the configuration"#]],
    );
    check(
        "",
        &[],
        &expect![[r#"
        78

        --
        error: the configuration has no tests
          fix: write some under `[[tests]]`
        1 error in the configuration"#]],
    );
}

#[test]
fn golden_records_say_what_of_the_programs_they_ran() {
    let files = [
        ("vrl/map.vrl", "include \"map/level.vrl\"\n.id = .Id\n"),
        ("vrl/map/level.vrl", LEVEL),
        ("vrl/map/level.input.ndjson", "{\"Id\":\"1\",\"Operation\":\"FileDeleted\"}\n"),
        (
            "vrl/map/level.output.ndjson",
            "{\"Id\":\"1\",\"Operation\":\"FileDeleted\",\"id\":\"1\",\"level\":\"high\"}\n",
        ),
    ];
    let folder = folder(&files);
    let run = |arguments: &[&str]| said(&o365flow(&folder, arguments, b""));
    expect![[r#"
        0
        vrl/map.vrl: no records beside it
        vrl/map.vrl: 1 of 1 statements ran (100.0 %)
        vrl/map/level.vrl: 2 of 5 statements ran (40.0 %)
                3-6  else if .Operation == "Boom" {
        50.0 % of all statements ran
        1 passed, 0 failed
        --
    "#]]
    .assert_eq(&run(&["test", "--coverage"]));
    expect![[r#"
        0
        {"coverage":{"files":[{"covered":1,"file":"vrl/map.vrl","not_run":[],"total":1},{"covered":2,"file":"vrl/map/level.vrl","not_run":[{"first_line":3,"last_line":6,"text":"else if .Operation == \"Boom\" {"}],"total":5}],"percent":50.0},"failed":0,"failures":[],"notes":["vrl/map.vrl: no records beside it"],"passed":1}
        --
    "#]].assert_eq(&run(&["test", "vrl", "--coverage", "--format", "json"]));
    expect![[r#"
        1
        vrl/map.vrl: 1 of 1 statements ran (100.0 %)
        vrl/map/level.vrl: 2 of 5 statements ran (40.0 %)
                3-6  else if .Operation == "Boom" {
        50.0 % of all statements ran
        1 passed, 0 failed
        --
        error: 50.0 % of the statements ran, not 60 %"#]]
    .assert_eq(&run(&["test", "vrl/map/level.vrl", "--coverage-min=60"]));
}
