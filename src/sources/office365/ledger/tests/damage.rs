//! Files that are broken, or are no ledgers: what is done about them, and what is saved of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::*;

fn ids(numbers: std::ops::Range<u32>) -> Vec<RecordId> {
    numbers.map(|number| RecordId::new(&format!("id-{number}"))).collect()
}

/// A ledger with three feeds' worth of rows, closed. Gives the number of ids in it.
async fn filled(path: &Path) -> u64 {
    let ledger = SqliteLedger::open(path).unwrap();
    let feed = feed(&ledger, ContentType::Exchange).await;
    let page = (0..500).map(blob).collect();
    ledger.add_page(feed.feed, page, Some(hour(500))).await.unwrap();
    let taken = ledger.take_due(vec![feed.feed], hour(9), 500).await.unwrap().blobs;
    for number in 0..200 {
        let row = taken[number as usize].row;
        let ids = ids(number * 100..(number + 1) * 100);
        ledger.add_seen(feed.tenant, row, ids, hour(i64::from(number))).await.unwrap();
    }
    200 * 100
}

fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

fn aside_path(path: &Path) -> PathBuf {
    path.with_file_name("ledger.db.corrupt-20270115T080000Z")
}

async fn seen_ids(ledger: &SqliteLedger, tenant: TenantRow) -> u64 {
    let groups = ledger.seen_groups(tenant, SeenRow::default(), 10_000).await.unwrap();
    groups.iter().map(|group| group.ids.len() as u64).sum()
}

#[tokio::test]
async fn a_file_that_is_no_ledger_is_set_aside_and_a_new_one_begun() {
    let text = "this is no database, whatever its name says; it is long enough to be read as one";
    let other = |path: &Path| {
        let db = rusqlite::Connection::open(path).unwrap();
        db.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    };
    let dir = tempfile::tempdir().unwrap();
    for foreign in [true, false] {
        let path = dir.path().join(format!("{foreign}/ledger.db"));
        fs::create_dir(path.parent().unwrap()).unwrap();
        if foreign {
            other(&path)
        } else {
            fs::write(&path, text).unwrap()
        }
        let before = fs::read(&path).unwrap();
        assert!(matches!(SqliteLedger::open(&path), Err(LedgerError::Damaged { .. })));
        let (ledger, aside) = SqliteLedger::open_or_replace(&path, hour(0)).unwrap();
        let aside = aside.expect("it was set aside");
        assert_eq!((aside.path, aside.salvaged_ids), (aside_path(&path), 0));
        assert_eq!(fs::read(aside_path(&path)).unwrap(), before);
        feed(&ledger, ContentType::Exchange).await;
        drop(ledger);
        let (_, aside) = SqliteLedger::open_or_replace(&path, hour(0)).unwrap();
        assert_eq!(aside, None);
    }
}

#[tokio::test]
async fn wherever_a_file_is_damaged_it_is_set_aside_or_works_and_ids_are_saved() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole.db");
    let ids = filled(&whole).await;
    let whole = fs::read(whole).unwrap();
    let mut saved = 0;
    let pages = whole.len() / 8192;
    assert!(pages > 30, "{pages}");
    for page in 0..pages {
        let path = dir.path().join(format!("{page}/ledger.db"));
        fs::create_dir(path.parent().unwrap()).unwrap();
        let mut bytes = whole.clone();
        bytes[page * 8192..][..4096].fill(0xA5);
        fs::write(&path, bytes).unwrap();
        let (ledger, aside) = SqliteLedger::open_or_replace(&path, hour(0)).unwrap();
        let aside = aside.unwrap_or_else(|| panic!("damage of page {page} was not seen"));
        let feed = feed(&ledger, ContentType::Exchange).await;
        assert_eq!(feed.listed_until, None, "{page}");
        assert_eq!(seen_ids(&ledger, feed.tenant).await, aside.salvaged_ids, "{page}");
        assert!(aside.salvaged_ids <= ids);
        saved += aside.salvaged_ids;
    }
    let average = saved / pages as u64;
    assert!(average * 10 > ids * 9, "of {ids} ids {average} are saved on average");
}

#[tokio::test]
async fn no_log_of_a_damaged_file_is_left_beside_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    filled(&path).await;
    fs::write(&path, "no database any more, but one that is long enough to be looked at").unwrap();
    for ending in ["wal", "shm"] {
        fs::write(dir.path().join(format!("ledger.db-{ending}")), "of that file").unwrap();
    }
    drop(SqliteLedger::open_or_replace(&path, hour(0)).unwrap());
    let mut names = files(dir.path());
    names.retain(|name| !name.contains(".corrupt-"));
    assert_eq!(names, ["ledger.db", "ledger.lock"]);
}

#[tokio::test]
async fn damage_that_is_met_at_work_is_noted_for_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let ids = filled(&path).await;
    let whole = fs::read(&path).unwrap();
    let mut store = store::Store::open(&path).unwrap();
    // Under its feet, as a failing disk does. What is in no cache is read from the file.
    store.commit(|db| db.execute_batch("PRAGMA shrink_memory")).unwrap();
    let mut bytes = whole.clone();
    bytes[8192..].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let error = store.commit(|db| seen::groups(db, TenantRow(1), SeenRow::default(), 1));
    let error = LedgerError::Storage(error.unwrap_err());
    assert!(error.is_final(), "{error:?}");
    drop(store);
    // Even if the disk has it right again.
    fs::write(&path, whole).unwrap();
    let (ledger, aside) = SqliteLedger::open_or_replace(&path, hour(0)).unwrap();
    let aside = aside.expect("it was set aside");
    assert!(aside.reason.contains("while it was used"), "{}", aside.reason);
    assert_eq!(aside.salvaged_ids, ids);
    drop(ledger);
    assert!(SqliteLedger::open(&path).is_ok(), "the note is gone");
}

#[tokio::test]
async fn a_damaged_row_of_ids_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    filled(&path).await;
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(
        "UPDATE seen SET ids = x'07' WHERE id = 3; UPDATE seen SET ids = 'text' WHERE id = 4",
    )
    .unwrap();
    drop(db);
    let ledger = SqliteLedger::open(&path).unwrap();
    let feed = feed(&ledger, ContentType::Exchange).await;
    assert_eq!(seen_ids(&ledger, feed.tenant).await, 198 * 100);
    let candidates: Vec<SeenRow> = (1..=5).map(SeenRow::of_number).collect();
    let wanted =
        [250, 350, 450].map(|number| (ids(number..number + 1).remove(0), candidates.clone()));
    let found = ledger.find_seen(wanted.to_vec()).await.unwrap();
    let rows: Vec<_> = found.iter().map(|one| one.map(|one| one.row.number())).collect();
    assert_eq!(rows, [None, None, Some(5)]);
}

#[tokio::test]
async fn a_panic_of_the_thread_is_an_error_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let store = store::Store::open(&dir.path().join("ledger.db")).unwrap();
    let writer = writer::Writer::start(store).unwrap();
    let broken = writer.ask(|_| -> rusqlite::Result<()> { panic!("a fault of this program") });
    assert!(matches!(broken.await, Err(LedgerError::Closed)));
    let after = writer.ask(|_| Ok(())).await.unwrap_err();
    assert!(after.is_final(), "{after:?}");
}
