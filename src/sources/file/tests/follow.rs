//! Files that grow, move and are written anew.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_growing_file_is_followed_through_rotation_truncation_and_replacement() {
    let bench = Bench::new();
    let line = |n: u32| record(n) + "\n";
    bench.write("a.log", line(0));
    let name = |name: &str| bench.path(name);
    let direct = async |shutdown: &Shutdown, ids: &RefCell<Vec<String>>| {
        until(ids, 1).await;
        // A line that comes in two parts.
        let (first, second) = (line(1), line(1));
        bench.append("a.log", &first[..10]);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(ids.borrow().len(), 1);
        bench.append("a.log", &second[10..]);
        until(ids, 2).await;
        // Moved away, with a line more than was read.
        bench.append("a.log", line(2));
        fs::rename(name("a.log"), name("a.log.1")).expect("it moves");
        bench.write("a.log", line(3) + &line(4));
        until(ids, 5).await;
        // Copied and cut short.
        fs::copy(name("a.log"), bench.folder.path().join("state/copy")).expect("it is copied");
        bench.write("a.log", line(5));
        until(ids, 6).await;
        // Cut short, and grown beyond what was read, between two looks.
        bench.write("a.log", [6, 7, 8].map(line).concat());
        until(ids, 9).await;
        // Another file in its place.
        bench.write("new", line(9));
        fs::rename(name("new"), name("a.log")).expect("it moves");
        until(ids, 10).await;
        // A last line without an end is taken when nothing more comes.
        bench.append("a.log", record(10));
        until(ids, 11).await;
        bench.append("a.log", format!("\n{}", line(11)));
        until(ids, 12).await;
        bench.append("table.csv", "AuditData\nx");
        bench.append("table.csv", "y");
        fs::remove_file(name("a.log")).expect("it goes");
        sleep(Duration::from_mins(5)).await;
        shutdown.drain();
    };
    let ran = bench
        .run(bench.config(""), RunMode::Continuous, |_| Some(Outcome::Delivered), direct)
        .await;
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    let mut ids: Vec<u32> = ran.ids.iter().map(|id| id.parse().expect("a number")).collect();
    // Two files keep their own orders only.
    assert_eq!(ids.iter().position(|id| *id == 3).map(|at| ids[at + 1]), Some(4));
    ids.sort_unstable();
    assert_eq!(ids, (0..12).collect::<Vec<u32>>());
    assert_eq!(
        bench.letters(),
        ["table.csv@10 record is not valid JSON: expected value at line 1 column 1"]
    );
    assert_eq!(bench.read("").await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn more_files_than_may_be_open_are_followed_to_their_last_rows() {
    let bench = Bench::new();
    let row = |n: u32| format!("\"{}\"", record(n).replace('"', "\"\""));
    let name = |n: u32| format!("{n}.csv");
    // Of each file the last row has no end.
    (0..250)
        .for_each(|n| bench.write(&name(n), format!("AuditData\n{}\n{}", row(n), row(1000 + n))));
    let direct = async |shutdown: &Shutdown, ids: &RefCell<Vec<String>>| {
        until(ids, 250).await;
        until(ids, 500).await;
        (0..250).for_each(|n| bench.append(&name(n), format!("\n{}\n", row(2000 + n))));
        until(ids, 750).await;
        shutdown.drain();
    };
    let ran = bench
        .run(bench.config(""), RunMode::Continuous, |_| Some(Outcome::Delivered), direct)
        .await;
    assert!(ran.result.is_ok(), "{:?}", ran.result);
    let mut ids: Vec<u32> = ran.ids.iter().map(|id| id.parse().expect("a number")).collect();
    ids.sort_unstable();
    let expected = [0, 1000, 2000].into_iter().flat_map(|first| first..first + 250);
    assert_eq!(ids, expected.collect::<Vec<u32>>());
    assert_eq!(bench.letters(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_file_written_anew_between_two_runs_is_read_anew() {
    let bench = Bench::new();
    let lines = |ids: &[u32]| ids.iter().map(|id| record(id) + "\n").collect::<String>();
    let long: Vec<u32> = (100..200).collect();
    bench.write("a", lines(&long));
    assert_eq!(bench.read("").await.len(), 100);
    bench.append("a", lines(&[1, 2]));
    assert_eq!(bench.read("").await, ["1", "2"]);
    // The same start, and longer than before: but not what was read.
    bench.write("a", lines(&long[..50]) + &lines(&(300..400).collect::<Vec<u32>>()));
    assert_eq!(bench.read("").await.len(), 150);
    bench.write("a", lines(&long[..50]));
    assert_eq!(bench.read("").await.len(), 50);
    let text = |ids: &[u32]| format!("[{}]", ids.iter().map(record).collect::<Vec<_>>().join(","));
    bench.write("a", text(&[1, 2]));
    assert_eq!(bench.read("").await, ["1", "2"]);
    bench.write("a", text(&[1, 2, 3]));
    assert_eq!(bench.read("").await, ["1", "2", "3"], "an array is read as a whole");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_grows_is_read_on_with_its_header() {
    let bench = Bench::new();
    let row = |id: &str| format!("x;\"{}\"\r\n", record(id).replace('"', "\"\""));
    bench.write("a.csv", format!("\u{feff}#TYPE x\r\nx;AuditData\r\n{}", row("1")));
    assert_eq!(bench.read("").await, ["1"]);
    bench.append("a.csv", row("2"));
    assert_eq!(bench.read("").await, ["2"]);
}

#[tokio::test(start_paused = true)]
async fn excluded_files_are_left_alone_and_linked_ones_are_read_once() {
    let bench = Bench::new();
    bench.write("a.ndjson", record(1));
    bench.write("b.gz", record(2));
    fs::hard_link(bench.path("a.ndjson"), bench.path("c.ndjson")).expect("a link");
    let excluded = bench.path("*.gz").display().to_string();
    assert_eq!(bench.read(&format!("exclude = [{excluded:?}]")).await, ["1"]);
}
