//! Damage costs what it hits, and says so.

use std::{fs, path::Path};

use super::{
    rig::packed,
    store::{fill, numbers_in, open, read_all, take},
};
use crate::buffer::{record::Amount, salvage::PAGE_BYTES, turn::Turn};

/// A buffer of this many batches of ten events, of which the first three were settled.
fn filled(path: &Path, batches: usize, fill_bytes: usize) {
    let mut store = open(path);
    fill(&mut store, 0..batches, fill_bytes);
    let (kept, _, _) = read_all(&mut store);
    take(&mut store, &Turn { remove: kept[..3].to_vec(), first: 4, ..Turn::default() });
}

/// The pages in which a batch has bytes: those of its chain, found by what it was filled with.
fn pages_of(file: &[u8], batch: usize, fill_bytes: usize) -> Vec<usize> {
    let content = packed(batch * 10, 10, fill_bytes).content;
    let is_part = |page: &[u8]| {
        content.windows(64).step_by(64).any(|part| memchr::memmem::find(page, part).is_some())
    };
    let pages = file.chunks(PAGE_BYTES).enumerate();
    pages.filter(|(_, page)| is_part(page)).map(|(number, _)| number).collect()
}

#[test]
fn wherever_bytes_are_flipped_what_was_not_hit_arrives() {
    for (batches, fill_bytes) in [(60, 3000), (60, 150)] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("buffer.sqlite");
        filled(&path, batches, fill_bytes);
        let whole = fs::read(&path).expect("a file");
        let pages: Vec<Vec<usize>> =
            (0..batches).map(|batch| pages_of(&whole, batch, fill_bytes)).collect();
        let state_page = memchr::memmem::find(&whole, b"o365sta").expect("a state") / PAGE_BYTES;
        let mut random = fastrand::Rng::with_seed(42);
        for round in 0..40 {
            let mut damaged = whole.clone();
            // Half of the time in the first pages, where the tree and the state are.
            let end = if round % 2 == 0 { damaged.len() } else { 6 * PAGE_BYTES };
            let flips: Vec<usize> = (0..random.usize(1..4)).map(|_| random.usize(..end)).collect();
            for at in &flips {
                damaged[*at] ^= 1 << random.u8(..8);
            }
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("buffer.sqlite");
            fs::write(&path, &damaged).expect("a file");
            let mut store = open(&path);
            let (_, numbers, mut lost) = read_all(&mut store);
            lost.add(take(&mut store, &Turn::default()).lost);
            let is_hit =
                |batch: usize| flips.iter().any(|at| pages[batch].contains(&(at / PAGE_BYTES)));
            for batch in 3..batches {
                let has = numbers.contains(&(batch * 10));
                assert!(has || is_hit(batch), "{flips:?}: batch {batch} was not hit and is gone");
            }
            let (mut sorted, count) = (numbers.clone(), numbers.len());
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), count, "{flips:?}: some arrived twice");
            assert!(numbers.iter().all(|number| *number < batches * 10));
            let missing =
                (batches - 3) * 10 - numbers.iter().filter(|number| **number >= 30).count();
            // Without a state that can be read, it is not known how many there were.
            let is_state_hit = flips.iter().any(|at| at / PAGE_BYTES == state_page);
            assert!(
                usize::try_from(lost.events) == Ok(missing) || is_state_hit,
                "{flips:?}: {missing} are missing, {lost:?} were told"
            );
        }
    }
}

#[test]
fn a_file_that_was_cut_short_or_is_garbage_costs_what_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("buffer.sqlite");
    filled(&path, 40, 3000);
    let whole = fs::read(&path).expect("a file");
    for keep in [0, 1, 100, PAGE_BYTES, whole.len() / 2, whole.len() - 5000] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("buffer.sqlite");
        fs::write(&path, &whole[..keep]).expect("a file");
        let mut store = open(&path);
        let (_, numbers, _) = read_all(&mut store);
        let pages = |batch| pages_of(&whole, batch, 3000);
        for batch in 3..40 {
            let is_there = pages(batch).iter().all(|page| (page + 1) * PAGE_BYTES <= keep);
            assert!(!is_there || numbers.contains(&(batch * 10)), "{keep}: batch {batch} is gone");
        }
        // It works again.
        fill(&mut store, 40..42, 3000);
        assert_eq!(read_all(&mut store).1, (400..420).collect::<Vec<_>>());
    }
}

#[test]
fn a_damaged_file_is_kept_and_the_next_start_finds_a_sound_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("buffer.sqlite");
    filled(&path, 20, 3000);
    let mut damaged = fs::read(&path).expect("a file");
    damaged[..100].fill(0xff);
    fs::write(&path, &damaged).expect("a file");
    let mut store = open(&path);
    assert_eq!(read_all(&mut store).1, (30..200).collect::<Vec<_>>());
    let names: Vec<String> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    let aside: Vec<&String> = names.iter().filter(|name| name.contains(".corrupt-")).collect();
    assert_eq!(aside.len(), 1, "{names:?}");
    assert_eq!(fs::read(folder.path().join(aside[0])).expect("a file"), damaged);
    drop(store);
    let mut store = open(&path);
    let (_, numbers, lost) = read_all(&mut store);
    assert_eq!((numbers, lost), ((30..200).collect(), Amount::default()));
}

#[test]
fn damage_in_the_middle_of_a_read_costs_nothing_of_what_was_read_before_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("buffer.sqlite");
    let mut store = open(&path);
    // More than is cached.
    fill(&mut store, 0..400, 3000);
    let mut file = fs::read(&path).expect("a file");
    let (_, page) = file
        .chunks_mut(PAGE_BYTES)
        .enumerate()
        .filter(|(_, page)| page[0] == 0x0d && memchr::memmem::find(page, b"o365buf").is_some())
        .nth(20)
        .expect("a leaf of the tree");
    page[0] = 0xff;
    fs::write(&path, file).expect("it is written");
    let done = take(&mut store, &Turn { read_bytes: usize::MAX, ..Turn::default() });
    let mut numbers: Vec<usize> = done.read.into_iter().flat_map(numbers_in).collect();
    numbers.extend(read_all(&mut store).1);
    assert_eq!(numbers.len(), 4000, "some are missing or came twice");
    assert!(numbers.is_sorted(), "they are out of order");
}

#[test]
fn a_batch_that_cannot_be_read_a_second_time_is_told_of_and_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("buffer.sqlite");
    let mut store = open(&path);
    fill(&mut store, 0..400, 3000);
    let (kept, _, _) = read_all(&mut store);
    let mut file = fs::read(&path).expect("a file");
    // Of the second batch, in the middle of its chain: nothing but its own sum can tell.
    let page = pages_of(&file, 1, 3000)[1];
    file[page * PAGE_BYTES + 500] ^= 1;
    fs::write(&path, file).expect("it is written");
    let done = take(&mut store, &Turn { again: vec![1, 2, 3], ..Turn::default() });
    assert_eq!(done.again.iter().map(|read| read.kept.number).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(done.lost.events, 10);
    take(&mut store, &Turn { remove: kept, first: 401, ..Turn::default() });
    assert_eq!(store.size().events, 0);
}
