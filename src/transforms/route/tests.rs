use expect_test::expect;
use pipeline_core::Outcome;

use super::*;
use crate::transforms::testing::{Bench, problems};

const RECORDS: [&str; 4] = ["{\"n\":1}", "{\"n\":5}", "{\"n\":9}", "{\"n\":\"x\"}"];

#[tokio::test]
async fn an_event_leaves_by_every_port_that_takes_it() {
    let bench = Bench::new::<Config>("route.odd = '.n != 4'\nroute.big = 'int!(.n) > 4'");
    expect![[r#"
        big> { "n": 5 }
        big> { "n": 9 }
        odd> { "n": 1 }
        odd> { "n": 5 }
        odd> { "n": 9 }
        odd> { "n": "x" }
        dropped> { "n": "x" } ("route.big line 1: int!(.n): expected integer, got string")
        DDDD"#]]
    .assert_eq(&bench.show(&RECORDS).await);
}

#[tokio::test]
async fn what_no_port_takes_is_unmatched_or_filtered() {
    let route = "route.big = 'int!(.n) > 4'\n";
    expect![[r#"
        big> { "n": 5 }
        big> { "n": 9 }
        _unmatched> { "n": 1 }
        dropped> { "n": "x" } ("route.big line 1: int!(.n): expected integer, got string")
        DDDD"#]]
    .assert_eq(&Bench::new::<Config>(route).show(&RECORDS).await);
    let bench = Bench::new::<Config>(&format!("{route}reroute_unmatched = false"));
    expect![[r#"
        big> { "n": 5 }
        big> { "n": 9 }
        dropped> { "n": "x" } ("route.big line 1: int!(.n): expected integer, got string")
        FDDD"#]]
    .assert_eq(&bench.show(&RECORDS).await);
}

#[tokio::test]
async fn of_exclusive_ports_the_first_takes_the_event() {
    let bench = Bench::new::<ExclusiveConfig>(
        "routes = [{ name = 'five', condition = '.n == 5' },
                   { name = 'big', condition = 'int!(.n) > 4' },
                   { name = 'any', condition = '.n == 9 || .n == \"x\"' }]",
    );
    expect![[r#"
        five> { "n": 5 }
        big> { "n": 9 }
        _unmatched> { "n": 1 }
        dropped> { "n": "x" } ("routes.1.condition line 1: int!(.n): expected integer, got string")
        DDDD"#]]
    .assert_eq(&bench.show(&RECORDS).await);
}

#[tokio::test]
async fn the_fate_of_an_event_is_the_worst_of_its_copies() {
    let bench = Bench::new::<Config>("route.a = 'true'\nroute.b = '.n == 5'");
    let (batches, receipt) = bench.pass(&mut *bench.worker(), &RECORDS[..2]);
    let [a, b, unmatched, dropped] = batches.try_into().expect("four ports");
    assert_eq!((a.len(), b.len(), unmatched.len(), dropped.len()), (2, 1, 0, 0));
    a.settle(Outcome::Delivered);
    b.settle(Outcome::Errored);
    assert_eq!(receipt.await.outcomes(), [Outcome::Delivered, Outcome::Errored]);
}

#[test]
fn mistakes_are_problems_at_their_options() {
    expect!["route: there is no port"].assert_eq(&problems::<Config>("route = {}"));
    expect![[r#"
        route: a port needs a name
        route._unmatched: the port `_unmatched` is there already, for what the others do not take
        route.dropped: the port `dropped` is there already, for what the others do not take
        route._unmatched: route._unmatched: the condition gives any, not true or false"#]]
    .assert_eq(&problems::<Config>("route = { dropped = 'true', _unmatched = '.a', '' = 'true' }"));
    expect![[r#"
        routes.1.name: there are two ports `a`
        routes.1.condition: routes.1.condition: the condition gives integer, not true or false"#]]
    .assert_eq(&problems::<ExclusiveConfig>(
        "routes = [{ name = 'a', condition = 'true' }, { name = 'a', condition = '1' }]",
    ));
}
