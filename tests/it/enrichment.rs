//! What programs are composed of and look values up in, from a configuration to the events that leave the program.

use std::{fs, path::Path, process::Command};

use expect_test::{Expect, expect};
use serde_json::json;

#[path = "../../src/program/tables/mmdb_writer.rs"]
mod mmdb_writer;

const MAPPING: &str = r#"
include "parts/place.vrl"
include "parts/staff.vrl"
.event.id = .Id
.event.kind = categorize(.Operation, .RecordType, .Workload).kind
.named = record_type_name(.RecordType)
"#;

const RIGHT: &str = r#"
data_dir = "state"
[enrichment_tables.staff]
type = "file"
path = "staff.csv"
schema = { since = "date" }
[enrichment_tables.operations]
type = "file"
path = "operations.csv"
[enrichment_tables.places]
type = "geoip"
path = "places.mmdb"
[sources.exports]
type = "file"
include = ["*.ndjson"]
[transforms.known]
type = "filter"
inputs = ["exports"]
condition = 'length(find_enrichment_table_records!("staff", { "login": .UserId })) > 0'
[transforms.map]
type = "remap"
inputs = ["known"]
file = "map.vrl"
settings = { team = "upper" }
[sinks.out]
type = "file"
inputs = ["map"]
path = "out"
"#;

/// A folder with all that `RIGHT` names.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let places = json!({ "country": { "iso_code": "NO", "names": { "en": "Norway" } } });
    let places = mmdb_writer::database("Contoso", &[("192.0.2.0/24", places)]);
    fs::create_dir(folder.path().join("parts")).expect("a folder");
    for (name, content) in [
        ("map.vrl", MAPPING.as_bytes()),
        ("parts/place.vrl", b".source = locate(.ClientIP)\n"),
        (
            "parts/staff.vrl",
            b"row = get_enrichment_table_record!(\"staff\", { \"login\": .UserId })
.team = if setting(\"team\", \"plain\", choices: [\"plain\", \"upper\"]) == \"upper\" { upcase(row.team) } else { row.team }
.since = row.since",
        ),
        ("staff.csv", b"login,team,since\nkim@contoso.example,Finance,2021-03-01\n"),
        ("operations.csv", b"operation,kind\nAlertTriggered,alert\n"),
        ("places.mmdb", &places),
        (
            "a.ndjson",
            br#"{"Id":"1","Operation":"AlertTriggered","RecordType":15,"CreationTime":"2024-01-01T00:00:00","UserId":"kim@contoso.example","ClientIP":"192.0.2.7"}
{"Id":"2","Operation":"AlertTriggered","RecordType":15,"CreationTime":"2024-01-01T00:00:00","UserId":"nobody@contoso.example"}
"#,
        ),
    ] {
        fs::write(folder.path().join(name), content).expect("it is written");
    }
    folder
}

/// What the program says to a command with this configuration.
fn o365flow(folder: &Path, arguments: &[&str], config: &str) -> String {
    fs::write(folder.join("o365flow.toml"), config).expect("it is written");
    let output = Command::new(env!("CARGO_BIN_EXE_o365flow"))
        .args(arguments)
        .arg("--no-strict-permissions")
        .current_dir(folder)
        .output()
        .expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).expect("text").trim().to_owned()
}

#[expect(clippy::needless_pass_by_value, reason = "so that a test reads well")]
fn check_validate(folder: &Path, (from, to): (&str, &str), expected: Expect) {
    assert!(RIGHT.contains(from), "{from}");
    let config = RIGHT.replace(from, to);
    let said = o365flow(folder, &["validate", "o365flow.toml"], &config);
    expected.assert_eq(&said);
}

