//! Files that are broken, and records that are none.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_no_record_is_kept_and_the_rest_goes_on() {
    let bench = Bench::new();
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(3000));
    let lines = ["no json", "{\"Id\":1}", "[1]", &long, &record(1), "{\"Id\":\"x\"", "\u{fffd}"];
    bench.write("a.ndjson", [record(0).as_str(), &lines.join("\n"), "\u{0}\n"].join("\n"));
    bench.append("a.ndjson", b"{\"Id\":\"\xff\"}\n");
    bench.write("b.json", format!("[{}, 5, {long}, {}]", record(2), record(3)));
    bench.write(
        "c.csv",
        format!(
            "x,AuditData\n1\n1,\n1,'{}'\n1,\"{}\"\n",
            record(4),
            record(5).replace('"', "\"\"")
        ),
    );
    assert_eq!(bench.read("record_bytes_max = \"1KB\"").await, ["0", "1", "2", "3", "5"]);
    expect_test::expect![[r#"
        a.ndjson@48 record is not valid JSON: expected ident at line 1 column 2
        a.ndjson@56 `Id` of the record is not a string
        a.ndjson@65 record is not an object
        a.ndjson@69 record has 3008 bytes, more than the limit
        a.ndjson@3126 record is not valid JSON: EOF while parsing an object at line 1 column 9
        a.ndjson@3136 record is not valid JSON: expected value at line 1 column 1
        a.ndjson@3140 record is not valid JSON: expected value at line 1 column 1
        a.ndjson@3142 record is not valid UTF-8
        b.json@1 element 1 is not an object
        b.json@2 element 2 has 3008 bytes, more than the limit
        c.csv@12 row has 1 fields, and the header 2
        c.csv@14 record is not valid JSON: EOF while parsing a value at line 1 column 0
        c.csv@17 row has 3 fields, and the header 2"#]]
    .assert_eq(&bench.letters().join("\n"));
    assert_eq!(bench.read("record_bytes_max = \"1KB\"").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_read_is_an_error_at_the_end_and_holds_up_no_other() {
    let whole = gzip([record(1), record(2)].join("\n").as_bytes());
    for (content, reason) in [
        (&b"a,b\n1,2\n"[..], "is no CSV with a column `AuditData`, nor JSON"),
        (b"[{\"Id\":1}", "is no array of records"),
        (b"[{}] x", "is no array of records"),
        (&whole[..whole.len() - 9], "cannot read `"),
    ] {
        let bench = Bench::new();
        bench.write("0-bad", content);
        bench.write("1-good.ndjson", record("good"));
        let ran = bench
            .run(bench.config(""), RunMode::Once, |_| Some(Outcome::Delivered), async |_, _| {})
            .await;
        let error = ran.result.expect_err("it cannot be read").to_string();
        assert!(error.contains(reason), "{error}");
        assert!(ran.ids.contains(&"good".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_before_the_place_that_cannot_be_read_is_delivered() {
    let packed = gzip((0..20_000).map(|n| record(n) + "\n").collect::<String>().as_bytes());
    for content in [
        format!("[{}, {}, {}", record(0), record(1), &record(2)[..20]).as_bytes(),
        format!("[{}, {}] [", record(0), record(1)).as_bytes(),
        &packed[..packed.len() / 2],
    ] {
        let bench = Bench::new();
        bench.write("bad", content);
        let ran = bench
            .run(bench.config(""), RunMode::Once, |_| Some(Outcome::Delivered), async |_, _| {})
            .await;
        ran.result.expect_err("it cannot be read to its end");
        assert!(ran.ids.starts_with(&["0".to_owned(), "1".to_owned()]), "{:?}", ran.ids);
    }
}
