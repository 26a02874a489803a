//! The file: what is added is there after any end, in order, and within its bound.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use chrono::DateTime;
use pipeline_core::EventAck;

use super::rig::{number, packed};
use crate::buffer::{
    record::Amount,
    store::Store,
    turn::{Done, Kept, Turn, Unpacked},
};

const NO_BOUND: u64 = u64::MAX / 2;

pub(super) fn open(path: &Path) -> Store {
    open_bounded(path, NO_BOUND)
}

pub(super) fn open_bounded(path: &Path, bytes_max: u64) -> Store {
    Store::open(path, bytes_max, DateTime::UNIX_EPOCH).expect("it opens")
}

pub(super) fn take(store: &mut Store, turn: &Turn) -> Done {
    let done = store.take_turn(turn, DateTime::UNIX_EPOCH).expect("the disk works");
    assert!(done.failure.is_none(), "{:?}", done.failure);
    done
}

/// Reads all that there is.
pub(super) fn read_all(store: &mut Store) -> (Vec<Kept>, Vec<usize>, Amount) {
    let (mut kept, mut numbers, mut lost) = (Vec::new(), Vec::new(), Amount::default());
    while store.has_unread() {
        let done = take(store, &Turn { read_bytes: 100_000, ..Turn::default() });
        lost.add(done.lost);
        for unpacked in done.read {
            kept.push(unpacked.kept);
            numbers.extend(numbers_in(unpacked));
        }
    }
    (kept, numbers, lost)
}

pub(super) fn numbers_in(unpacked: Unpacked) -> Vec<usize> {
    let event = |content: crate::buffer::codec::Content| {
        number(&content.into_event(EventAck::unattended()))
    };
    unpacked.contents.into_iter().map(event).collect()
}

/// Adds batches of ten events each.
pub(super) fn fill(store: &mut Store, batches: std::ops::Range<usize>, fill: usize) {
    let add: Vec<_> = batches.map(|batch| packed(batch * 10, 10, fill)).collect();
    let all = vec![true; add.len()];
    assert_eq!(take(store, &Turn { add, ..Turn::default() }).added, all);
}

#[test]
fn what_was_added_is_there_after_a_restart_until_it_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("buffer.sqlite");
    let mut store = open(&path);
    fill(&mut store, 0..20, 300);
    let (kept, numbers, _) = read_all(&mut store);
    assert_eq!(numbers, (0..200).collect::<Vec<_>>());
    // Removed out of order.
    take(
        &mut store,
        &Turn { remove: vec![kept[0], kept[1], kept[4]], first: 3, ..Turn::default() },
    );
    assert_eq!(store.size().events, 170);
    drop(store);
    let mut store = open(&path);
    assert_eq!(store.size().events, 170);
    let (kept, numbers, lost) = read_all(&mut store);
    let expected: Vec<usize> = (20..200).filter(|number| !(40..50).contains(number)).collect();
    assert_eq!((numbers, lost), (expected, Amount::default()));
    take(&mut store, &Turn { remove: kept, first: 21, ..Turn::default() });
    assert_eq!(store.size().events, 0);
    drop(store);
    // Numbers are not used again.
    let mut store = open(&path);
    fill(&mut store, 0..1, 300);
    assert_eq!(read_all(&mut store).0[0].number, 21);
}

#[test]
fn only_its_owner_can_read_it_and_one_at_a_time_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("buffer.sqlite");
    let store = open(&path);
    for entry in fs::read_dir(folder.path()).expect("a folder") {
        let entry = entry.expect("a file");
        let mode = entry.metadata().expect("its mode").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.path());
    }
    let second = Store::open(&path, NO_BOUND, DateTime::UNIX_EPOCH);
    let error = second.expect_err("it is in use").to_string();
    assert!(error.contains("another process uses"), "{error}");
    drop(store);
    open(&path);
}

