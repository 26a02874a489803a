//! A local clock that is wrong, by hours or days.

use std::time::Duration;

use chrono::TimeDelta;
use fake_tenant::{Fault, FaultTarget, Operation};

use super::rig::{CONTOSO, Rig, history, simulate, tenant};

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
