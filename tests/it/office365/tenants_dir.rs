//! Tenants in files of their own, which come, change and go while the source runs.

use std::{fs, path::Path, time::Duration};

use chrono::TimeDelta;
use fake_tenant::{NewBlob, NewContent, TenantSpec};
use pipeline_core::{RunMode, Shutdown};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::rig::{CONTOSO, FABRIKAM, Rig, history, simulate, start, tenant};

/// Long enough for two looks at the folder.
const SEEN: Duration = Duration::from_secs(15);

/// A source whose tenants all stand in a folder.
fn rig(tenants: Vec<TenantSpec>) -> (Rig, TempDir) {
    let mut rig = Rig::new(tenants);
    let folder = tempfile::tempdir().unwrap();
    rig.config.tenants.clear();
    rig.config.tenants_dir = Some(folder.path().to_owned());
    (rig, folder)
}

fn write(folder: &Path, name: &str, spec: &TenantSpec) {
    let TenantSpec { tenant_id, client_id, client_secret, .. } = spec;
    let text = format!(
        "tenant_id = '{tenant_id}'\nclient_id = '{client_id}'\nclient_secret = '{client_secret}'\n"
    );
    fs::write(folder.join(name), text).unwrap();
}

fn pair() -> (TenantSpec, TenantSpec) {
    let contoso = tenant(CONTOSO, "contoso.example").with_history(history(1));
    let fabrikam = tenant(FABRIKAM, "fabrikam.example").with_history(history(2));
    (contoso, fabrikam)
}

fn fresh_blob(rig: &Rig, tenant_id: &str, records: u64) {
    let created = start() + TimeDelta::from_std(elapsed(rig)).unwrap();
    let blob = NewBlob::new(created, NewContent::Generated(records));
    rig.tenants.add_blob(tenant_id, fake_tenant::ContentType::Exchange, blob);
}

fn elapsed(rig: &Rig) -> Duration {
    (pipeline_core::Clock::now(&*rig.clock) - start()).to_std().unwrap()
}

#[test]
fn a_file_that_is_added_brings_its_tenant_without_a_restart() {
    let ((), metrics) = simulate(async || {
        let (contoso, fabrikam) = pair();
        let (rig, folder) = rig(vec![contoso.clone(), fabrikam.clone()]);
        write(folder.path(), "contoso.toml", &contoso);
        let script = async {
            sleep(Duration::from_mins(10)).await;
            assert!(rig.verify_tenant(Some(CONTOSO)).is_exact());
            let fabrikams = rig.verify_tenant(Some(FABRIKAM));
            assert_eq!(fabrikams.missing.len(), fabrikams.expected);
            write(folder.path(), "fabrikam.toml", &fabrikam);
            sleep(Duration::from_mins(10)).await;
            rig.assert_exact();
        };
        rig.run_while(script).await.unwrap();
    });
    assert!(metrics.sum("o365_records_total", &["tenant=\"fabrikam\""]) > 0);
    assert_eq!(metrics.sum("o365_tenants", &[]), 0);
}

#[test]
fn a_tenant_whose_file_is_removed_ends_and_goes_on_where_it_stood_when_it_is_back() {
    let ((), metrics) = simulate(async || {
        let (contoso, fabrikam) = pair();
        let (rig, folder) = rig(vec![contoso.clone(), fabrikam.clone()]);
        write(folder.path(), "contoso.toml", &contoso);
        write(folder.path(), "fabrikam.toml", &fabrikam);
        let script = async {
            sleep(Duration::from_mins(10)).await;
            rig.assert_exact();
            fs::remove_file(folder.path().join("contoso.toml")).unwrap();
            sleep(SEEN).await;
            let requests = || rig.tenants.stats().requests_of(fake_tenant::Operation::FetchBlob);
            let fetched = requests();
            fresh_blob(&rig, CONTOSO, 7);
            sleep(Duration::from_mins(30)).await;
            assert_eq!(requests(), fetched);
            write(folder.path(), "contoso.toml", &contoso);
            sleep(Duration::from_mins(10)).await;
            // One blob is new; nothing else is fetched again.
            assert_eq!(requests(), fetched + 1);
            rig.assert_exact();
            fs::remove_file(folder.path().join("contoso.toml")).unwrap();
            sleep(SEEN).await;
        };
        rig.run_while(script).await.unwrap();
    });
    // A gauge of a tenant that is gone has no value; its counters stay.
    assert!(metrics.is_nan("o365_lag_seconds", &["tenant=\"contoso\""]));
    assert!(metrics.is_nan("o365_token_expiry_timestamp_seconds", &["tenant=\"contoso\""]));
    assert!(!metrics.is_nan("o365_lag_seconds", &["tenant=\"fabrikam\""]));
    assert!(metrics.sum("o365_records_total", &["tenant=\"contoso\""]) > 0);
}

