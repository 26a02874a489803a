//! Subscriptions, and tenants that do not get in each other's way.

use std::time::Duration;

use chrono::TimeDelta;
use fake_tenant::{
    ContentType, Fault, FaultTarget, NewBlob, NewContent, Operation, Role, TenantSpec,
};

use super::rig::{CONTOSO, FABRIKAM, Rig, history, simulate, start, tenant};

#[test]
fn a_tenant_that_cannot_sign_in_does_not_hold_up_another() {
    let ((), metrics) = simulate(async || {
        let mut locked_out = tenant(CONTOSO, "contoso.example").with_history(history(1));
        locked_out.client_secret = "another".to_owned();
        let fine = tenant(FABRIKAM, "fabrikam.example").with_history(history(2));
        let rig = Rig::new(vec![locked_out, fine]);
        let began = tokio::time::Instant::now();
        let error = rig.once().await.unwrap_err().to_string();
        assert!(error.contains("contoso Audit.Exchange: "), "{error}");
        assert!(!error.contains("fabrikam"), "{error}");
        assert!(rig.verify_tenant(Some(FABRIKAM)).is_exact());
        assert!(began.elapsed() < Duration::from_mins(2));
    });
    assert!(metrics.sum("component_errors_total", &["listing_failed"]) >= 5);
}

#[test]
fn a_feed_without_permission_does_not_hold_up_the_others() {
    simulate(async || {
        let mut spec = tenant(CONTOSO, "contoso.example").with_history(history(3));
        spec.roles.remove(&Role::ReadDlp);
        let rig = Rig::new(vec![spec]);
        let error = rig.once().await.unwrap_err().to_string();
        assert!(error.contains("contoso DLP.All: "), "{error}");
        assert!(error.contains("AF10001") && !error.contains("Audit."), "{error}");
    });
}

#[test]
fn a_throttled_tenant_does_not_hold_up_another() {
    simulate(async || {
        let throttled = tenant(CONTOSO, "contoso.example").with_history(history(4));
        let fine = tenant(FABRIKAM, "fabrikam.example").with_history(history(5));
        let rig = Rig::new(vec![throttled, fine]);
        let target = FaultTarget::default().of_tenant(CONTOSO);
        rig.tenants.script(target, Fault::Throttle, 1_000_000);
        rig.run_for(Duration::from_mins(1)).await.unwrap();
        assert!(rig.verify_tenant(Some(FABRIKAM)).is_exact());
    });
}

#[test]
fn a_slow_tenant_does_not_hold_up_another_and_shows_in_its_own_metrics_only() {
    let ((), metrics) = simulate(async || {
        let slow = tenant(CONTOSO, "contoso.example").with_history(history(4));
        let fine = tenant(FABRIKAM, "fabrikam.example").with_history(history(5));
        let rig = Rig::new(vec![slow, fine]);
        let target = FaultTarget::default().of_tenant(CONTOSO);
        rig.tenants.script(target, Fault::Hang(Duration::from_mins(10)), 1_000_000);
        rig.run_for(Duration::from_mins(3)).await.unwrap();
        assert!(rig.verify_tenant(Some(FABRIKAM)).is_exact());
    });
    let requests = |labels: &[&str]| metrics.sum("o365_api_requests_total", labels);
    assert!(requests(&["tenant=\"contoso\"", "status=\"none\""]) > 0);
    let fine = requests(&["tenant=\"fabrikam\""]);
    assert!(fine > 0);
    assert_eq!(requests(&["tenant=\"fabrikam\"", "status=\"200\""]), fine);
}

#[test]
fn what_is_not_subscribed_to_is_started_once() {
    let ((), metrics) = simulate(async || {
        let mut spec: TenantSpec = tenant(CONTOSO, "contoso.example").with_history(history(6));
        spec.subscribed.remove(&fake_tenant::ContentType::Exchange);
        let rig = Rig::new(vec![spec]);
        rig.run_for(Duration::from_hours(1)).await.unwrap();
        rig.assert_exact();
        assert_eq!(rig.tenants.stats().requests_of(Operation::StartSubscription), 1);
        // An administrator disables another; it is started again.
        rig.tenants.disable_subscription(CONTOSO, ContentType::General);
        rig.run_for(Duration::from_hours(1)).await.unwrap();
        assert_eq!(rig.tenants.stats().requests_of(Operation::StartSubscription), 2);
    });
    assert_eq!(metrics.sum("o365_subscription_enabled", &[]), 5);
}

#[test]
fn a_start_that_fails_is_repeated_after_15_minutes() {
    simulate(async || {
        let mut spec = tenant(CONTOSO, "contoso.example");
        spec.subscribed.remove(&ContentType::Exchange);
        let rig = Rig::new(vec![spec]);
        let fault = Fault::AfError { status: 500, code: "AF50000".to_owned() };
        rig.tenants.script(FaultTarget::operation(Operation::StartSubscription), fault, 1);
        rig.run_for(Duration::from_mins(14)).await.unwrap();
        assert_eq!(rig.tenants.stats().requests_of(Operation::StartSubscription), 1);
        // The ledger remembers the attempt.
        rig.run_for(Duration::from_secs(30)).await.unwrap();
        assert_eq!(rig.tenants.stats().requests_of(Operation::StartSubscription), 1);
        rig.run_for(Duration::from_mins(10)).await.unwrap();
        assert_eq!(rig.tenants.stats().requests_of(Operation::StartSubscription), 2);
    });
}

#[test]
fn events_carry_where_they_came_from_and_stand_where_the_user_wants_them() {
    simulate(async || {
        let mut rig = Rig::new(vec![tenant(CONTOSO, "contoso.example")]);
        rig.config.record_path = vrl::path::parse_value_path("o365.audit").unwrap();
        let blob = NewBlob::new(start() - TimeDelta::hours(3), NewContent::Generated(3));
        rig.tenants.add_blob(CONTOSO, ContentType::Exchange, blob).unwrap();
        rig.once().await.unwrap();
        let arrivals = rig.arrivals.lock().unwrap();
        assert_eq!(arrivals.events.len(), 3);
        assert!(
            arrivals.events.iter().all(|event| event["o365"]["audit"]["Operation"].is_string())
        );
    });
}
