use std::{io, path::Path};

use expect_test::{Expect, expect};
use pipeline_core::Outcome;
use pipeline_core::{
    ComponentKind, Fit, Need, Prepared, Problem, TransformConfig, TransformContext,
    testing::{self, ManualClock},
};
use vrl::{path::OwnedValuePath, value::Kind};

use super::*;
use crate::program::{tables::Tables, tests::record_schema};

fn parse(toml: &str) -> Config {
    toml::from_str(toml).expect("a configuration")
}

fn prepare(toml: &str) -> Result<Prepared, Vec<Problem>> {
    let read_file = |path: &Path| match path.to_str() {
        Some("mine.vrl") => Ok(".mine = true".to_owned()),
        Some("wrong.vrl") => Ok("\n.a = 1 +".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let input = record_schema();
    parse(toml).prepare(&TransformContext {
        id: "map".into(),
        input,
        read_file: &read_file,
        tables: &Tables::default(),
    })
}

#[test]
fn a_setting_that_no_program_reads_or_that_cannot_be_is_a_problem_at_its_key() {
    let shown = |settings: &str| {
        let source = "source = '''
.mode = setting(\"mode\", \"copy\", choices: [\"copy\", \"rename\"])
.share = setting(\"share\", 1.5)
'''";
        let problems = problems(&format!("{source}\nsettings = {settings}"));
        let shown = problems.iter().map(|it| {
            format!("{}: {} ({})", it.key.join("."), it.message, it.fix.as_deref().unwrap_or("-"))
        });
        shown.collect::<Vec<_>>().join("\n")
    };
    expect!["settings.mode: the setting `mode` can't be `renam` (did you mean `rename`?)"]
        .assert_eq(&shown("{ mode = \"renam\" }"));
    expect![[r#"
        settings.mode: the setting `mode` has to be a string (-)
        settings.share: the setting `share` has to be a number (-)"#]]
    .assert_eq(&shown("{ mode = 1, share = true }"));
    expect![[r#"
        settings.moed: the program reads no setting `moed` (did you mean `mode`?)
        settings.other: the program reads no setting `other` (there are: mode, share)"#]]
    .assert_eq(&shown("{ moed = \"copy\", other = 1 }"));
}

#[tokio::test]
async fn settings_are_constants_of_the_type_that_their_default_has() {
    let toml = |settings: &str| {
        format!(
            "source = '. = {{ \"mode\": setting(\"mode\", \"copy\"), \"share\": setting(\"share\", 1.5) + 1 }}'\nsettings = {settings}"
        )
    };
    check(
        &toml("{}"),
        &["{}"],
        &expect![[r#"
        > { "mode": "copy", "share": 2.5 } null
        [Delivered]"#]],
    )
    .await;
    check(
        &toml("{ mode = \"other\", share = 2 }"),
        &["{}"],
        &expect![[r#"
        > { "mode": "other", "share": 3 } null
        [Delivered]"#]],
    )
    .await;
}

fn prepared(toml: &str) -> Prepared {
    prepare(toml).unwrap_or_else(|problems| panic!("{toml}: {problems:?}"))
}

fn problems(toml: &str) -> Vec<Problem> {
    prepare(toml).err().unwrap_or_else(|| panic!("{toml}: nothing wrong"))
}

/// Sends `records` through, and shows what leaves by each port, with the reason for what is dropped, and in the end
/// what became of each record.
async fn check(toml: &str, records: &[&str], expected: &Expect) {
    let prepared = prepared(toml);
    let metrics = testing::metrics(ComponentKind::Transform, "map");
    let clock: Arc<dyn Clock> = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
    let mut worker = prepared.factory.worker(&metrics, &clock);
    let (batch, receipt) = testing::batch(records);
    let mut outputs = Outputs::new(prepared.outputs.len());
    worker.transform(batch, &mut outputs);
    let mut seen = Vec::new();
    for (output, batch) in prepared.outputs.iter().zip(outputs.into_batches()) {
        for event in batch {
            let why = event
                .metadata()
                .get(&OwnedValuePath::single_field("dropped"))
                .cloned()
                .unwrap_or(Value::Null);
            let port = &output.port;
            seen.push(format!("{port}> {} {why}", event.value()));
            event.settle(Outcome::Delivered);
        }
    }
    let fates = receipt.await;
    seen.push(format!("{:?}", fates.outcomes()));
    expected.assert_eq(&seen.join("\n"));
}

#[tokio::test]
async fn events_go_on_split_fail_and_are_filtered() {
    let records = [
        "{\"n\":1}",
        "{\"n\":\"x\"}",
        "{\"skip\":true}",
        "{\"list\":[{\"n\":2},{\"n\":3}]}",
        "{\"list\":[]}",
    ];
    let source = r"source = '''
        .seen = true
        if .skip == true { abort }
        if is_array(.list) { . = array!(.list) } else { .n = int!(.n) + 1 }
    '''";
    check(source, &records, &expect![[r#"
        > { "n": 2, "seen": true } null
        > { "n": 2 } null
        > { "n": 3 } null
        dropped> { "n": "x" } { "component_id": "map", "message": "source line 3: int!(.n): expected integer, got string", "reason": "error" }
        [Delivered, Delivered, Filtered, Delivered, Filtered]"#]]).await;
    let passing = format!("{source}\ndrop_on_error = false\ndrop_on_abort = false");
    check(
        &passing,
        &records,
        &expect![[r#"
            > { "n": 2, "seen": true } null
            > { "n": "x" } null
            > { "skip": true } null
            > { "n": 2 } null
            > { "n": 3 } null
            [Delivered, Delivered, Delivered, Delivered, Filtered]"#]],
    )
    .await;
}

#[tokio::test]
async fn a_program_in_a_file_is_read_and_a_missing_one_can_be_built_in() {
    check(
        "file = 'mine.vrl'",
        &["{}"],
        &expect![[r#"
            > { "mine": true } null
            [Delivered]"#]],
    )
    .await;
    check(
        "file = './vrl/o365beat.vrl'",
        &["{\"Id\":\"1\",\"CreationTime\":\"2024-01-01T00:00:00\"}"],
        &expect![[r#"
            > { "@timestamp": t'2024-01-01T00:00:00Z', "CreationTime": "2024-01-01T00:00:00", "Id": "1", "event": { "id": "1" } } null
            [Delivered]"#]],
    )
    .await;
}

#[test]
fn mistakes_are_problems_with_the_option_and_the_diagnostic() {
    expect![[r#"
        [
            Problem {
                key: [
                    "source",
                ],
                message: "there is both a `file` and a `source`",
                fix: Some(
                    "give either `file` or `source`",
                ),
                detail: None,
                findings: [],
            },
        ]
    "#]]
    .assert_debug_eq(&problems("file = 'a'\nsource = 'b'"));
    expect![[r#"
        [
            Problem {
                key: [],
                message: "there is no program",
                fix: Some(
                    "give either `file` or `source`",
                ),
                detail: None,
                findings: [],
            },
        ]
    "#]]
    .assert_debug_eq(&problems(""));
    expect![[r#"
        [
            Problem {
                key: [
                    "file",
                ],
                message: "cannot read the program `absent.vrl`: entity not found",
                fix: None,
                detail: None,
                findings: [],
            },
        ]
    "#]]
    .assert_debug_eq(&problems("file = 'absent.vrl'"));
    expect![[r#"
        [
            Problem {
                key: [
                    "file",
                ],
                message: "wrong.vrl:2: syntax error (E204)",
                fix: None,
                detail: Some(
                    "error[E204]: syntax error\n  ┌─ wrong.vrl:2:9\n  │\n2 │ .a = 1 +\n  │         ^\n  │\n  │         unexpected end of program\n  │         expected one of: \"identifier\", \"string literal\", \"raw string literal\", \"integer literal\", \"float literal\", \"regex literal\", \"timestamp literal\", \"function call\", \"path literal\", \"null\", \"true\", \"false\", \"\\n\", \"!\", \"[\", \"{\", \"(\"\n  │\n  = see language documentation at https://vrl.dev\n  = try your code in the VRL REPL, learn more at https://vrl.dev/examples",
                ),
                findings: [
                    ProgramFinding {
                        file: Some(
                            "wrong.vrl",
                        ),
                        line: 2,
                        column: 9,
                        is_warning: false,
                        message: "syntax error (E204): unexpected end of program",
                        drawn: "error[E204]: syntax error\n  ┌─ wrong.vrl:2:9\n  │\n2 │ .a = 1 +\n  │         ^\n  │\n  │         unexpected end of program\n  │         expected one of: \"identifier\", \"string literal\", \"raw string literal\", \"integer literal\", \"float literal\", \"regex literal\", \"timestamp literal\", \"function call\", \"path literal\", \"null\", \"true\", \"false\", \"\\n\", \"!\", \"[\", \"{\", \"(\"\n  │\n  = see language documentation at https://vrl.dev\n  = try your code in the VRL REPL, learn more at https://vrl.dev/examples",
                    },
                ],
            },
        ]
    "#]].assert_debug_eq(&problems("file = 'wrong.vrl'"));
}

#[test]
fn outputs_carry_the_programs_kinds() {
    let fit = |schema: &Kind, kind: Kind, path: OwnedValuePath| {
        Need { path, kind, option: "test" }.fit(schema)
    };
    let id = || vrl::owned_value_path!("event", "id");
    let outputs = prepared("source = '''.event.id = .Id\n.n = int!(.n)'''").outputs;
    assert_eq!(outputs.len(), 2);
    assert_eq!(fit(&outputs[0].schema.event, Kind::bytes(), id()), Fit::Always);
    assert_eq!(outputs[1].port, "dropped");
    assert_eq!(outputs[1].schema.event, record_schema().event);
    let reason = vrl::owned_value_path!("dropped", "reason");
    assert_eq!(fit(&outputs[1].schema.metadata, Kind::bytes(), reason), Fit::Always);

    let passing = "drop_on_error = false\nsource = '''.event.id = .Id\n.n = int!(.n)'''";
    assert_eq!(parse(passing).ports(), Vec::<String>::new());
    let outputs = prepared(passing).outputs;
    assert_eq!(outputs.len(), 1);
    assert_eq!(fit(&outputs[0].schema.event, Kind::bytes(), id()), Fit::Sometimes);
}

#[test]
fn a_configuration_is_written_as_it_was_read() {
    let config = parse("file = 'mine.vrl'\ndrop_on_abort = false\ntimeout = '250ms'");
    assert_eq!(parse(&toml::to_string(&config).expect("TOML")), config);
    assert!(toml::from_str::<Config>("fil = 'x'").is_err());
}
