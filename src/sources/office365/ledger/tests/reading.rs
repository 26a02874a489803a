//! A ledger that is read while it is written.

use super::*;

fn reader(dir: &tempfile::TempDir) -> LedgerReader {
    LedgerReader::open(&dir.path().join("ledger.db")).unwrap()
}

#[tokio::test]
async fn a_reader_sees_each_commit_and_holds_up_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    assert!(matches!(LedgerReader::open(&path), Err(LedgerError::Missing { .. })));
    let ledger = SqliteLedger::open(&path).unwrap();
    let feed = feed(&ledger, ContentType::Exchange).await;
    let first = reader(&dir);
    let span = hour(0)..hour(1000);
    for number in 1..=50 {
        let later = reader(&dir);
        ledger.add_page(feed.feed, vec![blob(number)], Some(hour(number))).await.unwrap();
        for reader in [&first, &later] {
            let hours = reader.hours(feed.feed, &span).unwrap();
            assert_eq!(hours.len(), usize::try_from(number).unwrap());
            assert_eq!(reader.feeds().unwrap()[0].listed_until, Some(hour(number)));
        }
    }
    drop(ledger);
    SqliteLedger::open(&path).unwrap();
    assert_eq!(first.hours(feed.feed, &span).unwrap().len(), 50);
}

#[tokio::test]
async fn hours_say_what_became_of_their_blobs() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(&dir.path().join("ledger.db")).unwrap();
    let feed = feed(&ledger, ContentType::Exchange).await;
    // Two blobs an hour.
    let page = (0..8).map(|number| BlobRef { created: hour(number / 2), ..blob(number) }).collect();
    ledger.add_page(feed.feed, page, None).await.unwrap();
    let taken = ledger.take_due(vec![feed.feed], hour(9), 6).await.unwrap().blobs;
    let counts = Counts {
        records: 21,
        delivered: 1,
        filtered: 2,
        duplicates: 3,
        rejected: 5,
        dead_lettered: 10,
    };
    let wrong = Counts { delivered: 2, ..counts };
    for (index, counts) in [(0, counts), (1, counts), (2, counts), (3, wrong)] {
        ledger.finish(taken[index].row, BlobEnd::Delivered(counts), hour(9)).await.unwrap();
    }
    ledger.finish(taken[4].row, BlobEnd::Lost("gone".to_owned()), hour(9)).await.unwrap();
    let reader = reader(&dir);
    let hours = reader.hours(feed.feed, &(hour(0)..hour(3))).unwrap();
    let shown: Vec<_> = hours
        .iter()
        .map(|it| [it.listed, it.delivered, it.pending, it.lost, it.unbalanced])
        .collect();
    assert_eq!(shown, [[2, 2, 0, 0, 0], [2, 2, 0, 0, 1], [2, 0, 1, 1, 0]]);
    assert_eq!(hours[0].records.dead_lettered, 20);
    let names = |blobs: Vec<ContentId>| blobs.into_iter().map(|id| id.0).collect::<Vec<_>>();
    let span = hour(0)..hour(9);
    assert_eq!(names(reader.unbalanced(feed.feed, &span, 9).unwrap()), [blob(3).id.0]);
    let undelivered = |which| {
        let blobs = reader.undelivered(feed.feed, which, &span, 9).unwrap();
        names(blobs.into_iter().map(|record| record.blob.id).collect())
    };
    assert_eq!(undelivered(Undelivered::Lost), [blob(4).id.0]);
    assert_eq!(undelivered(Undelivered::Pending), [5, 6, 7].map(|number| blob(number).id.0));
}

#[tokio::test]
async fn a_gap_is_remembered_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(&dir.path().join("ledger.db")).unwrap();
    let feed = feed(&ledger, ContentType::Exchange).await;
    for end in [12, 14] {
        ledger.record_gap(feed.feed, hour(10)..hour(end), hour(200)).await.unwrap();
    }
    ledger.record_gap(feed.feed, hour(50)..hour(60), hour(300)).await.unwrap();
    let reader = reader(&dir);
    let gaps = |span: Span| {
        let gaps = reader.gaps(feed.feed, &span).unwrap();
        gaps.into_iter().map(|gap| (gap.start, gap.end)).collect::<Vec<_>>()
    };
    assert_eq!(gaps(hour(0)..hour(99)), [(hour(10), hour(14)), (hour(50), hour(60))]);
    assert_eq!(gaps(hour(13)..hour(50)), [(hour(10), hour(14))]);
    assert_eq!(gaps(hour(14)..hour(50)), []);
}

#[tokio::test]
async fn what_is_not_known_is_told_from_what_is() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(&dir.path().join("ledger.db")).unwrap();
    let exchange = feed(&ledger, ContentType::Exchange).await;
    let general = feed(&ledger, ContentType::General).await;
    ledger.add_page(exchange.feed, vec![blob(1), blob(2)], None).await.unwrap();
    let reader = reader(&dir);
    let asked = || vec![blob(1), blob(2), blob(3)];
    assert_eq!(reader.unknown(exchange.feed, asked()).unwrap(), [blob(3)]);
    assert_eq!(reader.unknown(general.feed, asked()).unwrap().len(), 3);
    assert_eq!(reader.blobs_with_id(&blob(2).id).unwrap(), [(exchange.feed, blob(2))]);
    assert_eq!(reader.blobs_with_id(&blob(3).id).unwrap(), []);
}

#[tokio::test]
async fn feeds_can_be_begun_where_another_program_stopped_but_not_twice() {
    let ledger = SqliteLedger::in_memory().unwrap();
    let tenant: TenantId = TENANT.parse().unwrap();
    let types = vec![ContentType::Exchange, ContentType::General];
    let begin = |until, overwrite| {
        ledger.begin_at(tenant, types.clone(), hour(until - 2)..hour(until), overwrite)
    };
    assert_eq!(begin(10, Overwrite::Refuse).await.unwrap(), []);
    let state = feed(&ledger, ContentType::General).await;
    assert_eq!((state.listed_from, state.listed_until), (Some(hour(8)), Some(hour(10))));
    assert_eq!(begin(5, Overwrite::Refuse).await.unwrap(), types);
    assert_eq!(feed(&ledger, ContentType::General).await.listed_until, Some(hour(10)));
    assert_eq!(begin(5, Overwrite::Force).await.unwrap(), []);
    assert_eq!(feed(&ledger, ContentType::General).await.listed_until, Some(hour(5)));
}
