use expect_test::expect;
use pipeline_core::Outcome;
use tokio::time::advance;

use super::*;
use crate::transforms::testing::{Bench, problems};

/// How many of `records` go on.
fn passed(bench: &Bench, records: &[&str]) -> usize {
    let (batches, receipt) = bench.pass(&mut *bench.worker(), records);
    let passed = batches[0].len();
    for batch in batches {
        batch.settle(Outcome::Delivered);
    }
    drop(receipt);
    passed
}

#[tokio::test(start_paused = true)]
async fn a_threshold_passes_at_once_and_the_allowance_grows_evenly() {
    let bench = Bench::new::<Config>("threshold = 4\nwindow = '1m'");
    assert_eq!(passed(&bench, &["{}"; 10]), 4);
    assert_eq!(passed(&bench, &["{}"]), 0, "workers share the allowance");
    advance(Duration::from_secs(14)).await;
    assert_eq!(passed(&bench, &["{}"; 10]), 0);
    advance(Duration::from_secs(1)).await;
    assert_eq!(passed(&bench, &["{}"; 10]), 1);
    advance(Duration::from_secs(30)).await;
    assert_eq!(passed(&bench, &["{}"; 10]), 2);
    advance(Duration::from_hours(1)).await;
    assert_eq!(passed(&bench, &["{}"; 10]), 4, "what is not used does not add up");
}

#[tokio::test(start_paused = true)]
async fn each_key_has_an_allowance_of_its_own() {
    let bench = Bench::new::<Config>("threshold = 1\nkey_field = 'user.id'");
    let (a, b) = ("{\"user\":{\"id\":\"a\"}}", "{\"user\":{\"id\":\"b\"}}");
    assert_eq!(passed(&bench, &[a, a, b, b, "{}", "{}"]), 3);
    advance(Duration::from_secs(1)).await;
    assert_eq!(passed(&bench, &[a, b]), 2);
}

#[tokio::test(start_paused = true)]
async fn excluded_events_do_not_count_and_what_is_dropped_is_filtered() {
    let bench = Bench::new::<Config>("threshold = 1\nexclude = 'int!(.n) > 5'");
    let records = ["{\"n\":9}", "{\"n\":1}", "{\"n\":8}", "{\"n\":2}", "{\"n\":\"x\"}"];
    expect![[r#"
        > { "n": 9 }
        > { "n": 1 }
        > { "n": 8 }
        dropped> { "n": "x" } ("exclude line 1: int!(.n): expected integer, got string")
        DDDFD"#]]
    .assert_eq(&bench.show(&records).await);
}

#[tokio::test(start_paused = true)]
async fn the_keys_that_are_remembered_are_bounded() {
    let allowances = Allowances::new(NonZeroU32::MIN, Duration::from_hours(1));
    for n in 0..i64::try_from(KEYS_MAX.get()).expect("it is small") + 10 {
        assert!(allowances.take(Some(Fingerprint::of([&n.into()])), Instant::now()));
    }
    let remembered = allowances.whole_at.lock().expect("nobody panicked").len();
    assert_eq!(remembered, KEYS_MAX.get());
}

#[test]
fn mistakes_are_problems_at_their_options() {
    expect![[r#"
        window: a window of no time lets nothing through
        exclude: exclude: the condition gives any, not true or false"#]]
    .assert_eq(&problems::<Config>("threshold = 1\nwindow = '0s'\nexclude = '.a'"));
    assert!(toml::from_str::<Config>("threshold = 0").is_err());
}