#[test]
fn tables_settings_and_parts_reach_the_events() {
    let folder = folder();
    let said = o365flow(folder.path(), &["run", "--once", "--config", "o365flow.toml"], RIGHT);
    let out = fs::read_to_string(folder.path().join("out")).unwrap_or_else(|_| panic!("{said}"));
    expect![[r#"
        {"ClientIP":"192.0.2.7","CreationTime":"2024-01-01T00:00:00","Id":"1","Operation":"AlertTriggered","RecordType":15,"UserId":"kim@contoso.example","event":{"id":"1","kind":"alert"},"named":"AzureActiveDirectoryStsLogon","since":"2021-03-01T00:00:00Z","source":{"geo":{"country_iso_code":"NO","country_name":"Norway"}},"team":"FINANCE"}
    "#]].assert_eq(&out);
}

#[test]
fn validate_lists_what_it_has_read() {
    let folder = folder();
    let arguments = ["validate", "--files-read", "o365flow.toml"];
    expect![[r#"
        o365flow.toml: ok
          map.vrl
          parts/place.vrl
          parts/staff.vrl
          operations.csv
          places.mmdb
          staff.csv"#]]
    .assert_eq(&o365flow(folder.path(), &arguments, RIGHT));
    let config = RIGHT
        .replace("\"map.vrl\"", "\"vrl/flatten.vrl\"")
        .replace("settings = { team = \"upper\" }", "");
    expect![[r#"
        o365flow.toml: ok
          vrl/flatten.vrl (built in)
          operations.csv
          places.mmdb
          staff.csv"#]]
    .assert_eq(&o365flow(folder.path(), &arguments, &config));
}

#[test]
fn mistakes_of_tables_are_found_at_their_lines() {
    let folder = folder();
    let folder = folder.path();
    check_validate(
        folder,
        ("\"places.mmdb\"", "\"staff.csv\""),
        expect![[r#"
        error: o365flow.toml:12:1: cannot use `staff.csv`: it is no MaxMind database: invalid database: could not find MaxMind DB metadata in file
        1 error in the configuration"#]],
    );
    check_validate(
        folder,
        ("since = \"date\"", "sinc = \"date\", team = \"integer\""),
        expect![[r#"
            error: o365flow.toml:6:12: `staff.csv`: there is no column `sinc`
              fix: did you mean `since`?
            error: o365flow.toml:5:1: `staff.csv`: line 2: the cell in the column `team` is no integer
              fix: mend the cell, or take its column out of `schema`
            2 errors in the configuration"#]],
    );
}

#[test]
fn mistakes_of_settings_are_found_at_their_lines() {
    let folder = folder();
    let folder = folder.path();
    check_validate(
        folder,
        ("team = \"upper\"", "team = \"uper\""),
        expect![[r#"
        error: o365flow.toml:24:14: transform `map`: the setting `team` can't be `uper`
          fix: did you mean `upper`?
        1 error in the configuration"#]],
    );
    check_validate(
        folder,
        ("team = \"upper\"", "team = true, taem = 1"),
        expect![[r#"
        error: o365flow.toml:24:14: transform `map`: the setting `team` has to be a string
        error: o365flow.toml:24:27: transform `map`: the program reads no setting `taem`
          fix: did you mean `team`?
        2 errors in the configuration"#]],
    );
    check_validate(
        folder,
        ("team = \"upper\"", "team = [1]"),
        expect![[r#"
        error: o365flow.toml:24:21: expected a string, a number, `true` or `false`, found array
        1 error in the configuration"#]],
    );
}

#[test]
fn programs_that_name_no_table_column_or_part_are_told_so() {
    let folder = folder();
    let folder = folder.path();
    check_validate(
        folder,
        ("records!(\"staff\"", "records!(\"stuff\""),
        expect![[r#"
            error: o365flow.toml:19:1: transform `known`: condition line 1: there is no enrichment table "stuff" (E404)
                error[E610]: function compilation error: error[E404] there is no enrichment table "stuff"
                  ┌─ condition:1:8
                  │
                1 │ length(find_enrichment_table_records!("stuff", { "login": .UserId })) > 0
                  │        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
                  │        │
                  │        there is no enrichment table "stuff"
                  │        did you mean "staff"?
                  │
                  = see language documentation at https://vrl.dev
                  = try your code in the VRL REPL, learn more at https://vrl.dev/examples
            1 error in the configuration"#]],
    );
    check_validate(
        folder,
        ("{ \"login\": .UserId }", "{ \"logon\": .UserId }"),
        expect![[r#"
            error: o365flow.toml:19:1: transform `known`: condition line 1: the enrichment table "staff" has no column "logon" (E404)
                error[E610]: function compilation error: error[E404] the enrichment table "staff" has no column "logon"
                  ┌─ condition:1:8
                  │
                1 │ length(find_enrichment_table_records!("staff", { "logon": .UserId })) > 0
                  │        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
                  │        │
                  │        the enrichment table "staff" has no column "logon"
                  │        did you mean `login`?
                  │
                  = see language documentation at https://vrl.dev
                  = try your code in the VRL REPL, learn more at https://vrl.dev/examples
            1 error in the configuration"#]],
    );
    check_validate(
        folder,
        ("type = \"geoip\"", "type = \"geo\""),
        expect![[r#"
            error: o365flow.toml:11:8: `geo` is not one of: file, geoip, mmdb
            1 error in the configuration"#]],
    );
    fs::remove_file(folder.join("parts/place.vrl")).expect("it is there");
    check_validate(
        folder,
        ("data_dir", "data_dir"),
        expect![[r#"
        error: o365flow.toml:23:1: transform `map`: map.vrl:2: cannot read the part `parts/place.vrl`: No such file or directory (os error 2)
              ┌─ map.vrl:2:1
              │
            2 │ include "parts/place.vrl"
        1 error in the configuration"#]],
    );
}