#[test]
fn a_changed_file_restarts_its_tenant_and_nothing_is_lost_or_sent_twice() {
    simulate(async || {
        let (mut contoso, fabrikam) = pair();
        let mut busy = history(1);
        busy.records_per_blob = 20..=60;
        contoso.history = Some(busy);
        let (mut rig, folder) = rig(vec![contoso.clone(), fabrikam.clone()]);
        rig.sink_delay = Duration::from_secs(3);
        rig.config.max_in_flight_bytes = 100_000;
        write(folder.path(), "contoso.toml", &contoso);
        let script = async {
            // The file changes again and again while blobs are on their way.
            for change in 0..20 {
                sleep(SEEN).await;
                write(folder.path(), "contoso.toml", &contoso);
                let path = folder.path().join("contoso.toml");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(path, format!("{text}# {change}\n")).unwrap();
            }
            let delivered = rig.arrivals.lock().unwrap().delivered.len();
            assert!(delivered < rig.verify_tenant(Some(CONTOSO)).expected, "it is not under way");
            sleep(Duration::from_hours(3)).await;
            let completeness = rig.verify_tenant(Some(CONTOSO));
            assert!(completeness.is_exact(), "{} missing", completeness.missing.len());
        };
        rig.run_while(script).await.unwrap();
        let arrivals = rig.arrivals.lock().unwrap();
        let distinct: std::collections::HashSet<_> = arrivals.ids.iter().collect();
        assert_eq!(distinct.len(), arrivals.ids.len());
    });
}

#[test]
fn a_wrong_secret_is_put_right_by_changing_the_file() {
    simulate(async || {
        let (contoso, _) = pair();
        let (rig, folder) = rig(vec![contoso.clone()]);
        let mut wrong = contoso.clone();
        wrong.client_secret = "another".to_owned();
        write(folder.path(), "contoso.toml", &wrong);
        let script = async {
            sleep(Duration::from_mins(20)).await;
            assert!(rig.arrivals.lock().unwrap().ids.is_empty());
            write(folder.path(), "contoso.toml", &contoso);
            sleep(Duration::from_mins(2)).await;
            rig.assert_exact();
        };
        rig.run_while(script).await.unwrap();
    });
}

#[test]
fn a_faulty_file_is_counted_and_its_tenant_goes_on_as_it_was() {
    let ((), metrics) = simulate(async || {
        let (contoso, fabrikam) = pair();
        let (rig, folder) = rig(vec![contoso.clone(), fabrikam.clone()]);
        write(folder.path(), "contoso.toml", &contoso);
        write(folder.path(), "fabrikam.toml", &fabrikam);
        let script = async {
            sleep(Duration::from_mins(10)).await;
            fs::write(folder.path().join("contoso.toml"), "tenant_id = 7").unwrap();
            sleep(SEEN).await;
            fresh_blob(&rig, CONTOSO, 7);
            fresh_blob(&rig, FABRIKAM, 7);
            sleep(Duration::from_mins(15)).await;
            rig.assert_exact();
        };
        rig.run_while(script).await.unwrap();
    });
    assert_eq!(metrics.sum("component_errors_total", &["tenant_file_faulty"]), 1);
    assert_eq!(metrics.sum("o365_tenant_files_faulty", &[]), 1);
}

#[test]
fn a_run_that_ends_by_itself_names_a_faulty_file_and_does_the_rest() {
    simulate(async || {
        let (contoso, fabrikam) = pair();
        let (rig, folder) = rig(vec![contoso.clone(), fabrikam.clone()]);
        write(folder.path(), "contoso.toml", &contoso);
        fs::write(folder.path().join("fabrikam.toml"), "tenant_id = 'x'").unwrap();
        let error = rig.once().await.unwrap_err().to_string();
        assert!(error.contains("fabrikam.toml:1:1: `client_id` is missing"), "{error}");
        assert!(rig.verify_tenant(Some(CONTOSO)).is_exact());
    });
}

#[test]
fn without_any_file_the_source_waits_and_ends_when_told() {
    simulate(async || {
        let (contoso, _) = pair();
        let (rig, _folder) = rig(vec![contoso]);
        let began = Instant::now();
        rig.run_for(Duration::from_hours(1)).await.unwrap();
        assert!(began.elapsed() >= Duration::from_hours(1));
        rig.once().await.unwrap();
        assert_eq!(rig.tenants.stats().requests.len(), 0);
    });
}

#[test]
fn a_removed_tenant_is_drained_before_it_ends() {
    simulate(async || {
        let (contoso, fabrikam) = pair();
        let (mut rig, folder) = rig(vec![contoso.clone(), fabrikam]);
        rig.sink_delay = Duration::from_mins(2);
        write(folder.path(), "contoso.toml", &contoso);
        let shutdown = Shutdown::new();
        let script = async {
            sleep(Duration::from_secs(30)).await;
            fs::remove_file(folder.path().join("contoso.toml")).unwrap();
            sleep(Duration::from_mins(5)).await;
            let arrived = rig.arrivals.lock().unwrap().ids.len();
            assert!(arrived > 0, "what the sink held was acknowledged");
            write(folder.path(), "contoso.toml", &contoso);
            sleep(Duration::from_hours(2)).await;
            assert!(rig.verify_tenant(Some(CONTOSO)).is_exact());
            let arrived = rig.arrivals.lock().unwrap().ids.len();
            assert_eq!(arrived, rig.verify_tenant(Some(CONTOSO)).expected);
            shutdown.drain();
        };
        let (result, ()) = tokio::join!(rig.run(RunMode::Continuous, shutdown.clone()), script);
        result.unwrap();
    });
}
