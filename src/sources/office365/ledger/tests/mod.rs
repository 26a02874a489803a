//! The ledger on a real file: what it gives back, across reopening, and who may open it.

mod damage;
mod reading;

use chrono::{DateTime, TimeDelta};
use office365::ContentId;

use super::*;

const TENANT: &str = "2d6f1f0c-9c4e-4f0b-8a58-0d4b1c3c7a11";

fn hour(hours: i64) -> Timestamp {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::hours(hours)
}

fn blob(number: i64) -> BlobRef {
    BlobRef {
        content_type: ContentType::Exchange,
        id: ContentId(format!("start$end$audit_exchange${number}")),
        uri: format!("https://manage.office.com/blob/{number}"),
        created: hour(number),
        expires: hour(number + 168),
    }
}

async fn feed(ledger: &dyn Ledger, content_type: ContentType) -> FeedState {
    ledger.open_feed(TENANT.parse().unwrap(), content_type).await.unwrap()
}

async fn due(ledger: &dyn Ledger, feed: &FeedState, now: Timestamp, limit: u32) -> Vec<String> {
    let due = ledger.take_due(vec![feed.feed], now, limit).await.unwrap();
    let show = |due: DueBlob| {
        let number = due.blob.id.0.rsplit('$').next().unwrap_or_default().to_owned();
        format!("{number}x{}", due.attempts)
    };
    due.blobs.into_iter().map(show).collect()
}

#[tokio::test]
async fn a_page_is_added_once_and_handed_out_by_expiry() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(&dir.path().join("ledger.db")).unwrap();
    let feed = feed(&ledger, ContentType::Exchange).await;
    assert_eq!(feed.listed_until, None);
    let added = ledger.add_page(feed.feed, vec![blob(3), blob(1), blob(2)], None).await.unwrap();
    assert_eq!(added, 3);
    let again = vec![blob(1), blob(4)];
    assert_eq!(ledger.add_page(feed.feed, again, Some(hour(5))).await.unwrap(), 1);
    assert_eq!(due(&ledger, &feed, hour(9), 3).await, ["1x0", "2x0", "3x0"]);
    assert_eq!(due(&ledger, &feed, hour(9), 3).await, ["4x0"]);
    assert_eq!(ledger.status(feed.feed).await.unwrap().pending, 4);
}

#[tokio::test]
async fn a_reopened_ledger_knows_what_it_knew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = SqliteLedger::open(&path).unwrap();
    let feed = feed(&ledger, ContentType::Exchange).await;
    let page = vec![blob(1), blob(2), blob(3), blob(4)];
    ledger.add_page(feed.feed, page, Some(hour(5))).await.unwrap();
    ledger.add_page(feed.feed, Vec::new(), Some(hour(4))).await.unwrap();
    ledger.record_start_attempt(feed.feed, hour(2)).await.unwrap();
    ledger.record_subscription(feed.feed, true).await.unwrap();
    let taken = ledger.take_due(vec![feed.feed], hour(9), 4).await.unwrap().blobs;
    let counts = Counts { records: 7, delivered: 6, duplicates: 1, ..Counts::default() };
    ledger.finish(taken[0].row, BlobEnd::Delivered(counts), hour(9)).await.unwrap();
    ledger.finish(taken[1].row, BlobEnd::Lost("gone".to_owned()), hour(9)).await.unwrap();
    let error = Some("status 500".to_owned());
    let back = BlobReturn { row: taken[2].row, attempts: 3, next_attempt: hour(10), error };
    ledger.put_back(back).await.unwrap();
    let ids: Vec<_> = ["a", TENANT].map(RecordId::new).into();
    let row = ledger.add_seen(feed.tenant, taken[0].row, ids.clone(), hour(9)).await.unwrap();
    drop(ledger);

    let ledger = SqliteLedger::open(&path).unwrap();
    let reopened = self::feed(&ledger, ContentType::Exchange).await;
    let expected =
        FeedState { listed_until: Some(hour(5)), start_attempted: Some(hour(2)), ..feed.clone() };
    assert_eq!(reopened, expected);
    // The one that was being fetched is due again; the failed one waits for its time.
    assert_eq!(due(&ledger, &feed, hour(9), 9).await, ["4x0"]);
    assert_eq!(ledger.take_due(vec![feed.feed], hour(9), 9).await.unwrap().next_at, Some(hour(10)));
    assert_eq!(due(&ledger, &feed, hour(10), 9).await, ["3x3"]);
    let status = ledger.status(feed.feed).await.unwrap();
    assert_eq!(status.newest_delivered, Some(hour(1)));
    let groups = ledger.seen_groups(feed.tenant, SeenRow::default(), 9).await.unwrap();
    assert_eq!(groups, [SeenGroup { row, ids: ids.clone() }]);
    let wanted = ids.into_iter().chain([RecordId::new("b")]).map(|id| (id, vec![row])).collect();
    let seen = Some(Sighting { row, blob: taken[0].row });
    assert_eq!(ledger.find_seen(wanted).await.unwrap(), [seen, seen, None]);
    ledger.make_due(feed.feed).await.unwrap();
}

#[tokio::test]
async fn a_second_opener_is_refused_and_the_file_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = SqliteLedger::open(&path).unwrap();
    let error = SqliteLedger::open(&path).unwrap_err();
    assert!(matches!(error, LedgerError::InUse { .. }), "{error}");
    feed(&ledger, ContentType::General).await;
    #[cfg(unix)]
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
    drop(ledger);
    SqliteLedger::open(&path).unwrap();
}

