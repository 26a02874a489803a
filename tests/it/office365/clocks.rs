//! A local clock that is wrong, by hours or days.

use std::time::Duration;

use chrono::TimeDelta;
use fake_tenant::{Fault, FaultTarget, Operation};

use o365flow::sources::office365::{Replay, Span};

use super::rig::{CONTOSO, Rig, history, simulate, start, tenant};

#[test]
fn a_clock_that_is_wrong_from_the_start_loses_nothing() {
    for hours in [-24 * 30, -24 * 3, -3, -1, 1, 3, 24 * 3, 24 * 30] {
        simulate(async || {
            let spec = tenant(CONTOSO, "contoso.example").with_history(history(5));
            let mut rig = Rig::new(vec![spec]);
            rig.clock_ahead = TimeDelta::hours(hours);
            // What a clock far ahead would call expired fails first.
            let fault = Fault::AfError { status: 500, code: "AF50000".to_owned() };
            rig.tenants.script(FaultTarget::operation(Operation::FetchBlob), fault, 5);
            rig.once().await.unwrap();
            rig.assert_exact();
        });
    }
}

#[test]
fn a_clock_that_goes_wrong_between_two_runs_loses_nothing_and_repeats_nothing() {
    for hours in [-24 * 3, -3, 24 * 3, 24 * 30] {
        simulate(async || {
            let mut week = history(6);
            week.end += TimeDelta::days(2) + TimeDelta::hours(30);
            let spec = tenant(CONTOSO, "contoso.example").with_history(week);
            let mut rig = Rig::new(vec![spec]);
            rig.once().await.unwrap();
            rig.clock_ahead = TimeDelta::hours(hours);
            rig.run_for(Duration::from_hours(20)).await.unwrap();
            rig.clock_ahead = TimeDelta::zero();
            rig.run_for(Duration::from_hours(20)).await.unwrap();
            rig.assert_exact();
        });
    }
}

#[test]
fn a_span_is_shipped_again_whole_by_a_clock_that_is_wrong() {
    for hours in [-24 * 3, 3, 24 * 3] {
        simulate(async || {
            let spec = tenant(CONTOSO, "contoso.example").with_history(history(7));
            let mut rig = Rig::new(vec![spec]);
            rig.clock_ahead = TimeDelta::hours(hours);
            let since = start() - TimeDelta::days(6) - TimeDelta::hours(23);
            let span = Span::new(since, start() - TimeDelta::days(1));
            rig.replay = Some(Replay { span, ..Replay::default() });
            rig.once().await.unwrap();
            assert!(rig.verify().missing.is_empty(), "{hours}");
        });
    }
}

#[test]
fn what_a_replay_has_listed_in_time_is_not_called_out_of_reach() {
    simulate(async || {
        let spec = tenant(CONTOSO, "contoso.example").with_history(history(8));
        let mut rig = Rig::new(vec![spec]);
        let since = start() - TimeDelta::days(7) + TimeDelta::minutes(6);
        let span = Span::new(since, start() - TimeDelta::days(1));
        rig.replay = Some(Replay { span, ..Replay::default() });
        // So long is its listing in coming that its first day is out of reach at the end.
        let fault = Fault::Hang(Duration::from_secs(25));
        rig.tenants.script(FaultTarget::operation(Operation::ListContent), fault, 100);
        rig.once().await.unwrap();
        assert!(rig.verify().missing.is_empty());
    });
}
