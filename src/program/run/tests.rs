use pipeline_core::{EventAck, Origin, Record};
use vrl::value::ObjectMap;

use super::*;
use crate::program::{Place, compile, tests::record_schema};

/// Runs `source` on a record with an `Id` and an object `o`, for `timeout` at most, and gives what is there then.
fn run(source: &str, timeout: Duration) -> (Event, Result<Root, Failure>) {
    let program = compile(source, &Place::Inline, &record_schema()).expect("it compiles");
    let record = r#"{"Id":"1","CreationTime":"","o":{"a":1,"b":[1,2]},"x":"text"}"#;
    let metadata = Value::Object(ObjectMap::from([("m".into(), Value::from(1))]));
    let record = Record::read(record.as_bytes()).expect("a record");
    let mut event = Event::of(record, Origin::new("test", metadata), EventAck::unattended());
    let ended = Runner::new(Arc::new(program), timeout).run(&mut event);
    (event, ended)
}

fn check_undone(writes: &str) {
    let (before, _) = run("true", Duration::MAX);
    for (end, kind) in [
        ("abort", FailureKind::Abort),
        ("to_int!(.x)", FailureKind::Error),
        (". = null", FailureKind::Error),
        (". = [1]", FailureKind::Error),
    ] {
        // The condition is always true; the compiler does not know it.
        let source = format!("x = .x\n{writes}\nif x == \"text\" {{ {end} }}");
        let source = source.replace("to_int!(.x)", "to_int!(x)");
        let (after, ended) = run(&source, Duration::MAX);
        assert_eq!(ended.map_err(|failure| failure.kind), Err(kind), "{source}");
        assert_eq!(after.value(), before.value(), "{source}");
        assert_eq!(after.metadata(), before.metadata(), "{source}");
    }
}

#[test]
fn a_failed_run_leaves_the_event_as_it_was() {
    check_undone(".new = 1");
    check_undone(".o.a = 2\n.o.c.d = 3\n.o = 4");
    check_undone("del(.o.b)\ndel(.x)\n.o.b = 1");
    check_undone("del(.o)\n.o = 1\ndel(.o)");
    check_undone(".o.b[0] = 5\n.o.b[-9] = 5");
    check_undone(".Id = 1\n. = { \"a\": 1 }\n.b = 2\n. = { \"c\": 3 }");
    check_undone("del(.)");
    check_undone(". = { \"o\": del(.) }\n.o.o.a = 2\ndel(.o.x)");
    check_undone(".o.a = 2\n. = { \"o\": del(.) }");
    check_undone("%n = 1\ndel(.)\n.a = 1\ndel(.)");
    check_undone(". = [{}]");
    check_undone("%m = 2\n%n = 3\ndel(%m)");
    check_undone("% = {}");
    check_undone(". |= { \"o\": 1 }");
}

#[test]
fn what_a_failed_run_took_out_can_be_taken_out_again() {
    let (mut event, ended) = run("del(.)\nabort", Duration::MAX);
    assert_eq!(ended.map_err(|failure| failure.kind), Err(FailureKind::Abort));
    let (taken, unread) = event.unread().expect("it is what was read");
    event.read_again(unread);
    assert_eq!(event.value(), &taken);
    event.take_value();
    assert!(event.unread().is_none(), "it is not what was read any more");
}

#[test]
fn an_array_at_the_root_is_taken_out() {
    let (_, ended) = run(". = [{ \"a\": 1 }, {}]", Duration::MAX);
    let first = Value::Object(ObjectMap::from([("a".into(), Value::from(1))]));
    assert_eq!(ended, Ok(Root::Objects(vec![first, Value::Object(ObjectMap::new())])));
    let (_, ended) = run("if .x != 1 { . = [] }", Duration::MAX);
    assert_eq!(ended, Ok(Root::Objects(Vec::new())));
}

#[test]
fn a_run_that_takes_too_long_is_ended_and_undone() {
    let loops = "
        .o = 1
        list = split(repeat_text(), \"\")
        for_each(list) -> |_, _| { for_each(list) -> |_, _| { for_each(list) -> |_, _| { .n = 1 } } }
    ";
    let list = format!("{:?}", "x".repeat(2000));
    let source = loops.replace("repeat_text()", &list);
    let (after, ended) = run(&source, Duration::from_millis(20));
    let failure = ended.expect_err("it is ended");
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.message, "the program ran for longer than 20ms");
    assert_eq!(after.value(), run("true", Duration::MAX).0.value());
}

#[test]
fn metadata_can_be_read_and_written() {
    let (event, _) = run("%n = .Id\n.m = %m", Duration::MAX);
    assert_eq!(event.metadata().get(&vrl::owned_value_path!("n")), Some(&Value::from("1")));
    assert_eq!(event.at(&vrl::owned_value_path!("m")), Some(&Value::from(1)));
}