#[tokio::test]
async fn old_rows_are_pruned_and_pending_ones_are_not() {
    let ledger = SqliteLedger::in_memory().unwrap();
    let feed = feed(&ledger, ContentType::Exchange).await;
    ledger.add_page(feed.feed, vec![blob(1), blob(2), blob(50)], None).await.unwrap();
    let taken = ledger.take_due(vec![feed.feed], hour(9), 9).await.unwrap().blobs;
    for index in [0, 2] {
        let end = BlobEnd::Delivered(Counts::default());
        ledger.finish(taken[index].row, end, hour(9)).await.unwrap();
    }
    for at in [10, 20] {
        let ids = vec![RecordId::new(&at.to_string())];
        ledger.add_seen(feed.tenant, taken[0].row, ids, hour(at)).await.unwrap();
    }
    assert!(!ledger.prune(hour(15), hour(40)).await.unwrap());
    let groups = ledger.seen_groups(feed.tenant, SeenRow::default(), 9).await.unwrap();
    assert_eq!(
        groups.iter().map(|group| group.ids.clone()).collect::<Vec<_>>(),
        [[RecordId::new("20")]]
    );
    // Only the first blob is forgotten, so it alone is new when it is listed again.
    let again = vec![blob(1), blob(2), blob(50)];
    assert_eq!(ledger.add_page(feed.feed, again, None).await.unwrap(), 1);
}

#[test]
fn a_file_of_a_later_version_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    drop(SqliteLedger::open(&path).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(SqliteLedger::open(&path), Err(LedgerError::Newer { found: 99, .. })));
    let replaced = SqliteLedger::open_or_replace(&path, hour(0));
    assert!(matches!(replaced, Err(LedgerError::Newer { found: 99, .. })));
    assert!(matches!(LedgerReader::open(&path), Err(LedgerError::Newer { found: 99, .. })));
}

#[tokio::test]
async fn a_file_of_an_earlier_version_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(store::SCHEMA).unwrap();
    let rows = format!(
        "INSERT INTO tenants VALUES (1, '{TENANT}'); \
         INSERT INTO feeds VALUES (1, 1, 'Audit.Exchange', {until}, 1, NULL); \
         INSERT INTO blobs (feed, content_id, uri, created, expires, state) \
         VALUES (1, 'a', 'u', {created}, {until}, 2);",
        created = hour(1).timestamp_millis(),
        until = hour(5).timestamp_millis(),
    );
    old.execute_batch(&rows).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    drop(old);
    for _ in 0..2 {
        let ledger = SqliteLedger::open(&path).unwrap();
        let feed = feed(&ledger, ContentType::Exchange).await;
        let known = (feed.listed_until, feed.listed_from, feed.relisted_at);
        assert_eq!(known, (Some(hour(5)), Some(hour(1)), None));
    }
}

#[tokio::test]
async fn a_pending_blob_that_is_listed_again_is_fetched_from_its_new_address() {
    let ledger = SqliteLedger::in_memory().unwrap();
    let feed = feed(&ledger, ContentType::Exchange).await;
    let elsewhere = BlobRef { uri: "http://elsewhere/1".to_owned(), ..blob(1) };
    assert_eq!(ledger.add_page(feed.feed, vec![elsewhere], None).await.unwrap(), 1);
    assert_eq!(ledger.add_page(feed.feed, vec![blob(1)], None).await.unwrap(), 0);
    let taken = ledger.take_due(vec![feed.feed], hour(9), 9).await.unwrap().blobs;
    assert_eq!(taken[0].blob, blob(1));
}

#[tokio::test]
async fn a_blob_put_back_by_a_clock_far_ahead_does_not_wait_for_it() {
    let ledger = SqliteLedger::in_memory().unwrap();
    let feed = feed(&ledger, ContentType::Exchange).await;
    ledger.add_page(feed.feed, vec![blob(1), blob(2)], None).await.unwrap();
    for (taken, hours) in ledger
        .take_due(vec![feed.feed], hour(9), 9)
        .await
        .unwrap()
        .blobs
        .iter()
        .zip([9 + 1, 9 + 24 * 30])
    {
        let error = Some("refused".to_owned());
        let blob = BlobReturn { row: taken.row, attempts: 1, next_attempt: hour(hours), error };
        ledger.put_back(blob).await.unwrap();
    }
    assert_eq!(due(&ledger, &feed, hour(9), 9).await, ["2x1"]);
}

#[tokio::test]
async fn a_blob_that_ended_lately_is_remembered_however_old_it_says_it_is() {
    let ledger = SqliteLedger::in_memory().unwrap();
    let feed = feed(&ledger, ContentType::Exchange).await;
    ledger.add_page(feed.feed, vec![blob(1)], None).await.unwrap();
    let taken = ledger.take_due(vec![feed.feed], hour(50), 9).await.unwrap().blobs;
    ledger.finish(taken[0].row, BlobEnd::Lost("gone".to_owned()), hour(50)).await.unwrap();
    ledger.prune(hour(40), hour(40)).await.unwrap();
    assert_eq!(ledger.add_page(feed.feed, vec![blob(1)], None).await.unwrap(), 0);
}