#[test]
fn its_file_stays_below_the_bound_and_uses_freed_space_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("buffer.sqlite");
    let bytes_max = 2_000_000;
    let mut store = open_bounded(&path, bytes_max);
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..10 {
        // Some larger than a page, some not.
        let mut added = 0;
        loop {
            let fill = random.usize(100..5000);
            let add = vec![packed(added, 10, fill)];
            if take(&mut store, &Turn { add, ..Turn::default() }).added == [false] {
                break;
            }
            added += 10;
        }
        let file_bytes = fs::metadata(&path).expect("a file").len();
        assert!(file_bytes <= bytes_max, "{file_bytes} in round {round}");
        assert!(file_bytes > bytes_max * 9 / 10, "{file_bytes} in round {round}");
        let (mut kept, _, _) = read_all(&mut store);
        random.shuffle(&mut kept);
        kept.truncate(kept.len() / 2);
        take(&mut store, &Turn { remove: kept, ..Turn::default() });
        // What is left was read already.
        drop(store);
        store = open_bounded(&path, bytes_max);
    }
}

#[test]
fn a_batch_larger_than_the_bound_may_be_in_it_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open_bounded(&folder.path().join("buffer.sqlite"), 1_000_000);
    let add = || vec![packed(0, 10, 200_000)];
    assert_eq!(take(&mut store, &Turn { add: add(), ..Turn::default() }).added, [true]);
    assert_eq!(take(&mut store, &Turn { add: add(), ..Turn::default() }).added, [false]);
}

#[test]
fn what_comes_after_a_batch_without_room_waits_behind_it_unless_it_may_skip() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open_bounded(&folder.path().join("buffer.sqlite"), 1_000_000);
    for (may_skip, added) in [(false, [true, false, false]), (true, [true, false, true])] {
        let add = vec![packed(0, 10, 1000), packed(10, 10, 150_000), packed(20, 10, 1000)];
        let done = take(&mut store, &Turn { add, may_skip, ..Turn::default() });
        assert_eq!(done.added, added);
    }
}

#[test]
fn a_full_disk_changes_nothing_and_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("buffer.sqlite");
    let mut store = open(&path);
    fill(&mut store, 0..5, 3000);
    let (kept, _, _) = read_all(&mut store);
    let before = store.size();
    store.limit_pages(20);
    let add = || (5..40).map(|batch| packed(batch * 10, 10, 3000)).collect();
    let turn = Turn { add: add(), remove: kept[..1].to_vec(), first: 2, ..Turn::default() };
    let error = store.take_turn(&turn, DateTime::UNIX_EPOCH).expect_err("the disk is full");
    let shown = std::error::Error::source(&error).expect("it has a reason").to_string();
    assert!(shown.contains("full"), "{shown}");
    assert_eq!(store.size().events, before.events);
    // There is room again.
    assert_eq!(take(&mut store, &turn).added, vec![true; 35]);
    drop(store);
    assert_eq!(read_all(&mut open(&path)).1, (10..400).collect::<Vec<_>>());
}

#[test]
fn what_an_uncertain_commit_has_added_is_not_taken_for_what_comes_later() {
    for is_given_up in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("buffer.sqlite");
        let mut store = open(&path);
        fill(&mut store, 0..1, 300);
        let copy = folder.path().join("copy.sqlite");
        fs::copy(&path, &copy).expect("it is copied");
        let turn = || Turn { add: vec![packed(10, 10, 300)], ..Turn::default() };
        // A reader makes the commit fail; and yet the file is as it would have been after it.
        let reader = rusqlite::Connection::open(&path).expect("it opens");
        reader.execute_batch("BEGIN; SELECT * FROM state").expect("it is read");
        store.take_turn(&turn(), DateTime::UNIX_EPOCH).expect_err("the commit fails");
        drop(reader);
        take(&mut open(&copy), &turn());
        fs::copy(&copy, &path).expect("it is copied");
        let next = if is_given_up {
            store.withdraw();
            packed(20, 10, 300)
        } else {
            packed(10, 10, 300)
        };
        assert_eq!(take(&mut store, &Turn { add: vec![next], ..Turn::default() }).added, [true]);
        let expected: Vec<usize> = (0..if is_given_up { 30 } else { 20 }).collect();
        assert_eq!(read_all(&mut store).1, expected);
    }
}
