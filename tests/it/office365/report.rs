//! What the ledger proves, against what really happened.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::TimeDelta;
use fake_tenant::{Filter, History};
use o365flow::sources::office365::{
    ledger::{Span, SqliteLedger},
    report::{FoundBy, Grouping, Scope, SourceReport, Verifier, report},
};
use office365::ContentType;
use pipeline_core::{Clock, Outcome};

use super::rig::{CONTOSO, FABRIKAM, Rig, config, history, simulate, start, tenant};

/// A rig whose ledger is a file, and the file.
fn rig_on_disk(seed: u64) -> (Rig, tempfile::TempDir, PathBuf) {
    rig_with(history(seed))
}

/// As [`rig_on_disk`], with few records, each of which may come often.
fn small_rig_on_disk(seed: u64) -> (Rig, tempfile::TempDir, PathBuf) {
    let mut history = history(seed).with_blobs_per_hour(0.1);
    history.records_per_blob = 1..=5;
    rig_with(history)
}

fn rig_with(history: History) -> (Rig, tempfile::TempDir, PathBuf) {
    let spec = tenant(CONTOSO, "contoso.example").with_history(history);
    let mut rig = Rig::new(vec![spec]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    rig.ledger = Arc::new(SqliteLedger::open_inline(&path).unwrap());
    (rig, dir, path)
}

fn last_days(days: i64) -> Span {
    start() - TimeDelta::days(days)..start() + TimeDelta::days(30)
}

fn scope(by: Grouping) -> Scope {
    Scope { span: last_days(30), by, tenants: Vec::new(), content_types: Vec::new() }
}

fn read(rig: &Rig, path: &Path, by: Grouping) -> SourceReport {
    report("office365", &rig.config, path, &scope(by)).unwrap()
}

/// The report with what a new listing shows.
async fn verified(rig: &Rig, path: &Path) -> SourceReport {
    let mut report = read(rig, path, Grouping::Feed);
    let clock: Arc<dyn Clock> = rig.clock.clone();
    let verifier = Verifier::on(&rig.config, path, rig.transport(), clock).unwrap();
    verifier.verify(&mut report).await;
    report
}

fn missing(report: &SourceReport) -> Vec<(&str, FoundBy)> {
    let verifications = report.feeds.iter().filter_map(|feed| feed.verification.as_ref());
    let missing = verifications.flat_map(|one| &one.missing);
    missing.map(|blob| (blob.content_id.as_str(), blob.found_by)).collect()
}

/// A fate for each record, by its id alone; some come only at the second attempt.
fn fate(id: &str, before: usize) -> Outcome {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    match hasher.finish() % 20 {
        0 => Outcome::Rejected,
        1 | 2 => Outcome::Filtered,
        3 if before == 0 => Outcome::Errored,
        _ => Outcome::Delivered,
    }
}

#[test]
fn the_sums_add_up_whatever_becomes_of_the_records() {
    for seed in 0..3 {
        simulate(async || {
            let (mut rig, _dir, path) = rig_on_disk(seed);
            rig.judge = Arc::new(fate);
            rig.run_for(Duration::from_hours(6)).await.unwrap();
            let report = read(&rig, &path, Grouping::Hour);
            assert!(report.complete, "{report:#?}");
            let (blobs, records) = (report.totals.blobs, report.totals.records);
            assert_eq!((blobs.pending, blobs.lost), (0, 0));
            let all = Filter::default();
            assert_eq!(records.received, rig.tenants.records_with_repeats(&all));
            let distinct = |outcome: Outcome| {
                let ids: BTreeSet<String> = rig.tenants.expected_ids(&all).collect();
                ids.iter().filter(|id| fate(id, 1) == outcome).count() as u64
            };
            assert_eq!(records.delivered, distinct(Outcome::Delivered));
            assert_eq!(records.filtered, distinct(Outcome::Filtered));
            assert!(records.rejected >= distinct(Outcome::Rejected));
            assert!(records.rejected > 0 && records.filtered > 0 && records.duplicates > 0);
            for by in [Grouping::Day, Grouping::Feed] {
                assert_eq!(read(&rig, &path, by).totals, report.totals);
            }
            for feed in &report.feeds {
                let sum = feed.periods.iter().map(|period| period.figures).sum();
                assert_eq!(feed.totals, sum);
                assert!(feed.periods.len() > 20, "{}", feed.periods.len());
            }
        });
    }
}

#[test]
fn what_is_under_way_is_pending_and_named() {
    simulate(async || {
        let (mut rig, _dir, path) = small_rig_on_disk(0);
        rig.judge = Arc::new(|_, _| Outcome::Errored);
        rig.run_for(Duration::from_hours(1)).await.unwrap();
        let report = read(&rig, &path, Grouping::Day);
        let blobs = report.totals.blobs;
        assert!(blobs.pending > 20 && blobs.pending == blobs.listed, "{blobs:?}");
        assert!(report.complete, "what is pending is not lost");
        for feed in report.feeds.iter().filter(|feed| feed.totals.blobs.pending > 0) {
            let blob = &feed.pending[0];
            assert!(blob.reason.as_ref().unwrap().contains("were not delivered"), "{blob:?}");
        }
    });
}

#[test]
fn lost_blobs_and_spans_that_were_missed_are_named() {
    simulate(async || {
        let (mut rig, _dir, path) = small_rig_on_disk(1);
        rig.judge = Arc::new(|_, _| Outcome::Errored);
        rig.run_for(Duration::from_hours(1)).await.unwrap();
        let listed = read(&rig, &path, Grouping::Feed).totals.blobs.listed;
        // Long enough for all blobs to expire, and for the API to list them no more.
        tokio::time::sleep(Duration::from_hours(24 * 12)).await;
        rig.judge = Arc::new(|_, _| Outcome::Delivered);
        rig.run_for(Duration::from_hours(24)).await.unwrap();
        let report = read(&rig, &path, Grouping::Hour);
        assert!(!report.complete);
        assert_eq!((report.totals.blobs.lost, report.totals.blobs.listed), (listed, listed));
        let named: usize = report.feeds.iter().map(|feed| feed.lost.len()).sum();
        assert_eq!(named as u64, listed);
        for feed in &report.feeds {
            let [gap] = feed.gaps.as_slice() else { panic!("{:?}", feed.gaps) };
            let days = (gap.end - gap.start).num_hours();
            assert!((4 * 24..6 * 24).contains(&days), "{gap:?}");
            assert!(feed.lost.iter().all(|blob| blob.reason.is_some()));
        }
        assert!(
            o365flow::sources::office365::report::Table(&report).to_string().contains("GAP from")
        );
        let before = Scope { span: last_days(30).start..start(), ..scope(Grouping::Hour) };
        let earlier = report_of(&rig, &path, &before);
        assert!(earlier.feeds.iter().all(|feed| feed.gaps.is_empty()), "they are later");
    });
}

fn report_of(rig: &Rig, path: &Path, scope: &Scope) -> SourceReport {
    report("office365", &rig.config, path, scope).unwrap()
}

#[test]
fn a_new_listing_proves_that_nothing_is_missing_or_says_what_is() {
    simulate(async || {
        let (rig, _dir, path) = rig_on_disk(2);
        rig.run_for(Duration::from_hours(2)).await.unwrap();
        let report = verified(&rig, &path).await;
        assert!(report.complete, "{report:#?}");
        for feed in &report.feeds {
            let found = feed.verification.as_ref().unwrap();
            assert!(found.listed > 0 && found.known == found.listed, "{found:?}");
        }
        let db = rusqlite::Connection::open(&path).unwrap();
        let forget = |condition: &str| -> String {
            let query = format!("SELECT content_id FROM blobs WHERE {condition} LIMIT 1");
            let id: String = db.query_row(&query, [], |row| row.get(0)).unwrap();
            db.execute("DELETE FROM blobs WHERE content_id = ?1", [&id]).unwrap();
            id
        };
        let old = forget("1");
        let report = verified(&rig, &path).await;
        assert!(!report.complete);
        assert_eq!(missing(&report), [(old.as_str(), FoundBy::NextRelisting)]);
        // Reading has changed nothing, and the next run finds it by itself.
        rig.run_for(Duration::from_hours(12)).await.unwrap();
        assert_eq!(missing(&verified(&rig, &path).await), []);
        rig.assert_exact();
    });
}

#[test]
fn what_is_newer_than_the_last_listing_is_not_due() {
    simulate(async || {
        let (rig, _dir, path) = rig_on_disk(0);
        rig.run_for(Duration::from_hours(1)).await.unwrap();
        tokio::time::sleep(Duration::from_hours(1)).await;
        let records = vec![r#"{"Id":"new","CreationTime":"2027-01-01T00:00:00"}"#.into()];
        let created = Clock::now(&*rig.clock) - TimeDelta::minutes(10);
        let blob = fake_tenant::NewBlob::new(created, fake_tenant::NewContent::Records(records));
        rig.tenants.add_blob(CONTOSO, fake_tenant::ContentType::Exchange, blob).unwrap();
        let report = verified(&rig, &path).await;
        assert!(report.complete, "{report:#?}");
        let not_due = report.feeds.iter().filter_map(|feed| feed.verification.as_ref());
        assert_eq!(not_due.map(|one| one.not_due).sum::<u64>(), 1);
    });
}

#[test]
fn what_appeared_after_the_last_poll_is_late_where_the_next_one_lists_it() {
    simulate(async || {
        let (rig, _dir, path) = rig_on_disk(0);
        rig.run_for(Duration::from_hours(4)).await.unwrap();
        let add = |minutes: i64| {
            let created = Clock::now(&*rig.clock) - TimeDelta::minutes(minutes);
            let content = fake_tenant::NewContent::Generated(1);
            let blob = fake_tenant::NewBlob::new(created, content);
            rig.tenants.add_blob(CONTOSO, fake_tenant::ContentType::Exchange, blob).unwrap()
        };
        add(30);
        let report = verified(&rig, &path).await;
        assert!(report.complete, "{report:#?}");
        let late = report.feeds.iter().filter_map(|feed| feed.verification.as_ref());
        assert_eq!(late.map(|one| (one.late, one.not_due)).max(), Some((1, 0)));
        let older = add(150);
        let report = verified(&rig, &path).await;
        assert_eq!(missing(&report), [(older.as_str(), FoundBy::NextRelisting)]);
        assert!(!report.complete);
    });
}

#[test]
fn feeds_that_are_configured_no_more_or_not_yet_are_shown_as_such() {
    simulate(async || {
        let (mut rig, _dir, path) = rig_on_disk(0);
        rig.run_for(Duration::from_hours(1)).await.unwrap();
        rig.config = config(&[("fabrikam", FABRIKAM)]);
        rig.config.content_types = vec![ContentType::Exchange];
        let report = read(&rig, &path, Grouping::Feed);
        let shown: Vec<_> = report
            .feeds
            .iter()
            .map(|feed| (feed.tenant.as_deref(), feed.configured, feed.listed_until.is_some()))
            .collect();
        assert_eq!(shown[0], (Some("fabrikam"), true, false));
        assert_eq!(shown[1..], [(None, false, true); 5]);
        assert!(!report.complete, "a feed that was never listed is proved to be nothing");
        let only =
            |tenant: &str| Scope { tenants: vec![tenant.to_owned()], ..scope(Grouping::Feed) };
        assert_eq!(report_of(&rig, &path, &only("Fabrikam")).feeds.len(), 1);
        assert_eq!(report_of(&rig, &path, &only(CONTOSO)).feeds.len(), 5);
        assert!(report_of(&rig, &path, &only(CONTOSO)).complete);
    });
}

#[test]
fn a_verification_that_cannot_list_says_so() {
    simulate(async || {
        let (mut rig, _dir, path) = rig_on_disk(0);
        rig.run_for(Duration::from_hours(1)).await.unwrap();
        rig.config.tenants[0].client_secret = Some("wrong".into());
        let report = verified(&rig, &path).await;
        assert!(!report.complete);
        for feed in &report.feeds {
            let found = feed.verification.as_ref().unwrap();
            assert!(found.error.as_ref().unwrap().contains("sign"), "{found:?}");
        }
    });
}
