use expect_test::expect;

use super::*;
use crate::transforms::testing::{Bench, problems};

/// Which of the records with the numbers 0 to 999 go on, each with one of ten users.
fn taken(toml: &str) -> Vec<usize> {
    let bench = Bench::new::<Config>(toml);
    let records: Vec<String> =
        (0..1000).map(|n| format!("{{\"n\":{n},\"user\":{}}}", n % 10)).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let (batches, _receipt) = bench.pass(&mut *bench.worker(), &records);
    let number = |event: &Event| {
        let number = event.value().get(vrl::path!("n")).and_then(vrl::value::Value::as_integer);
        usize::try_from(number.expect("it has one")).expect("it is small")
    };
    batches[0].events().iter().map(number).collect()
}

#[test]
fn the_share_is_about_what_was_asked_for() {
    for (toml, about) in
        [("rate = 10", 100_usize), ("ratio = 0.5", 500), ("rate = 1", 1000), ("ratio = 1.0", 1000)]
    {
        let taken = taken(toml).len();
        assert!(taken.abs_diff(about) <= about.min(1000 - about) / 3, "{toml}: {taken}");
    }
}

#[test]
fn an_event_that_comes_again_fares_as_before() {
    assert_eq!(taken("rate = 7"), taken("rate = 7"));
    let (third, half) = (taken("ratio = 0.3"), taken("ratio = 0.5"));
    assert!(third.iter().all(|number| half.contains(number)), "a larger share has the smaller one");
}

#[test]
fn events_with_the_same_key_stay_together() {
    let taken = taken("ratio = 0.5\nkey_field = 'user'");
    let users: std::collections::BTreeSet<usize> = taken.iter().map(|number| number % 10).collect();
    assert_eq!(taken.len(), users.len() * 100);
    assert!((1..10).contains(&users.len()), "{users:?}");
}

#[tokio::test]
async fn excluded_events_go_on_and_failures_are_told() {
    let bench = Bench::new::<Config>("ratio = 0.000001\nexclude = 'int!(.n) < 2'");
    let records = ["{\"n\":1}", "{\"n\":2}", "{\"n\":\"x\"}"];
    expect![[r#"
        > { "n": 1 }
        dropped> { "n": "x" } ("exclude line 1: int!(.n): expected integer, got string")
        DFD"#]]
    .assert_eq(&bench.show(&records).await);
}

#[test]
fn mistakes_are_problems_at_their_options() {
    expect![": it is not said how many events go on"].assert_eq(&problems::<Config>(""));
    expect![[r#"
        ratio: there is both a `rate` and a `ratio`
        exclude: exclude: the condition gives any, not true or false"#]]
    .assert_eq(&problems::<Config>("rate = 2\nratio = 0.5\nexclude = '.a'"));
    for ratio in ["0.0", "1.5", "-1.0", "nan"] {
        assert!(problems::<Config>(&format!("ratio = {ratio}")).starts_with("ratio: "), "{ratio}");
    }
}
