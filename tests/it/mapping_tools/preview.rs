//! `o365flow preview`.

use expect_test::{Expect, expect};

use super::{folder, o365flow, said};

const RECORDS: &str = r#"{"RecordType":6,"Operation":"FileAccessed","Size":1}
{"RecordType":6,"Operation":"FileAccessed","Size":20,"Details":"long long long long long"}
{"RecordType":6,"Operation":"FileDeleted","Size":1}
{"RecordType":99999,"Operation":"Odd","Size":"x"}
{"RecordType":"text"}
"#;

const TOPOLOGY: &str = r#"
[sources.records]
type = "file"
include = ["r.ndjson"]
schema = "any"

[transforms.map]
type = "remap"
inputs = ["records"]
source = "del(.Details)"

[transforms.few]
type = "filter"
inputs = ["map"]
condition = 'int!(.Size) < 10'

[sinks.out]
type = "blackhole"
inputs = ["few"]
"#;

fn check(arguments: &[&str], expected: &Expect) {
    let files = [
        ("r.ndjson", RECORDS),
        ("it.toml", TOPOLOGY),
        ("p.vrl", "if .Operation == \"Odd\" { abort }\ndel(.Details)\n.n = int!(.Size)\n"),
    ];
    let folder = folder(&files);
    let arguments = [&["--log", "off", "preview", "--input", "r.ndjson"], arguments].concat();
    expected.assert_eq(&said(&o365flow(&folder, &arguments, b"")));
}

#[test]
fn what_a_filter_keeps_is_counted_by_type_and_operation() {
    check(
        &["--filter", ".Operation != \"FileAccessed\""],
        &expect![[r#"
        0
        RECORD TYPE              OPERATION     EVENTS  KEPT  DROPPED  FAILED  BYTES  BYTES KEPT  KEPT %
        SharePointFileOperation  FileAccessed       2     0        2       0    142           0     0.0
        SharePointFileOperation  FileDeleted        1     1        0       0     51          51   100.0
        99999                    Odd                1     1        0       0     49          49   100.0
        text                     -                  1     1        0       0     21          21   100.0
        total                                       5     3        2       0    263         121    46.0
        --
    "#]],
    );
    check(
        &["--filter", "int!(.Size) < 10", "--format", "json"],
        &expect![[r#"
            1
            {"groups":[{"bytes":142,"bytes_kept":52,"bytes_kept_percent":36.6,"dropped":1,"events":2,"failed":0,"kept":1,"operation":"FileAccessed","record_type":"SharePointFileOperation"},{"bytes":51,"bytes_kept":51,"bytes_kept_percent":100.0,"dropped":0,"events":1,"failed":0,"kept":1,"operation":"FileDeleted","record_type":"SharePointFileOperation"},{"bytes":49,"bytes_kept":0,"bytes_kept_percent":0.0,"dropped":0,"events":1,"failed":1,"kept":0,"operation":"Odd","record_type":"99999"},{"bytes":21,"bytes_kept":0,"bytes_kept_percent":0.0,"dropped":0,"events":1,"failed":1,"kept":0,"operation":"-","record_type":"text"}],"total":{"bytes":263,"bytes_kept":103,"bytes_kept_percent":39.2,"dropped":1,"events":5,"failed":2,"kept":2}}
            --
            r.ndjson:4: filter line 1: int!(.Size): expected integer, got string
            r.ndjson:5: filter line 1: int!(.Size): expected integer, got null"#]],
    );
}

#[test]
fn a_program_goes_first() {
    check(
        &["--program", "p.vrl"],
        &expect![[r#"
        1
        RECORD TYPE              OPERATION     EVENTS  KEPT  DROPPED  FAILED  BYTES  BYTES KEPT  KEPT %
        SharePointFileOperation  FileAccessed       2     2        0       0    142         118    83.1
        SharePointFileOperation  FileDeleted        1     1        0       0     51          57   111.8
        99999                    Odd                1     0        1       0     49           0     0.0
        text                     -                  1     0        0       1     21           0     0.0
        total                                       5     3        1       1    263         175    66.5
        --
        r.ndjson:5: p.vrl:3: int!(.Size): expected integer, got null"#]],
    );
    check(
        &["--program", "p.vrl", "--filter", ".n == 1"],
        &expect![[r#"
        1
        RECORD TYPE              OPERATION     EVENTS  KEPT  DROPPED  FAILED  BYTES  BYTES KEPT  KEPT %
        SharePointFileOperation  FileAccessed       2     1        1       0    142          58    40.8
        SharePointFileOperation  FileDeleted        1     1        0       0     51          57   111.8
        99999                    Odd                1     0        1       0     49           0     0.0
        text                     -                  1     0        0       1     21           0     0.0
        total                                       5     2        2       1    263         115    43.7
        --
        r.ndjson:5: p.vrl:3: int!(.Size): expected integer, got null"#]],
    );
}

#[test]
fn a_transform_of_a_configuration_can_be_looked_at() {
    check(
        &["--config", "it.toml", "--transform", "few"],
        &expect![[r#"
            1
            RECORD TYPE              OPERATION     EVENTS  KEPT  DROPPED  FAILED  BYTES  BYTES KEPT  KEPT %
            SharePointFileOperation  FileAccessed       2     1        1       0    142          52    36.6
            SharePointFileOperation  FileDeleted        1     1        0       0     51          51   100.0
            99999                    Odd                1     0        0       1     49           0     0.0
            text                     -                  1     0        0       1     21           0     0.0
            total                                       5     2        1       2    263         103    39.2
            --
            r.ndjson:4: condition line 1: int!(.Size): expected integer, got string
            r.ndjson:5: condition line 1: int!(.Size): expected integer, got null"#]],
    );
    check(
        &["--config", "it.toml", "--transform", "map"],
        &expect![[r#"
        0
        RECORD TYPE              OPERATION     EVENTS  KEPT  DROPPED  FAILED  BYTES  BYTES KEPT  KEPT %
        SharePointFileOperation  FileAccessed       2     2        0       0    142         105    73.9
        SharePointFileOperation  FileDeleted        1     1        0       0     51          51   100.0
        99999                    Odd                1     1        0       0     49          49   100.0
        text                     -                  1     1        0       0     21          21   100.0
        total                                       5     5        0       0    263         226    85.9
        --
    "#]],
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    check(
        &["--filter", ".a"],
        &expect![[r#"
        2

        --
        error: the filter is no condition
        its last expression is its answer, as in `.Workload == "Exchange"`"#]],
    );
    check(
        &["--config", "it.toml"],
        &expect![[r#"
        2

        --
        error: name the transform by --transform"#]],
    );
    check(
        &["--config", "it.toml", "--transform", "mapp"],
        &expect![[r#"
            2

            --
            error: there is no transform `mapp`; did you mean `map`?"#]],
    );
    check(
        &[],
        &expect![[r#"
        2

        --
        error: the following required arguments were not provided:
          --filter <CONDITION>

        Usage: o365flow preview --input <FILE> --filter <CONDITION>

        For more information, try '--help'."#]],
    );
}
